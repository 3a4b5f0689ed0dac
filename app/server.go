package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"usergraph/auth"
	"usergraph/database"
	"usergraph/endpoint"
	"usergraph/internal/ratelimit"
	"usergraph/internal/recent"
	"usergraph/internal/redisclient"
	"usergraph/internal/telemetry"
	"usergraph/mcp"
)

// Timeouts of a connection: reading the headers, reading the request, writing the response, waiting for the next
// request.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 15 * time.Second
	idleTimeout       = 2 * time.Minute
	// A token of 16 KiB, a cookie of the same size, and the other headers of browsers.
	maxHeaderBytes = 48 << 10
	// maxStreams bounds the concurrent streams of an HTTP/2 connection. RFC 9113 recommends at least 100.
	maxStreams = 100
)

// flushTimeout bounds how long sending the last traces may delay the exit.
const flushTimeout = 3 * time.Second

// runServe runs the production server.
func (p *application) runServe(ctx context.Context, args []string) error {
	flags := newFlags(p.Stdout, "serve", "Runs the server. Its settings are environment variables, also read from .env.local and .env; they are listed below.",
		"SUPABASE_URL=https://<ref>.supabase.co DATABASE_URL='postgres://usergraph:…' usergraph serve")
	help := flags.Usage
	flags.Usage = func() {
		help()
		fmt.Fprint(p.Stdout, "\nSettings:\n")
		p.catalogue().printSettings(p.Stdout)
	}
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	cfg, err := p.readConfig(p.Getenv)
	if err != nil {
		return usageError{err}
	}
	log := telemetry.NewLogger(p.Stdout, cfg.logFormat, cfg.logLevel)
	listener, err := listen(ctx, cfg.listen(), "PORT=8090")
	if err != nil {
		return err
	}
	return p.serve(ctx, cfg, log, listener, func(mux *http.ServeMux, agents *mcp.Handler) error {
		if cfg.playground {
			return p.mountPlayground(mux, servePlayground(cfg), agents)
		}
		return nil
	})
}

// listen opens a port. Its error says what to do if the port is in use. another names another address, such as "--port 8090".
func listen(ctx context.Context, address, another string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, usageError{fmt.Errorf("%s is in use, perhaps by another usergraph: stop what listens there, or choose another port, as with %s", address, another)}
	}
	return listener, err
}

// serve answers requests on listener until ctx is done, and then lets running requests finish. mount adds routes; its agents are
// nil if agents may call nothing.
func (p *application) serve(ctx context.Context, cfg config, log *slog.Logger, listener net.Listener, mount func(*http.ServeMux, *mcp.Handler) error) error {
	defer listener.Close()
	info, _ := debug.ReadBuildInfo()
	warnOfVersions(log, info)
	observed, err := telemetry.New(ctx, telemetry.Config{Log: log, SlowOperation: cfg.slowOperation})
	if err != nil {
		return usageError{err}
	}
	defer closeTelemetry(ctx, log, observed)

	db, err := database.Open(database.Config{
		URL: cfg.databaseURL, MaxConns: cfg.databaseConns, MaxResultBytes: cfg.databaseResult, Observe: cfg.debug.Observe(observed.Statement),
		Models: p.Models, QueryHooks: p.QueryHooks,
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
	options := endpoint.Options{
		Schema: p.Schema, Errors: p.Errors, DB: db, Log: log, Observer: observed, AroundFields: observed.Resolvers(), Verifier: verifier, Changes: changes, Admit: limiter.Admit,
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
	guard := func(handler http.Handler) http.Handler {
		checked := auth.Middleware(verifier, auth.Options{Refuse: limiter.Refused(refuseCaller)})(limiter.Middleware(handler))
		return warnOfOrigins(log, cfg.endpoint.origins, endpoint.CrossSite(cfg.endpoint.origins, checked))
	}

	needs, err := p.needs()
	if err != nil {
		log.Warn("the tables of the API are not checked", "reason", err)
	}
	needs.Sessions = cfg.sessionCheck == "always"
	schema := &schemaWatch{db: db, needs: needs, log: log}
	observed.WatchSchema(schema.count)
	looking, stopLooking := context.WithCancel(ctx)
	var looks sync.WaitGroup
	looks.Go(func() { schema.run(looking) })
	looks.Go(func() { _ = verifier.Ready(looking) }) // a failure is logged before the first caller meets it
	defer looks.Wait()
	defer stopLooking()

	draining := new(drain)
	probes := map[string]http.Handler{
		"GET /livez":  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }),
		"GET /readyz": ready(log, draining, db, verifier, changes, schema),
	}
	mux := http.NewServeMux()
	mux.Handle("/graphql", guard(handler))
	for pattern, handler := range probes {
		mux.Handle(pattern, handler)
	}
	var agents *mcp.Handler
	if cfg.mcp {
		cfg.publicURL = cmp.Or(cfg.publicURL, "http://"+listener.Addr().String())
		if agents, err = p.mountAgents(mux, cfg, log, handler, verifier, limiter); err != nil {
			return err
		}
	}
	if err := mount(mux, agents); err != nil {
		return err
	}
	if p.Routes != nil {
		own := http.NewServeMux()
		p.Routes(own, handler.Engine())
		mux.Handle("/", guard(telemetry.Routed(own)))
	} else {
		mux.HandleFunc("/", nothingHere)
	}

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

	routes := telemetry.Routed(mux)
	if p.Middleware != nil {
		routes = p.Middleware(routes)
	}
	if cfg.development {
		routes = guardDev(routes)
	}
	server := newServer(log, withClientAddress(cfg.trustedProxies, observed.Middleware(draining.middleware(routes))))
	server.MaxHeaderBytes = maxHeaderBytes
	// net/http counts from the headers. Event streams have a timeout for each event instead.
	server.WriteTimeout = readTimeout + max(cfg.endpoint.limits.SignedIn.Time, cfg.endpoint.limits.Anonymous.Time) + writeTimeout
	server.Protocols.SetUnencryptedHTTP2(cfg.h2c)
	server.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: maxStreams}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	failed := make(chan error, 1)
	bounded := bound(server, listener)
	go func() { failed <- server.Serve(bounded) }()
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

// newServer returns a server with the limits of every listener.
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

// serveAdmin serves the admin listener until stop is called.
func serveAdmin(ctx context.Context, address string, log *slog.Logger, handler http.Handler) (stop func(), err error) {
	listener, err := listen(ctx, address, "ADMIN_ADDR=127.0.0.1:9091")
	if err != nil {
		return nil, err
	}
	server := newServer(log, guardAdmin(listener.Addr(), handler))
	go func() {
		if err := server.Serve(bound(server, listener)); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the admin listener has failed", "error", err)
		}
	}()
	log.Info("listening for those who run this", "url", "http://"+listener.Addr().String(), "metrics", "/metrics")
	return func() { _ = server.Close() }, nil
}

// closeTelemetry sends the last traces, and stops waiting for a receiver that does not answer.
func closeTelemetry(ctx context.Context, log *slog.Logger, observed *telemetry.Telemetry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if err := observed.Close(ctx); err != nil {
		log.Warn("the last traces are lost", "error", err)
	}
}
