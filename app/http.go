package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"usergraph/auth"
	"usergraph/database"
	"usergraph/endpoint"
	"usergraph/internal/telemetry"
)

// readyTimeout bounds how long /readyz waits for the database.
const readyTimeout = 2 * time.Second

// ready answers /readyz: whether the server can answer requests, and if not, why.
func ready(log *slog.Logger, draining *drain, db *database.DB, verifier *auth.Verifier, changes *database.Changes, schema *schemaWatch) http.Handler {
	checks := []struct {
		name  string
		check func(context.Context) error
		hint  string
	}{
		{"server", draining.check, "is stopping"},
		{"database", db.Ping, "cannot be reached"},
		{"keys", verifier.Ready, "the keys that verify tokens cannot be fetched"},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		status, report := http.StatusOK, map[string]string{}
		for _, c := range checks {
			report[c.name] = "ok"
			if err := c.check(ctx); err != nil {
				status, report[c.name] = http.StatusServiceUnavailable, c.hint
				log.WarnContext(ctx, "not ready", "check", c.name, "error", err)
			}
		}
		report["schema"] = "ok"
		if err := schema.ready(ctx); err != nil {
			status, report["schema"] = http.StatusServiceUnavailable, err.Error()
		} else if n := schema.count(); n > 0 {
			report["schema"] = fmt.Sprintf("has changed since the server was ready: %d missing, usergraph doctor names them", n)
		}
		for _, keys := range verifier.Status() {
			if report["keys"] == "ok" && keys.Err != nil && !keys.FetchedAt.IsZero() {
				report["keys"] = "ok for a while: the last good ones are in use, because they cannot be fetched again"
			}
		}
		// Without change notifications only subscriptions fail.
		switch err := changes.Err(); {
		case err == nil:
			report["subscriptions"] = "ok"
		case errors.Is(err, database.ErrNotAnnounced):
			report["subscriptions"] = "refused: " + err.Error()
		default:
			report["subscriptions"] = "delayed: the connection that hears of changes is being opened"
		}
		// Without the replica nothing fails.
		if replica := db.Replica(); replica != nil {
			report["replica"] = "ok"
			if !replica.InUse() {
				report["replica"] = "not in use: queries read from the primary"
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(report)
	})
}

// nothingHere answers requests to an address that has nothing, among them those for Supabase's own addresses.
func nothingHere(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, `{"errors":[{"message":"there is nothing at this address: the API is at /graphql, without a slash at its end. `+
		`Supabase's own addresses, such as /auth/v1 and /rest/v1, are at SUPABASE_URL","extensions":{"code":"BAD_REQUEST"}}]}`+"\n")
}

const (
	// maxOrigins bounds the origins that the log names as not allowed, and maxOrigin the bytes of one.
	maxOrigins = 20
	maxOrigin  = 200
)

// warnOfOrigins logs each origin that is not allowed, once: the browser tells only its own console.
func warnOfOrigins(log *slog.Logger, allowed *endpoint.Origins, next http.Handler) http.Handler {
	var mu sync.Mutex
	told := map[string]bool{}
	first := func(origin string) bool {
		mu.Lock()
		defer mu.Unlock()
		if told[origin] || len(told) == maxOrigins {
			return false
		}
		told[origin] = true
		return true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if r.Method == http.MethodOptions && origin != "" && len(origin) <= maxOrigin && !allowed.Contains(origin) && first(origin) {
			log.WarnContext(r.Context(), "a page may not use the API: its origin is not in ALLOWED_ORIGINS", "origin", origin)
		}
		next.ServeHTTP(w, r)
	})
}

// reportChanges returns a function that logs whether change notifications arrive.
func reportChanges(log *slog.Logger) func(error) {
	return func(err error) {
		switch {
		case err == nil:
			log.Info("changes arrive: subscriptions are answered")
		case errors.Is(err, database.ErrNotAnnounced):
			log.Warn("subscriptions are refused", "reason", err)
		default:
			log.Warn("changes do not arrive: subscriptions are delayed until the database is back", "reason", err)
		}
	}
}

// reportReplica returns a function that logs whether queries read from the replica.
func reportReplica(log *slog.Logger) func(error) {
	return func(err error) {
		if err == nil {
			log.Info("queries read from the replica")
			return
		}
		log.Warn("queries read from the primary: the replica at DATABASE_READ_URL cannot be used", "reason", err)
	}
}

// newHandler returns the GraphQL endpoint with options and the settings of the endpoint.
func newHandler(cfg endpointConfig, options endpoint.Options) (*endpoint.Handler, error) {
	trusted, err := readTrustedDocuments(cfg)
	if err != nil {
		return nil, err
	}
	options.Limits = &cfg.limits
	options.Introspection = cfg.introspection
	options.Trust, options.TrustedDocuments = cfg.trust, trusted
	options.Origins = cfg.origins
	return endpoint.NewHandler(options)
}

// checkDocuments builds the endpoint once with the trusted documents, and with the tools of agents, so that each is
// validated against the schema.
func (p *application) checkDocuments(c config) error {
	if c.endpoint.trust == endpoint.TrustOff && !c.mcp || c.databaseURL == "" || len(c.issuers) == 0 {
		return nil
	}
	if _, err := readTrustedDocuments(c.endpoint); err != nil {
		return err
	}
	db, err := database.Open(database.Config{URL: c.databaseURL}) // does not connect
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer db.Close()
	log := slog.New(slog.DiscardHandler)
	handler, err := newHandler(c.endpoint, endpoint.Options{Schema: p.Schema, DB: db, Log: log})
	if err != nil {
		return fmt.Errorf("TRUSTED_DOCUMENTS_FILE: %w", err)
	}
	if !c.mcp {
		return nil
	}
	c.publicURL = cmp.Or(c.publicURL, "http://localhost")
	_, err = p.newAgents(c, log, handler)
	return err
}

// refuseCaller answers a request whose caller is refused. The response has the request id of the log line.
func refuseCaller(w http.ResponseWriter, r *http.Request, err error) {
	auth.WriteRefusal(w, r, err, map[string]any{"requestId": telemetry.RequestID(r.Context())})
}
