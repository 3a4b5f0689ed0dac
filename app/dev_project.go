package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"usergraph/auth"
	"usergraph/internal/devauth"
	"usergraph/internal/dsn"
	"usergraph/internal/localstack"
	"usergraph/internal/postgres"
	"usergraph/internal/telemetry"
)

// localConfig is the Supabase CLI's configuration, relative to the folder in which `usergraph dev` runs.
const localConfig = "supabase/config.toml"

// localDatabase is the value of --database for the database of `supabase start`.
const localDatabase = "local"

// devProject is the Supabase project that `usergraph dev` serves: one of its own, or one that exists.
type devProject struct {
	adminURL string // a login that reads every row
	loginURL string // the server's
	auth     *devauth.Server
	settings map[string]string // the server's settings that name the project
	banner   string            // what is told of database and Auth
}

// devOptions are the flags of `usergraph dev` that a project depends on.
type devOptions struct {
	data         string
	life         time.Duration
	confirmEmail bool
	reset        bool
	stack        localstack.Stack
	log          *slog.Logger
}

// ownProject starts PostgreSQL and a stand-in for Supabase Auth. stop ends both.
func (p *application) ownProject(ctx context.Context, options devOptions, listen func() (net.Listener, error)) (project *devProject, stop func(), err error) {
	listener, err := listen()
	if err != nil {
		return nil, nil, err
	}
	server, err := p.startDevDatabase(ctx, options.reset, postgres.Config{
		DataDir:  filepath.Join(options.data, "postgres"),
		Mirror:   p.Getenv("POSTGRES_MIRROR"),
		Progress: func(message string) { fmt.Fprintln(p.Stdout, message) },
	})
	if err != nil {
		return nil, nil, errors.Join(err, listener.Close())
	}
	stopDatabase := func() {
		if err := server.Stop(); err != nil {
			options.log.Error("stop PostgreSQL", "error", err)
		}
	}
	project = &devProject{
		adminURL: server.URL("postgres", "postgres"), loginURL: server.URL("authenticator", "postgres"),
		settings: map[string]string{"SESSION_CHECK": "always"},
		banner:   "  Database    PostgreSQL with row-level security, kept in " + options.data + "\n",
	}
	stopAuth, err := project.standIn(ctx, options, listener)
	if err != nil {
		stopDatabase()
		return nil, nil, err
	}
	project.banner += authBanner("stand-in for Supabase Auth; what supabase-js needs", project.settings)
	return project, func() { stopAuth(); stopDatabase() }, nil
}

// existingProject serves the database of a project that exists, and changes nothing in it. Users sign in with the Auth of
// `supabase start` if the database is that project's and its Auth answers, and else with the stand-in.
func existingProject(ctx context.Context, options devOptions, databaseURL string, listen func() (net.Listener, error)) (project *devProject, stop func(), err error) {
	if databaseURL == localDatabase {
		databaseURL = options.stack.DatabaseURL()
	}
	config, err := checkLocal(databaseURL)
	if err != nil {
		return nil, nil, usageError{fmt.Errorf("--database %w", err)}
	}
	checksSessions, err := lookAtProject(ctx, config)
	if err != nil {
		return nil, nil, usageError{fmt.Errorf("--database %w", err)}
	}
	project = &devProject{
		adminURL: databaseURL, loginURL: databaseURL, settings: map[string]string{},
		banner: fmt.Sprintf("  Database    %s, as it is: nothing is migrated, seeded or reset\n", net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))),
	}
	if checksSessions {
		project.settings["SESSION_CHECK"] = "always"
	}
	ofStack := int(config.Port) == options.stack.DatabasePort
	var about string
	if ofStack && options.stack.AuthAnswers(ctx) {
		about = "that of `supabase start`; what supabase-js needs"
		stop, err = project.localAuth(ctx, options)
	} else {
		about = "stand-in for Supabase Auth; what supabase-js needs"
		if ofStack {
			about = "stand-in for Supabase Auth, since none answers at " + options.stack.URL + "; what supabase-js needs"
		}
		var listener net.Listener
		if listener, err = listen(); err == nil {
			stop, err = project.standIn(ctx, options, listener)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	project.banner += authBanner(about, project.settings) +
		"              A token of the playground or of `go run . token` is a session: a row in auth.sessions, and one in\n" +
		"              auth.mfa_amr_claims. They end with the token, and the next start removes them.\n"
	return project, stop, nil
}

// standIn serves the stand-in for Supabase Auth.
func (project *devProject) standIn(ctx context.Context, options devOptions, listener net.Listener) (stop func(), err error) {
	url := "http://" + listener.Addr().String()
	project.auth, err = devauth.Open(ctx, devauth.Config{
		URL: url, KeyFile: filepath.Join(options.data, "signing-key.pem"), DatabaseURL: project.adminURL, TokenLife: options.life,
		ConfirmEmail: options.confirmEmail, SiteURL: options.stack.SiteURL, ConsentPage: options.stack.ConsentPage, Log: options.log,
	})
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	observed, err := telemetry.New(ctx, telemetry.Config{Log: options.log})
	if err != nil {
		project.auth.Close()
		return nil, errors.Join(err, listener.Close())
	}
	server := &http.Server{Handler: observed.Middleware(project.auth.Handler()), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout}
	go func() { _ = server.Serve(listener) }()
	project.settings["SUPABASE_URL"], project.settings["SUPABASE_PUBLISHABLE_KEYS"] = url, devauth.PublishableKey
	return func() {
		_ = server.Close()
		closeTelemetry(ctx, options.log, observed)
		project.auth.Close()
	}, nil
}

// localAuth lets users sign in with the Auth of `supabase start`. Its published secret signs the playground's tokens.
func (project *devProject) localAuth(ctx context.Context, options devOptions) (stop func(), err error) {
	stack := options.stack
	project.auth, err = devauth.Open(ctx, devauth.Config{
		URL: stack.URL, Secret: stack.JWTSecret, Issuer: stack.Issuer, DatabaseURL: project.adminURL, TokenLife: options.life, Log: options.log,
	})
	if err != nil {
		return nil, err
	}
	project.settings["SUPABASE_URL"], project.settings["SUPABASE_PUBLISHABLE_KEYS"] = stack.URL, stack.PublishableKey
	project.settings["SUPABASE_JWT_ISSUER"], project.settings["SUPABASE_JWT_SECRET"] = stack.Issuer, stack.JWTSecret
	return project.auth.Close, nil
}

func authBanner(about string, settings map[string]string) string {
	return fmt.Sprintf("  Auth        %s:\n                SUPABASE_URL              %s\n                SUPABASE_PUBLISHABLE_KEY  %s\n",
		about, settings["SUPABASE_URL"], settings["SUPABASE_PUBLISHABLE_KEYS"])
}

// checkLocal reads a connection string, all of whose hosts must be this machine: whoever reaches the server may act as
// any user of the database.
func checkLocal(databaseURL string) (*pgx.ConnConfig, error) {
	config, err := dsn.Postgres(databaseURL)
	if err != nil {
		return nil, err
	}
	hosts := []string{config.Host}
	for _, fallback := range config.Fallbacks {
		hosts = append(hosts, fallback.Host)
	}
	for _, host := range hosts {
		if !auth.IsLoopback(host) && !strings.HasPrefix(host, "/") { // a socket is this machine's
			return nil, fmt.Errorf("is on the host %s: dev acts as any user, so it takes a database of this machine only, by 127.0.0.1 or localhost; for others there is `usergraph serve`", host)
		}
	}
	return config, nil
}

// lookAtProject reports whether the database has the engine's function that checks sessions, and refuses one that is no
// Supabase project's, or whose login may not add the sessions of tokens.
func lookAtProject(ctx context.Context, config *pgx.ConnConfig) (checksSessions bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, errors.New("cannot be reached, or does not accept the login: check host, port, user and password")
	}
	defer conn.Close(context.WithoutCancel(ctx))
	const useOther = "logs in with a role that may not write auth.sessions: use postgres"
	var isProject, writes bool
	err = conn.QueryRow(ctx, `
		select to_regclass('auth.users') is not null and to_regclass('auth.sessions') is not null and to_regclass('auth.mfa_amr_claims') is not null
				and to_regrole('anon') is not null and to_regrole('authenticated') is not null,
			coalesce(has_table_privilege(to_regclass('auth.sessions'), 'select, insert, delete'), false)`).Scan(&isProject, &writes)
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused) && refused.Code == "42501": // the schema auth may not be used
		return false, errors.New(useOther)
	case err != nil:
		return false, err
	case !isProject:
		return false, errors.New("is no Supabase project's: it lacks auth.users, auth.sessions or auth.mfa_amr_claims, or the roles anon and authenticated")
	case !writes:
		return false, errors.New(useOther)
	}
	err = conn.QueryRow(ctx, `select to_regprocedure('usergraph.session_is_live()') is not null`).Scan(&checksSessions)
	return checksSessions, err
}
