//go:generate go tool gqlgen generate

// Command usergraph is a GraphQL API in front of a Supabase project: it verifies who calls, and reads PostgreSQL as them.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"usergraph/database"
)

// The limits of a connection. A client has this long to send a request's headers and the whole of it, and may then
// rest this long between two requests.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	idleTimeout       = 2 * time.Minute
	// A token of 16 KiB, a cookie of the same, and what browsers send besides.
	maxHeaderBytes = 48 << 10
)

// The exit codes: 2 says that the command line or a setting is wrong, 1 that something failed.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)

	err := checkNames(variableNames(os.Environ()))
	if err == nil {
		err = run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	}
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "usergraph:", err)
	var usage usageError
	if errors.As(err, &usage) {
		os.Exit(exitUsage)
	}
	os.Exit(exitFailed)
}

// usageError is an error that the user mends on the command line or in the settings.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// commands are the words that may follow `usergraph`. None means serve.
var commands = []struct {
	name, meaning string
	run           func(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error
}{
	{"serve", "run the server with the settings of the environment (the default)", runServe},
	{"dev", "try it here: a PostgreSQL, users and tokens of its own, and the server", runDev},
	{"token", "print a token for a user of `usergraph dev`", runToken},
	{"migrate", "apply supabase/migrations to DATABASE_URL", runMigrate},
	{"schema", "print the GraphQL schema", runSchema},
	{"config", "print the settings in use, secrets hidden, and what is wrong with them", runConfig},
	{"health", "ask the server on this machine whether it lives, or with --ready whether it can answer", runHealth},
}

// run is the whole program as a function of its surroundings.
func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	getenv, err := withDotenv(getenv, ".")
	if err != nil {
		return usageError{err}
	}
	if len(args) == 0 {
		return runServe(ctx, nil, getenv, stdout)
	}
	for _, command := range commands {
		if command.name == args[0] {
			return command.run(ctx, args[1:], getenv, stdout)
		}
	}
	usage := "usage: usergraph [command]\n"
	for _, command := range commands {
		usage += fmt.Sprintf("\n  %-9s %s", command.name, command.meaning)
	}
	switch args[0] {
	case "help", "-h", "--help":
		fmt.Fprintln(stdout, usage)
		return nil
	}
	return usageError{fmt.Errorf("there is no command %q\n%s", args[0], usage)}
}

// runServe is the server in production.
func runServe(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(stdout)
	flags.Usage = func() {
		fmt.Fprintln(stdout, "usage: usergraph serve\n\nIts settings are environment variables, also read from .env.local and .env:")
		fmt.Fprintln(stdout)
		printSettings(stdout)
	}
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	cfg, err := readConfig(getenv)
	if err != nil {
		return usageError{err}
	}
	log := newLogger(stdout, cfg.logFormat)
	listener, err := listen(ctx, cfg.listen(), "PORT")
	if err != nil {
		return err
	}
	return serve(ctx, cfg, log, listener, func(mux *http.ServeMux) {
		if cfg.playground {
			mountPlayground(mux, servePlayground(cfg))
		}
	})
}

// listen opens a port, and says what to do about one that is taken.
func listen(ctx context.Context, address, setting string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, usageError{fmt.Errorf("%s is in use: stop what listens there, or choose another port with %s", address, setting)}
	}
	return listener, err
}

// serve answers requests on listener until ctx is done, and then lets those that have begun finish.
// More routes are added by mount.
func serve(ctx context.Context, cfg config, log *slog.Logger, listener net.Listener, mount func(*http.ServeMux)) error {
	defer listener.Close()
	db, err := database.Open(database.Config{URL: cfg.databaseURL, MaxConns: cfg.databaseConns})
	if err != nil {
		return usageError{err}
	}
	defer db.Close()

	verifier, err := newVerifier(cfg, db, log)
	if err != nil {
		return usageError{err}
	}
	defer verifier.Close()

	changes, err := database.Listen(cmp.Or(cfg.databaseListenURL, cfg.databaseURL), reportChanges(log))
	if err != nil {
		return usageError{err}
	}
	defer changes.Close()

	endpoint, handler, err := newEndpoint(cfg, db, verifier, changes, log)
	if err != nil {
		return usageError{err}
	}

	mux := http.NewServeMux()
	mux.Handle("/graphql", endpoint)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.Handle("GET /readyz", ready(log, db, verifier, changes))
	mount(mux)

	server := &http.Server{
		Handler:           logRequests(log, mux),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.Info("listening", "url", "http://"+listener.Addr().String(), "graphql", "/graphql")

	for ctx.Err() == nil {
		select {
		case err := <-failed:
			return fmt.Errorf("serve: %w", err)
		case <-hangup:
			verifier.Purge()
			log.Info("forgot all keys and verified tokens, at SIGHUP")
		case <-ctx.Done():
		}
	}
	log.Info("stopping: requests that have begun may finish", "within", cfg.drainTimeout)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.drainTimeout)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- handler.Shutdown(ctx) }()
	if err := errors.Join(server.Shutdown(ctx), <-drained); err != nil {
		return fmt.Errorf("requests were still running after %s: %w", cfg.drainTimeout, err)
	}
	return nil
}
