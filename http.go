package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"usergraph/auth"
	"usergraph/database"
	"usergraph/graph"
)

// readyTimeout is how long /readyz waits for the database.
const readyTimeout = 2 * time.Second

// ready tells whether requests can be answered, and if not, why.
func ready(log *slog.Logger, db *database.DB, verifier *auth.Verifier, changes *database.Changes) http.Handler {
	checks := []struct {
		name  string
		check func(context.Context) error
		hint  string
	}{
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
		for _, keys := range verifier.Status() {
			if report["keys"] == "ok" && keys.Err != nil {
				report["keys"] = "ok for a while: the last good ones are in use, because they cannot be fetched again"
			}
		}
		// Without changes there are no subscriptions, and everything else works.
		switch err := changes.Err(); {
		case err == nil:
			report["subscriptions"] = "ok"
		case errors.Is(err, database.ErrNotAnnounced):
			report["subscriptions"] = "refused: changes do not arrive, set DATABASE_LISTEN_URL"
		default:
			report["subscriptions"] = "delayed: the connection that hears of changes is being opened"
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(report)
	})
}

// reportChanges logs whether changed rows are heard of.
func reportChanges(log *slog.Logger) func(error) {
	return func(err error) {
		switch {
		case err == nil:
			log.Info("changes arrive: subscriptions are answered")
		case errors.Is(err, database.ErrNotAnnounced):
			log.Warn("subscriptions are refused: set DATABASE_LISTEN_URL to a direct or session-mode connection, and apply the migrations", "reason", err)
		default:
			log.Warn("changes do not arrive: subscriptions are delayed until the database is back", "reason", err)
		}
	}
}

// withTimeout ends the context of a request after so long. Connections that stay open have limits of their own.
func withTimeout(limit time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if graph.Streams(r) {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

type requestIDKey struct{}

// requestID returns the id that logRequests gave the request, or "".
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// logRequests gives every request an id, which the answer carries as X-Request-Id, and logs it when it is done.
func logRequests(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, id := time.Now(), r.Header.Get("X-Request-Id")
		if !goodRequestID(id) {
			id = uuid.NewString()
		}
		w.Header().Set("X-Request-Id", id)
		answer := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		ctx := context.WithValue(r.Context(), requestIDKey{}, id)
		next.ServeHTTP(answer, r.WithContext(ctx))
		log.InfoContext(ctx, "request", "method", r.Method, "path", r.URL.Path, "status", answer.status,
			"duration", time.Since(start))
	})
}

// goodRequestID takes the id of a proxy in front if it can do no harm in a log.
func goodRequestID(id string) bool {
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return id != "" && len(id) <= 64
}

// statusRecorder remembers the status of an answer.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (w *statusRecorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// newLogger writes text for people in a terminal, and JSON elsewhere.
func newLogger(w io.Writer, format string) *slog.Logger {
	file, isFile := w.(*os.File)
	terminal := isFile && term.IsTerminal(int(file.Fd()))
	var handler slog.Handler = slog.NewJSONHandler(w, nil)
	if format == "text" || (format == "auto" && terminal) {
		handler = tint.NewTextHandler(w, &tint.Options{TimeFormat: time.TimeOnly, NoColor: !terminal})
	}
	return slog.New(requestIDHandler{handler})
}

// requestIDHandler adds the id of the request to what is logged about it.
type requestIDHandler struct{ slog.Handler }

func (h requestIDHandler) Handle(ctx context.Context, record slog.Record) error {
	if id := requestID(ctx); id != "" {
		record.AddAttrs(slog.String("request", id))
	}
	return h.Handler.Handle(ctx, record)
}

func (h requestIDHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestIDHandler{h.Handler.WithAttrs(attrs)}
}

func (h requestIDHandler) WithGroup(name string) slog.Handler {
	return requestIDHandler{h.Handler.WithGroup(name)}
}
