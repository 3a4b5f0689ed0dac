// Package telemetry answers one question: what is the server doing? It writes logs, metrics and traces, none of which
// holds a token, an address, a literal or a variable.
package telemetry

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Config configures Telemetry.
type Config struct {
	Log *slog.Logger
	// SlowOperation is the duration above which an operation is logged as slow; 0 logs none.
	SlowOperation time.Duration
}

// Telemetry records what the server does. It is safe for concurrent use.
type Telemetry struct {
	log     *slog.Logger
	slow    time.Duration
	metrics *metrics
	tracer  trace.Tracer // nil if no traces are exported
	flush   func(context.Context) error
	// fetchedKeys reports whether a key set has been fetched.
	fetchedKeys atomic.Bool
}

// New returns a Telemetry. It reads the variables OTEL_…, see newTracer. Close must be called at the end.
func New(ctx context.Context, cfg Config) (*Telemetry, error) {
	t := &Telemetry{log: cfg.Log, slow: cfg.SlowOperation, metrics: newMetrics()}
	var err error
	t.tracer, t.flush, err = newTracer(ctx, cfg.Log)
	return t, err
}

// Close exports the remaining traces, until ctx ends.
func (t *Telemetry) Close(ctx context.Context) error { return t.flush(ctx) }
