package telemetry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"usergraph/endpoint"
)

// maxOperationName bounds the reported bytes of an operation's name, which the client chooses.
const maxOperationName = 100

// operation is a running GraphQL operation. It is in the context of its resolvers.
type operation struct {
	endpoint.Operation
	start         time.Time
	span          trace.Span
	code          atomic.Pointer[string] // of the first error, nil if there is none
	statements    atomic.Int64
	statementTime atomic.Int64 // nanoseconds
}

type operationKey struct{}

func operationFrom(ctx context.Context) *operation {
	o, _ := ctx.Value(operationKey{}).(*operation)
	return o
}

var _ endpoint.Observer = (*Telemetry)(nil)

// Begin implements endpoint.Observer.
func (t *Telemetry) Begin(ctx context.Context, begun endpoint.Operation) context.Context {
	o := &operation{Operation: begun, start: time.Now()}
	o.Name = o.Name[:min(len(o.Name), maxOperationName)]
	if e := exchangeFrom(ctx); e != nil {
		e.operation.Store(o)
	}
	if o.Kind == "subscription" {
		t.metrics.subscriptions.Inc()
	}
	if t.tracer != nil {
		ctx, o.span = t.tracer.Start(ctx, o.Kind+" "+o.Field)
		if o.span.IsRecording() {
			o.span.SetAttributes(attribute.String("graphql.operation.type", o.Kind),
				attribute.String("graphql.operation.name", o.Name), attribute.String("graphql.document.hash", hash(o.Document)))
		}
	}
	return context.WithValue(ctx, operationKey{}, o)
}

// Answer implements endpoint.Observer.
func (t *Telemetry) Answer(ctx context.Context, errorCodes []string) {
	o := operationFrom(ctx)
	if o.Kind == "subscription" {
		t.metrics.events.Inc()
	}
	if len(errorCodes) > 0 {
		o.code.CompareAndSwap(nil, &errorCodes[0])
	}
}

// End implements endpoint.Observer.
func (t *Telemetry) End(ctx context.Context) {
	o := operationFrom(ctx)
	took := time.Since(o.start)
	code := "OK"
	if failed := o.code.Load(); failed != nil {
		code = *failed
	}
	t.metrics.operations.of(operationLabels{o.Kind, o.Field, code}).add(took)
	if o.Kind == "subscription" {
		t.metrics.subscriptions.Dec()
	} else if t.slow > 0 && took >= t.slow {
		t.write(ctx, slog.LevelWarn, "slow operation", o.appendTo([]slog.Attr{slog.Duration("duration", took),
			slog.Duration("sqlTime", time.Duration(o.statementTime.Load())), slog.String("hash", hash(o.Document))})...)
	}
	if o.span != nil {
		if code != "OK" {
			o.span.SetStatus(codes.Error, code)
		}
		o.span.End()
	}
	if e := exchangeFrom(ctx); e != nil && e.socket {
		attrs := []slog.Attr{slog.Duration("duration", took)}
		if claims := e.caller.Load(); claims != nil {
			attrs = appendCaller(attrs, claims)
		}
		t.write(ctx, slog.LevelInfo, "operation", o.appendTo(attrs)...)
	}
}

// Refuse implements endpoint.Observer.
func (t *Telemetry) Refuse(_ context.Context, errorCodes []string) {
	for _, code := range errorCodes[:min(len(errorCodes), 1)] {
		t.metrics.operations.of(operationLabels{"none", "none", code}).add(0)
	}
}

// appendTo appends the log attributes of an operation.
func (o *operation) appendTo(attrs []slog.Attr) []slog.Attr {
	attrs = append(attrs, slog.String("operation", o.Kind+" "+o.Field), slog.Int64("statements", o.statements.Load()))
	if o.Name != "" {
		attrs = append(attrs, slog.String("name", o.Name))
	}
	if code := o.code.Load(); code != nil {
		attrs = append(attrs, slog.String("code", *code))
	}
	return attrs
}

// hash identifies a document without showing its text. Automatic persisted queries use the same hash.
func hash(document string) string {
	sum := sha256.Sum256([]byte(document))
	return hex.EncodeToString(sum[:])
}
