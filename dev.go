package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"usergraph/database"
	"usergraph/graph"
	"usergraph/internal/devauth"
	"usergraph/internal/postgres"
	"usergraph/internal/telemetry"
	"usergraph/supabase"
)

// devPassword is that of all users of supabase/seed.sql.
const devPassword = "usergraph-dev"

// runDev starts a PostgreSQL and a stand-in for Supabase Auth, then the same server with these surroundings.
func runDev(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	flags := newFlags(stdout, "dev", "Starts a PostgreSQL with users, a stand-in for Supabase Auth, and the server with a playground. It is for this machine only.",
		"usergraph dev --port 9000 --token-life 30s")
	host := flags.String("host", "127.0.0.1", "the loopback address to listen on")
	port := flags.Int("port", 8080, "the port of the API; 0 lets the system choose")
	authPort := flags.Int("auth-port", 8081, "the port of the local stand-in for Supabase Auth; 0 lets the system choose")
	data := flags.String("data", ".usergraph", "the folder that keeps the database and the signing key between runs")
	life := flags.Duration("token-life", devTokenLife, "how long an access token lives; short ones show whether a client refreshes")
	reset := flags.Bool("reset", false, "begin with an empty database: what was kept is deleted")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if *life < time.Second {
		return usageError{fmt.Errorf("--token-life %s: a token lives a second or longer", *life)}
	}
	if ip, err := netip.ParseAddr(*host); err != nil || !ip.IsLoopback() {
		return usageError{fmt.Errorf("--host %s: development tokens are for this machine only, use 127.0.0.1", *host)}
	}

	// Who closes the terminal is done. serve takes the same signal for something else.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer stop()

	// The ports first: whoever starts twice learns it before anything is touched.
	listener, err := listen(ctx, net.JoinHostPort(*host, strconv.Itoa(*port)), "--port")
	if err != nil {
		return err
	}
	defer listener.Close()
	authListener, err := listen(ctx, net.JoinHostPort(*host, strconv.Itoa(*authPort)), "--auth-port")
	if err != nil {
		return err
	}
	defer authListener.Close()

	log := telemetry.NewLogger(stdout, "auto", slog.LevelInfo)
	server, err := startDevDatabase(ctx, *reset, postgres.Config{
		DataDir:  filepath.Join(*data, "postgres"),
		Mirror:   getenv("POSTGRES_MIRROR"),
		Progress: func(message string) { fmt.Fprintln(stdout, message) },
	})
	if err != nil {
		return err
	}
	defer func() {
		if err := server.Stop(); err != nil {
			log.Error("stop PostgreSQL", "error", err)
		}
	}()

	supabaseURL := "http://" + authListener.Addr().String()
	authServer, err := devauth.Open(ctx, devauth.Config{
		URL: supabaseURL, KeyFile: filepath.Join(*data, "signing-key.pem"), DatabaseURL: server.URL("postgres", "postgres"), TokenLife: *life, Log: log,
	})
	if err != nil {
		return err
	}
	defer authServer.Close()
	observed, err := telemetry.New(ctx, telemetry.Config{Log: log})
	if err != nil {
		return err
	}
	defer closeTelemetry(ctx, log, observed)
	authHTTP := &http.Server{Handler: observed.Middleware(authServer.Handler()), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout}
	go func() { _ = authHTTP.Serve(authListener) }()
	defer authHTTP.Close()

	cfg, err := readConfig(func(name string) string {
		switch name {
		case "DATABASE_URL":
			return server.URL("authenticator", "postgres")
		case "SUPABASE_URL":
			return supabaseURL
		case "SUPABASE_PUBLISHABLE_KEYS":
			return devauth.PublishableKey
		case "INTROSPECTION":
			return "on"
		case "ALLOWED_ORIGINS":
			return "http://localhost:*,http://127.0.0.1:*"
		case "DRAIN_DELAY":
			return "0s"
		case "SESSION_CHECK":
			return "always"
		}
		return ""
	})
	if err != nil {
		return err
	}

	cfg.development = true
	cfg.debug = &graph.Debug{Explain: explain(server.URL("postgres", "postgres")), Log: log}

	token, err := authServer.Token(ctx, devIdentities[0].user, time.Now().Add(*life))
	if err != nil {
		return err
	}
	printBanner(stdout, "http://"+listener.Addr().String(), supabaseURL, *data, token)
	return serve(ctx, cfg, log, listener, func(mux *http.ServeMux) {
		mux.Handle("POST "+devTokenPath, devTokens(authServer, *life))
		mountPlayground(mux, devPlayground())
	})
}

// startDevDatabase starts PostgreSQL with the migrations applied, and the seed if it is new.
func startDevDatabase(ctx context.Context, reset bool, cfg postgres.Config) (*postgres.Server, error) {
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
		if err := database.Migrate(ctx, admin, supabase.Migrations, func(string) {}); err != nil {
			return err
		}
		conn, err := pgx.Connect(ctx, admin)
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		_, err = conn.Exec(ctx, supabase.Seed)
		return err
	}()
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return server, nil
}

// explain looks for a row, and for the policies that let a role read its table, as the owner of the database.
func explain(adminURL string) func(ctx context.Context, table string, id uuid.UUID, role string) (bool, []string, error) {
	return func(ctx context.Context, table string, id uuid.UUID, role string) (exists bool, policies []string, err error) {
		conn, err := pgx.Connect(ctx, adminURL)
		if err != nil {
			return false, nil, err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		name := pgx.Identifier(strings.Split(table, ".")).Sanitize()
		if err := conn.QueryRow(ctx, "select exists (select from "+name+" where id = $1)", id).Scan(&exists); err != nil {
			return false, nil, err
		}
		err = conn.QueryRow(ctx, `select coalesce(array_agg(quote_ident(policyname) order by policyname), '{}') from pg_policies
			where schemaname || '.' || tablename = $1 and cmd in ('SELECT', 'ALL') and roles && array['public', $2]::name[]`, table, role).Scan(&policies)
		return exists, policies, err
	}
}

// printBanner says what to click and what to paste.
func printBanner(w io.Writer, url, auth, data, token string) {
	fmt.Fprintf(w, `
  usergraph is running, signed in as Ada

  Playground  %[1]s/
  GraphQL     %[1]s/graphql
  Database    PostgreSQL with row-level security, kept in %[3]s
  Auth        stand-in for Supabase Auth; what supabase-js needs:
                SUPABASE_URL              %[2]s
                SUPABASE_PUBLISHABLE_KEY  %[5]s
  Users       ada@example.com, bob@example.com, noname@example.com, password %[6]s

  Ask as Ada (usergraph token --as bob@example.com prints a token for somebody else):

curl -s %[1]s/graphql -H 'Content-Type: application/json' -H 'Authorization: Bearer %[4]s' -d '{"query":"{ me { fullName } }"}'

`, url, auth, data, token, devauth.PublishableKey, devPassword)
}
