package telemetry

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"usergraph/auth"
)

// maxLoggedPath bounds the logged bytes of a path. A path without a route may be anything.
const maxLoggedPath = 200

// exchange is a request, its response, and what the handlers learn of them. It is in the request's context.
type exchange struct {
	http.ResponseWriter
	id        string
	header    [1]string // X-Request-Id
	traceID   string    // "" if there is no trace
	socket    bool      // a websocket, which carries many operations
	status    int
	route     atomic.Pointer[string]      // the pattern of the route that took the request; nil if Routed has not seen it
	caller    atomic.Pointer[auth.Claims] // nil if the caller is anonymous
	operation atomic.Pointer[operation]   // the last one, nil if none has begun
}

type exchangeKey struct{}

// exchangeFrom returns the exchange of a context, nil outside of requests.
func exchangeFrom(ctx context.Context) *exchange {
	e, _ := ctx.Value(exchangeKey{}).(*exchange)
	return e
}

// RequestID returns the id that Middleware gave the request, or "".
func RequestID(ctx context.Context) string {
	if e := exchangeFrom(ctx); e != nil {
		return e.id
	}
	return ""
}

func (e *exchange) WriteHeader(status int) {
	e.status = status
	e.ResponseWriter.WriteHeader(status)
}

// Flush is for handlers that do not use http.ResponseController.
func (e *exchange) Flush() { _ = http.NewResponseController(e.ResponseWriter).Flush() }

// Unwrap lets http.ResponseController reach the connection.
func (e *exchange) Unwrap() http.ResponseWriter { return e.ResponseWriter }

// Middleware gives every request an id, sends it as X-Request-Id, and logs and counts the request at its end.
func (t *Telemetry) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		e := &exchange{ResponseWriter: w, status: http.StatusOK, id: r.Header.Get("X-Request-Id"), socket: auth.IsWebsocket(r)}
		if !goodRequestID(e.id) {
			e.id = newRequestID()
		}
		e.header[0] = e.id
		w.Header()["X-Request-Id"] = e.header[:]
		ctx := context.WithValue(r.Context(), exchangeKey{}, e)
		if t.tracer != nil {
			ctx = t.beginTrace(ctx, r, e)
		}
		r = r.WithContext(ctx)
		next.ServeHTTP(e, r)
		e.ResponseWriter = nil // a socket keeps this context, but must not keep the buffers of net/http
		t.done(r, e, time.Since(start))
	})
}

// Routed notes which route of a mux takes a request: telemetry is far outside, and a middleware between may serve a copy.
// Of a mux in a mux the inner route counts.
func Routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r)
		if e := exchangeFrom(r.Context()); e != nil {
			e.route.CompareAndSwap(nil, &r.Pattern)
		}
	})
}

// done logs, counts and traces an answered request.
func (t *Telemetry) done(r *http.Request, e *exchange, took time.Duration) {
	ctx, pattern := r.Context(), r.Pattern
	if routed := e.route.Load(); routed != nil {
		pattern = *routed
	}
	route := cmp.Or(pattern, "none")
	t.metrics.requests.of(requestLabels{route, e.status, e.socket}).add(took)
	if t.tracer != nil {
		endTrace(ctx, r, pattern, e)
	}
	level := slog.LevelInfo
	if route == "GET /livez" || route == "GET /readyz" {
		level = slog.LevelDebug // probes come every few seconds
	}
	if !t.log.Enabled(ctx, level) {
		return
	}
	var attrs [10]slog.Attr
	known := append(attrs[:0],
		slog.String("method", r.Method), slog.String("path", r.URL.Path[:min(len(r.URL.Path), maxLoggedPath)]),
		slog.Int("status", e.status), slog.Duration("duration", took))
	if claims := e.caller.Load(); claims != nil {
		known = appendCaller(known, claims)
	}
	if o := e.operation.Load(); o != nil && !e.socket {
		known = o.appendTo(known)
	}
	t.write(ctx, level, "request", known...)
}

// maxClientID bounds the logged bytes of a client id. Supabase's are UUIDs.
const maxClientID = 100

// appendCaller appends the log attributes of a caller: the user, and the OAuth app that acts for the user.
func appendCaller(attrs []slog.Attr, claims *auth.Claims) []slog.Attr {
	attrs = append(attrs, slog.String("sub", claims.UserID.String()))
	if claims.ClientID != "" {
		attrs = append(attrs, slog.String("client", claims.ClientID[:min(len(claims.ClientID), maxClientID)]))
	}
	return attrs
}

// beginTrace starts the span of a request, within the client's trace if it has one.
func (t *Telemetry) beginTrace(ctx context.Context, r *http.Request, e *exchange) context.Context {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	ctx, span := t.tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer))
	e.traceID = span.SpanContext().TraceID().String()
	return ctx
}

func endTrace(ctx context.Context, r *http.Request, pattern string, e *exchange) {
	span := trace.SpanFromContext(ctx)
	if span.IsRecording() {
		_, path, found := strings.Cut(pattern, " ")
		if !found {
			path = pattern
		}
		span.SetName(strings.TrimSpace(r.Method + " " + path))
		span.SetAttributes(attribute.String("http.request.method", r.Method), attribute.String("http.route", path),
			attribute.Int("http.response.status_code", e.status), attribute.String("usergraph.request.id", e.id))
		if claims := e.caller.Load(); claims != nil {
			span.SetAttributes(attribute.String("enduser.id", claims.UserID.String()))
			if claims.ClientID != "" {
				span.SetAttributes(attribute.String("oauth.client.id", claims.ClientID[:min(len(claims.ClientID), maxClientID)]))
			}
		}
		if e.status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
	}
	span.End()
}

// newRequestID returns 16 hex digits. They may be guessable.
func newRequestID() string {
	var bytes [8]byte
	var digits [16]byte
	binary.NativeEndian.PutUint64(bytes[:], rand.Uint64())
	hex.Encode(digits[:], bytes[:])
	return string(digits[:])
}

// goodRequestID reports whether the id of a proxy is harmless in a log.
func goodRequestID(id string) bool {
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return id != "" && len(id) <= 64
}
