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

	"usergraph/auth"
	"usergraph/database"
	"usergraph/graph"
	"usergraph/internal/ratelimit"
	"usergraph/internal/recent"
	"usergraph/internal/redisclient"
	"usergraph/internal/telemetry"
)

// The limits of a connection. A client has this long to send a request's headers and the whole of it, may take this long
// over the answer, and may then rest this long between two requests.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 15 * time.Second
	idleTimeout       = 2 * time.Minute
	// A token of 16 KiB, a cookie of the same, and what browsers send besides.
	maxHeaderBytes = 48 << 10
	// maxStreams is how many requests a connection of HTTP/2 may have at a time: RFC 9113 asks for 100 at least.
	maxStreams = 100
)

// flushTimeout is how long sending the last traces may hold up the end.
const flushTimeout = 3 * time.Second

// The exit codes: 2 says that the command line or a setting is wrong, 1 that something failed, 3 that `usergraph doctor`
// found nothing worse than warnings.
const (
	exitFailed   = 1
	exitUsage    = 2
	exitWarnings = 3
)

func main() {
	tuneGC()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)

	names := variableNames(os.Environ())
	for _, hint := range misspelled(names) {
		warn(hint)
	}
	err := checkNames(names)
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
	if errors.Is(err, errWarnings) {
		os.Exit(exitWarnings)
	}
	os.Exit(exitFailed)
}

// warn tells whoever started the program of something that does not stop it. Standard output may be a log or a schema.
func warn(text string) { fmt.Fprintln(os.Stderr, "usergraph:", text) }

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
	{"migrate", "apply supabase/migrations to DATABASE_MIGRATE_URL or DATABASE_URL", runMigrate},
	{"schema", "print the GraphQL schema", runSchema},
	{"doctor", "look at the project, a token and the database, and say what to do", runDoctor},
	{"config", "print the settings in use, secrets hidden, and what is wrong with them", runConfig},
	{"version", "print the version", runVersion},
	{"health", "ask the server on this machine whether it lives, or with --ready whether it can answer", runHealth},
}

// run is the whole program as a function of its surroundings.
func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	getenv, err := withDotenv(getenv, ".", warn)
	if err != nil {
		return usageError{err}
	}
	if len(args) == 0 {
		return runServe(ctx, nil, getenv, stdout)
	}
	switch args[0] {
	case "--version", "-version":
		return runVersion(ctx, nil, getenv, stdout)
	case "help", "-h", "-help", "--help":
		if len(args) == 1 {
			fmt.Fprintln(stdout, usage())
			return nil
		}
		args = []string{args[1], "--help"}
	}
	var names []string
	for _, command := range commands {
		if command.name == args[0] {
			return command.run(ctx, args[1:], getenv, stdout)
		}
		names = append(names, command.name)
	}
	hint := ""
	if meant := closest(args[0], names); meant != "" {
		hint = ", did you mean " + meant + "?"
	}
	return usageError{fmt.Errorf("there is no command %q%s\n%s", args[0], hint, usage())}
}

// usage lists the commands.
func usage() string {
	text := "usage: usergraph [command] [flags]\n"
	for _, command := range commands {
		text += fmt.Sprintf("\n  %-9s %s", command.name, command.meaning)
	}
	return text + "\n\n`usergraph <command> --help` says more of each.\n\nExample:\n  usergraph dev"
}

// runServe is the server in production.
func runServe(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	flags := newFlags(stdout, "serve", "Runs the server. Its settings are environment variables, also read from .env.local and .env; they are listed below.",
		"SUPABASE_URL=https://<ref>.supabase.co DATABASE_URL='postgres://usergraph:…' usergraph serve")
	help := flags.Usage
	flags.Usage = func() {
		help()
		fmt.Fprint(stdout, "\nSettings:\n")
		printSettings(stdout)
	}
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	cfg, err := readConfig(getenv)
	if err != nil {
		return usageError{err}
	}
	log := telemetry.NewLogger(stdout, cfg.logFormat, cfg.logLevel)
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
	observed, err := telemetry.New(ctx, telemetry.Config{Log: log, SlowOperation: cfg.slowOperation})
	if err != nil {
		return usageError{err}
	}
	defer closeTelemetry(ctx, log, observed)

	db, err := database.Open(database.Config{
		URL: cfg.databaseURL, MaxConns: cfg.databaseConns, MaxResultBytes: cfg.databaseResult, Observe: cfg.debug.Observe(observed.Statement),
		Replica: database.ReplicaConfig{URL: cfg.databaseReadURL, MaxLag: cfg.databaseMaxLag, Report: reportReplica(log)},
	})
	if err != nil {
		return usageError{err}
	}
	defer db.Close()
	observed.WatchPool(db.Stats)

	verifier, err := newVerifier(cfg, db, observed)
	if err != nil {
		return usageError{err}
	}
	defer verifier.Close()

	changes, err := database.Listen(cmp.Or(cfg.databaseListenURL, cfg.databaseURL), reportChanges(log))
	if err != nil {
		return usageError{err}
	}
	defer changes.Close()

	if cfg.redisURL != "" {
		redis, err := redisclient.New(cfg.redisURL, observed.RedisFailed)
		if err != nil {
			return usageError{err}
		}
		defer redis.Close()
		cfg.rateLimit.Redis = redis
	}
	cfg.rateLimit.Hit = observed.RateLimitHit
	limiter, err := ratelimit.New(cfg.rateLimit)
	if err != nil {
		return usageError{err}
	}
	options := graph.Options{
		DB: db, Log: log, Observer: observed, AroundFields: observed.Resolvers(), Verifier: verifier, Changes: changes, Admit: limiter.Admit,
		RequestID: telemetry.RequestID, Debug: cfg.debug,
	}
	if cfg.sessionCheck == "always" {
		options.CheckSession = verifier.CheckSession
	}
	if replica := db.Replica(); replica != nil {
		observed.WatchReplica(replica)
		options.Writers = recent.New(cfg.databaseMaxLag, cfg.rateLimit.Redis)
	}
	handler, err := newHandler(cfg.endpoint, options)
	if err != nil {
		return usageError{err}
	}
	observed.WatchConnections(handler.Connections)
	endpoint := auth.Middleware(verifier, auth.Options{Refuse: limiter.Refused(refuseCaller)})(limiter.Middleware(handler))
	endpoint = graph.CrossSite(cfg.endpoint.origins, endpoint)

	draining := new(drain)
	probes := map[string]http.Handler{
		"GET /livez":  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }),
		"GET /readyz": ready(log, draining, db, verifier, changes),
	}
	mux := http.NewServeMux()
	mux.Handle("/graphql", endpoint)
	for pattern, handler := range probes {
		mux.Handle(pattern, handler)
	}
	mount(mux)

	if cfg.adminAddress != "" {
		admin := observed.AdminHandler(verifier.Purge)
		for pattern, handler := range probes {
			admin.Handle(pattern, handler)
		}
		stop, err := serveAdmin(ctx, cfg.adminAddress, log, admin)
		if err != nil {
			return err
		}
		defer stop()
	}

	var routes http.Handler = mux
	if cfg.development {
		routes = guardDev(mux)
	}
	server := newServer(log, withClientAddress(cfg.trustedProxies, observed.Middleware(draining.middleware(routes))))
	server.MaxHeaderBytes = maxHeaderBytes
	// net/http counts from the headers. Event streams have a limit for each event instead.
	server.WriteTimeout = readTimeout + max(cfg.endpoint.limits.SignedIn.Time, cfg.endpoint.limits.Anonymous.Time) + writeTimeout
	server.Protocols.SetUnencryptedHTTP2(cfg.h2c)
	server.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: maxStreams}
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
	return draining.run(context.WithoutCancel(ctx), cfg, log, server, handler)
}

// newServer has the limits that every server needs on its connections.
func newServer(log *slog.Logger, handler http.Handler) *http.Server {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		Protocols:         new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true)
	return server
}

// serveAdmin serves what only those who run the server may see, until stop is called.
func serveAdmin(ctx context.Context, address string, log *slog.Logger, handler http.Handler) (stop func(), err error) {
	listener, err := listen(ctx, address, "ADMIN_ADDR")
	if err != nil {
		return nil, err
	}
	server := newServer(log, guardAdmin(listener.Addr(), handler))
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the admin listener has failed", "error", err)
		}
	}()
	log.Info("listening for those who run this", "url", "http://"+listener.Addr().String(), "metrics", "/metrics")
	return func() { _ = server.Close() }, nil
}

// closeTelemetry sends the last traces, and gives up on a receiver that does not answer.
func closeTelemetry(ctx context.Context, log *slog.Logger, observed *telemetry.Telemetry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if err := observed.Close(ctx); err != nil {
		log.Warn("the last traces are lost", "error", err)
	}
}
