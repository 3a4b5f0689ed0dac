package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"usergraph/database"
	"usergraph/internal/devauth"
	"usergraph/internal/postgres"
	"usergraph/supabase"
)

// devTokenLife is how long a development token lives: that of Supabase Auth's.
const devTokenLife = time.Hour

// devUsers are those of supabase/seed.sql.
var devUsers = []devauth.User{
	{ID: uuid.MustParse("a0000000-0000-4000-8000-000000000001"), Email: "ada@example.com"},
	{ID: uuid.MustParse("b0000000-0000-4000-8000-000000000002"), Email: "bob@example.com"},
	{ID: uuid.MustParse("c0000000-0000-4000-8000-000000000003"), Email: "noname@example.com"},
}

// devFlags are what `dev` and `token` share.
type devFlags struct {
	host     string
	port     int
	authPort int
	data     string
}

func (f *devFlags) register(flags *flag.FlagSet) {
	flags.StringVar(&f.host, "host", "127.0.0.1", "the loopback address to listen on")
	flags.IntVar(&f.port, "port", 8080, "the port of the API; 0 lets the system choose")
	flags.IntVar(&f.authPort, "auth-port", 8081, "the port of the local stand-in for Supabase Auth; 0 lets the system choose")
	flags.StringVar(&f.data, "data", ".usergraph", "the folder that keeps the database and the signing key between runs")
}

func (f *devFlags) keyFile() string { return filepath.Join(f.data, "signing-key.pem") }

// runDev starts a PostgreSQL and an issuer of tokens, then the same server with these surroundings.
func runDev(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	var f devFlags
	flags := flag.NewFlagSet("dev", flag.ContinueOnError)
	flags.SetOutput(stdout)
	f.register(flags)
	reset := flags.Bool("reset", false, "begin with an empty database: what was kept is deleted")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(f.host); err != nil || !ip.IsLoopback() {
		return usageError{fmt.Errorf("--host %s: development tokens are for this machine only, use 127.0.0.1", f.host)}
	}

	// The ports first: whoever starts twice learns it before anything is touched.
	listener, err := listen(ctx, net.JoinHostPort(f.host, strconv.Itoa(f.port)), "--port")
	if err != nil {
		return err
	}
	defer listener.Close()
	authListener, err := listen(ctx, net.JoinHostPort(f.host, strconv.Itoa(f.authPort)), "--auth-port")
	if err != nil {
		return err
	}
	defer authListener.Close()

	log := newLogger(stdout, "auto")
	server, err := startDevDatabase(ctx, *reset, postgres.Config{
		DataDir:  filepath.Join(f.data, "postgres"),
		Mirror:   getenv("USERGRAPH_POSTGRES_MIRROR"),
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
	issuer, err := devauth.Open(f.keyFile(), supabaseURL+"/auth/v1")
	if err != nil {
		return err
	}
	authServer := &http.Server{Handler: issuer.Handler(), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout}
	go func() { _ = authServer.Serve(authListener) }()
	defer authServer.Close()

	cfg, err := readConfig(func(name string) string {
		switch name {
		case "DATABASE_URL":
			return server.URL("authenticator", "postgres")
		case "SUPABASE_URL":
			return supabaseURL
		case "INTROSPECTION":
			return "on"
		}
		return ""
	})
	if err != nil {
		return err
	}

	token, err := issuer.Token(devUsers[0], time.Now().Add(devTokenLife))
	if err != nil {
		return err
	}
	printBanner(stdout, "http://"+listener.Addr().String(), supabaseURL, f.data, token)
	return serve(ctx, cfg, log, listener, func(mux *http.ServeMux) {
		mux.Handle("POST /dev/token", devTokens(issuer))
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

// printBanner says what to click and what to paste.
func printBanner(w io.Writer, url, auth, data, token string) {
	fmt.Fprintf(w, `
  usergraph is running, signed in as Ada

  Playground  %[1]s/
  GraphQL     %[1]s/graphql
  Database    PostgreSQL with row-level security, kept in %[3]s
  Auth        stand-in for Supabase Auth at %[2]s, keys published as JWKS

  Ask as Ada (the token lives an hour; usergraph token --as bob@example.com prints another):

curl -s %[1]s/graphql -H 'Content-Type: application/json' -H 'Authorization: Bearer %[4]s' -d '{"query":"{ me { fullName } }"}'

`, url, auth, data, token)
}

// runToken prints a token for a user of the development database.
func runToken(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	var f devFlags
	flags := flag.NewFlagSet("token", flag.ContinueOnError)
	flags.SetOutput(stdout)
	f.register(flags)
	as := flags.String("as", "ada@example.com", "the user's address: ada@example.com, bob@example.com or noname@example.com")
	expires := flags.Duration("expires", devTokenLife, "how long the token lives; negative for one that has expired")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if _, err := os.Stat(f.keyFile()); err != nil {
		return usageError{fmt.Errorf("no development database in %s: run usergraph dev first, or name its folder with --data", f.data)}
	}
	issuer, err := devauth.Open(f.keyFile(), fmt.Sprintf("http://%s/auth/v1", net.JoinHostPort(f.host, strconv.Itoa(f.authPort))))
	if err != nil {
		return err
	}
	for _, user := range devUsers {
		if user.Email != *as {
			continue
		}
		token, err := issuer.Token(user, time.Now().Add(*expires))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(stdout, token)
		return err
	}
	return usageError{fmt.Errorf("--as %s: there is no such user", *as)}
}
