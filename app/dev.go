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
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"usergraph/endpoint"
	"usergraph/internal/devauth"
	"usergraph/internal/postgres"
	"usergraph/internal/telemetry"
)

const (
	// devPassword is the password of the users in the seed that `usergraph init` writes. The banner shows it if the
	// first user has it.
	devPassword = "usergraph-dev"
	// maxIdentities bounds the users that the playground offers.
	maxIdentities = 20
)

// runDev starts PostgreSQL, a stand-in for Supabase Auth, and then the same server as serve.
func (p *application) runDev(ctx context.Context, args []string) error {
	flags := newFlags(p.Stdout, "dev", "Starts a PostgreSQL with users, a stand-in for Supabase Auth, and the server with a playground. It is for this machine only.",
		"usergraph dev --port 9000 --token-life 30s")
	host := flags.String("host", "127.0.0.1", "the loopback address to listen on")
	port := flags.Int("port", 8080, "the port of the API; 0 lets the system choose")
	authPort := flags.Int("auth-port", 8081, "the port of the local stand-in for Supabase Auth; 0 lets the system choose")
	data := flags.String("data", ".usergraph", "the folder that keeps the database and the signing key between runs")
	life := flags.Duration("token-life", devTokenLife, "how long an access token lives; short ones show whether a client refreshes")
	confirmEmail := flags.Bool("confirm-email", false, "a sign-up gives no session before the address is confirmed, as in a new Supabase project; the link is in the log")
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

	// In dev, SIGHUP (a closed terminal) stops the program. In serve it purges keys.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer stop()

	// The ports are opened first, so that a second start fails before it changes anything.
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

	log := telemetry.NewLogger(p.Stdout, "auto", slog.LevelInfo)
	server, err := p.startDevDatabase(ctx, *reset, postgres.Config{
		DataDir:  filepath.Join(*data, "postgres"),
		Mirror:   p.Getenv("POSTGRES_MIRROR"),
		Progress: func(message string) { fmt.Fprintln(p.Stdout, message) },
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
		URL: supabaseURL, KeyFile: filepath.Join(*data, "signing-key.pem"), DatabaseURL: server.URL("postgres", "postgres"), TokenLife: *life,
		ConfirmEmail: *confirmEmail, Log: log,
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

	own := catalogueOf(p.Settings)
	cfg, err := p.readConfig(func(name string) string {
		if own.isSetting(name) {
			return p.Getenv(name)
		}
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
		case "MCP", "MCP_MUTATIONS":
			if p.hasTools() {
				return "on"
			}
		case "PUBLIC_URL":
			return "http://" + listener.Addr().String()
		}
		return ""
	})
	if err != nil {
		return err
	}

	cfg.development = true
	cfg.debug = &endpoint.Debug{Explain: explain(server.URL("postgres", "postgres")), Log: log}

	users, err := authServer.Users(ctx, maxIdentities)
	if err != nil {
		return err
	}
	if len(users) == 0 {
		return errors.New("the seed has no users: supabase/seed.sql inserts into auth.users")
	}
	token, err := authServer.Token(ctx, users[0].ID.String(), time.Now().Add(*life))
	if err != nil {
		return err
	}
	printBanner(p.Stdout, "http://"+listener.Addr().String(), supabaseURL, *data, token, users)
	return p.serve(ctx, cfg, log, listener, func(mux *http.ServeMux) error {
		mux.Handle("POST "+devTokenPath, devTokens(authServer, users[0], *life))
		return p.mountPlayground(mux, devPlayground(users))
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

// explain returns a function that looks up a row, and the policies that let a role read its table, as the database's
// owner.
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

// printBanner prints the URLs to open and the command to paste.
func printBanner(w io.Writer, url, auth, data, token string, users []devauth.User) {
	var addresses []string
	for _, user := range users {
		if user.Email != "" {
			addresses = append(addresses, user.Email)
		}
	}
	who := strings.Join(addresses, ", ")
	if users[0].HasPassword(devPassword) {
		who += ", password " + devPassword
	}
	fmt.Fprintf(w, `
  usergraph is running, signed in as %[6]s

  Playground  %[1]s/
  GraphQL     %[1]s/graphql
  Agents      %[1]s/mcp
  Database    PostgreSQL with row-level security, kept in %[3]s
  Auth        stand-in for Supabase Auth; what supabase-js needs:
                SUPABASE_URL              %[2]s
                SUPABASE_PUBLISHABLE_KEY  %[5]s
  Users       %[7]s

  Ask as %[6]s (usergraph token --as prints a token for somebody else):

curl -s %[1]s/graphql -H 'Content-Type: application/json' -H 'Authorization: Bearer %[4]s' -d '{"query":"{ me { fullName } }"}'

`, url, auth, data, token, devauth.PublishableKey, users[0].Label(), who)
}
