package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/endpoint"
	"usergraph/internal/devauth"
	"usergraph/internal/localstack"
	"usergraph/internal/postgres"
	"usergraph/internal/telemetry"
	"usergraph/mcp"
)

const (
	// devPassword is the password of the users in the seed that `usergraph init` writes. The banner shows it if the
	// first user has it.
	devPassword = "usergraph-dev"
	// maxIdentities bounds the users that the playground offers.
	maxIdentities = 20
)

// runDev starts PostgreSQL, a stand-in for Supabase Auth, and then the same server as serve. With --database it serves a
// project that exists.
func (p *application) runDev(ctx context.Context, args []string) error {
	flags := newFlags(p.Stdout, "dev", "Starts a PostgreSQL with users, a stand-in for Supabase Auth, and the server with a playground. It is for this machine only.\n"+
		"With --database it serves a project of this machine as it is: `supabase start`'s, or another one.",
		"usergraph dev --port 9000 --token-life 30s")
	host := flags.String("host", "127.0.0.1", "the loopback address to listen on")
	port := flags.Int("port", 8080, "the port of the API; 0 lets the system choose")
	authPort := flags.Int("auth-port", 8081, "the port of the local stand-in for Supabase Auth; 0 lets the system choose")
	data := flags.String("data", ".usergraph", "the folder that keeps the database and the signing key between runs")
	life := flags.Duration("token-life", devTokenLife, "how long an access token lives; short ones show whether a client refreshes")
	confirmEmail := flags.Bool("confirm-email", false, "a sign-up gives no session before the address is confirmed, as in a new Supabase project; the link is in the log")
	reset := flags.Bool("reset", false, "begin with an empty database: what was kept is deleted")
	databaseURL := flags.String("database", "", "serve the database of this machine with this `URL` as it is: it is not migrated, seeded or reset; \"local\" is the one of `supabase start`")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if *life < time.Second {
		return usageError{fmt.Errorf("--token-life %s: a token lives a second or longer", *life)}
	}
	if ip, err := netip.ParseAddr(*host); err != nil || !ip.IsLoopback() {
		return usageError{fmt.Errorf("--host %s: development tokens are for this machine only, use 127.0.0.1", *host)}
	}
	if *reset && *databaseURL != "" {
		return usageError{errors.New("--reset deletes the database of `usergraph dev`; the one of --database is never reset: leave out one of the two")}
	}
	stack, err := localstack.Read(localConfig, p.Getenv)
	switch {
	case err != nil && *databaseURL != "":
		return usageError{err}
	case err != nil: // only site_url would be used
		fmt.Fprintln(p.Stdout, "ignored:", err)
	}

	// In dev, SIGHUP (a closed terminal) stops the program. In serve it purges keys.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer stop()

	// The ports are opened first, so that a second start fails before it changes anything.
	listener, err := listen(ctx, net.JoinHostPort(*host, strconv.Itoa(*port)), "--port 8090")
	if err != nil {
		return err
	}
	defer listener.Close()
	listenAuth := func() (net.Listener, error) {
		return listen(ctx, net.JoinHostPort(*host, strconv.Itoa(*authPort)), "--auth-port 8091")
	}

	log := telemetry.NewLogger(p.Stdout, "auto", slog.LevelInfo)
	options := devOptions{data: *data, life: *life, confirmEmail: *confirmEmail, reset: *reset, stack: stack, log: log}
	var project *devProject
	var stopProject func()
	if *databaseURL != "" {
		project, stopProject, err = existingProject(ctx, options, *databaseURL, listenAuth)
	} else {
		project, stopProject, err = p.ownProject(ctx, options, listenAuth)
	}
	if err != nil {
		return err
	}
	defer stopProject()

	own := catalogueOf(p.Settings)
	cfg, err := p.readConfig(func(name string) string {
		if own.isSetting(name) {
			return p.Getenv(name)
		}
		switch name {
		case "DATABASE_URL":
			return project.loginURL
		case "INTROSPECTION":
			return "on"
		case "ALLOWED_ORIGINS":
			return "http://localhost:*,http://127.0.0.1:*"
		case "DRAIN_DELAY":
			return "0s"
		case "MCP", "MCP_MUTATIONS":
			if p.hasTools() {
				return "on"
			}
		case "PUBLIC_URL":
			return "http://" + listener.Addr().String()
		}
		return project.settings[name]
	})
	if err != nil {
		return err
	}

	cfg.development = true
	cfg.debug = &endpoint.Debug{Explain: explain(project.adminURL), Log: log}

	users, err := project.auth.Users(ctx, maxIdentities)
	if err != nil {
		return err
	}
	if len(users) == 0 && *databaseURL == "" {
		return errors.New("the seed has no users: supabase/seed.sql inserts into auth.users")
	}
	if cfg.mcp {
		project.banner = "  Agents      " + mcp.Resource(cfg.publicURL) + "\n" + project.banner
	}
	if file := uncompiled(p.Schema(new(endpoint.Engine)).Schema()); file != "" {
		fmt.Fprintf(p.Stdout, "%s is not what this program was compiled from: run `go generate .`, and then `go run . dev`\n", file)
	}
	if err := printBanner(ctx, p.Stdout, "http://"+listener.Addr().String(), firstQuery(p.Schema(new(endpoint.Engine)).Schema()), project, users, *life); err != nil {
		return err
	}
	return p.serve(ctx, cfg, log, listener, func(mux *http.ServeMux, agents *mcp.Handler) error {
		mux.Handle("POST "+devTokenPath, devTokens(project.auth, users, *life))
		return p.mountPlayground(mux, devPlayground(users), agents)
	})
}

// startDevDatabase starts PostgreSQL, applies the migrations, and runs the seed if it is new.
func (p *application) startDevDatabase(ctx context.Context, reset bool, cfg postgres.Config) (*postgres.Server, error) {
	if reset {
		if err := postgres.Remove(cfg.DataDir); err != nil {
			return nil, err
		}
	}
	server, err := postgres.Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	err = func() error {
		admin := server.URL("postgres", "postgres")
		migration, err := p.migration(admin)
		if err != nil {
			return err
		}
		if err := migration.Apply(ctx); err != nil {
			return err
		}
		conn, err := pgx.Connect(ctx, admin)
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		_, err = conn.Exec(ctx, p.Seed)
		return err
	}()
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return server, nil
}

// uncompiled returns a schema file of this folder that the program was not compiled from, or "": somebody has forgotten
// `go generate`.
func uncompiled(schema *ast.Schema) string {
	compiled := map[string]string{}
	for _, source := range sourceFiles(schema) {
		compiled[strings.TrimPrefix(source.Name, "../../")] = source.Input
	}
	if compiled["schema.graphqls"] == "" {
		return "" // a schema of another layout
	}
	more, _ := filepath.Glob("schema/*.graphqls")
	for _, file := range append([]string{"schema.graphqls"}, more...) {
		text, err := os.ReadFile(file)
		if err == nil && string(text) != compiled[filepath.ToSlash(file)] {
			return file
		}
	}
	return ""
}

// explain returns a function that looks up a row, and the policies that let a role read its table, with a login that
// reads every row. A login that policies bind gets an error, and not the answer that there is no row.
func explain(adminURL string) func(ctx context.Context, table string, key map[string]string, role string) (bool, []string, error) {
	return func(ctx context.Context, table string, key map[string]string, role string) (exists bool, policies []string, err error) {
		conn, err := pgx.Connect(ctx, adminURL)
		if err != nil {
			return false, nil, err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		if _, err := conn.Exec(ctx, "set row_security = off"); err != nil {
			return false, nil, err
		}
		name := pgx.Identifier(strings.Split(table, ".")).Sanitize()
		var conditions []string
		var values []any
		for column, text := range key {
			values = append(values, text)
			conditions = append(conditions, fmt.Sprintf("%s = $%d", pgx.Identifier{column}.Sanitize(), len(values)))
		}
		if err := conn.QueryRow(ctx, "select exists (select from "+name+" where "+strings.Join(conditions, " and ")+")", values...).Scan(&exists); err != nil {
			return false, nil, err
		}
		err = conn.QueryRow(ctx, `select coalesce(array_agg(quote_ident(policyname) order by policyname), '{}') from pg_policies
			where schemaname || '.' || tablename = $1 and cmd in ('SELECT', 'ALL') and roles && array['public', $2]::name[]`, table, role).Scan(&policies)
		return exists, policies, err
	}
}

// printBanner prints the URLs to open and, with a token for the first user, the command to paste, which sends a query.
func printBanner(ctx context.Context, w io.Writer, url, query string, project *devProject, users []devauth.User, life time.Duration) error {
	var addresses []string
	for _, user := range users {
		if user.Email != "" {
			addresses = append(addresses, user.Email)
		}
	}
	who := strings.Join(addresses, ", ")
	signedIn, try := "", "  Nobody has signed up yet. `go run . token --as EMAIL` prints a token for somebody who does.\n\n"
	if len(users) > 0 {
		token, err := project.auth.Token(ctx, users[0].ID.String(), time.Now().Add(life))
		if err != nil {
			return err
		}
		if users[0].HasPassword(devPassword) {
			who += ", password " + devPassword
		}
		signedIn = ", signed in as " + users[0].Label()
		try = fmt.Sprintf("  Users       %[4]s\n\n  Ask as %[1]s (`go run . token --as EMAIL` prints a token for somebody else):\n\n"+
			`curl -s %[2]s/graphql -H 'Content-Type: application/json' -H 'Authorization: Bearer %[3]s' -d '{"query":"%[5]s"}'`+"\n\n",
			users[0].Label(), url, token, who, query)
	}
	_, err := fmt.Fprintf(w, `
  usergraph is running%s

  Playground  %[2]s/
  GraphQL     %[2]s/graphql
%[3]s%[4]s`, signedIn, url, project.banner, try)
	return err
}

// firstQuery is a query to begin with: who the caller is, if the schema has that.
func firstQuery(schema *ast.Schema) string {
	me := schema.Query.Fields.ForName("me")
	switch {
	case me == nil:
		return "{ __typename }"
	case schema.Types[me.Type.Name()].Fields.ForName("fullName") != nil:
		return "{ me { fullName } }"
	}
	return "{ me { id } }"
}
