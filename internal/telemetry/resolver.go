package telemetry

import (
	"context"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// resolverKey is the context key of an *atomic.Bool. A statement sets it to tell the resolver that it ran.
type resolverKey struct{}

// Resolvers returns a middleware that makes a span for each resolver that runs a statement. It is nil if no traces are
// exported.
func (t *Telemetry) Resolvers() graphql.FieldMiddleware {
	if t.tracer == nil {
		return nil
	}
	return t.traceResolver
}

func (t *Telemetry) traceResolver(ctx context.Context, next graphql.Resolver) (any, error) {
	field := graphql.GetFieldContext(ctx)
	// A subscription's resolver ends before its first event. The operation's span covers it.
	if !field.IsResolver || field.Object == "Subscription" || !trace.SpanFromContext(ctx).IsRecording() {
		return next(ctx)
	}
	ctx, span := t.tracer.Start(ctx, field.Object+"."+field.Field.Name) // not the alias, which is text of the client
	asked := new(atomic.Bool)
	result, err := next(context.WithValue(ctx, resolverKey{}, asked))
	if asked.Load() { // a span that is not ended is not exported
		if err != nil {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
	return result, err
}
