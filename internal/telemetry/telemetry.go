// Package telemetry answers one question: what is the server doing? It tells it in logs, metrics and traces, none of
// which hold a token, an address, a literal or a variable.
package telemetry

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Config is what New needs to know.
type Config struct {
	Log *slog.Logger
	// SlowOperation is how long an operation may take before the log complains; 0 never complains.
	SlowOperation time.Duration
}

// Telemetry is told what happens. It is safe for concurrent use.
type Telemetry struct {
	log     *slog.Logger
	slow    time.Duration
	metrics *metrics
	tracer  trace.Tracer // nil if nobody receives traces
	flush   func(context.Context) error
}

// New reads the variables OTEL_…; see newTracer. Close must be called in the end.
func New(ctx context.Context, cfg Config) (*Telemetry, error) {
	t := &Telemetry{log: cfg.Log, slow: cfg.SlowOperation, metrics: newMetrics()}
	var err error
	t.tracer, t.flush, err = newTracer(ctx, cfg.Log)
	return t, err
}

// Close sends the traces that have not been sent yet, no longer than ctx.
func (t *Telemetry) Close(ctx context.Context) error { return t.flush(ctx) }
