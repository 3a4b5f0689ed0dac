package telemetry

import (
	"context"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// resolverKey is where a statement tells its resolver that it was made: an *atomic.Bool.
type resolverKey struct{}

// Resolvers goes around fields, and gives those a span whose resolver asks PostgreSQL something. It is nil if nobody
// receives traces.
func (t *Telemetry) Resolvers() graphql.FieldMiddleware {
	if t.tracer == nil {
		return nil
	}
	return t.traceResolver
}

func (t *Telemetry) traceResolver(ctx context.Context, next graphql.Resolver) (any, error) {
	field := graphql.GetFieldContext(ctx)
	// A subscription's resolver is over before its first event: the operation stands for it.
	if !field.IsResolver || field.Object == "Subscription" || !trace.SpanFromContext(ctx).IsRecording() {
		return next(ctx)
	}
	ctx, span := t.tracer.Start(ctx, field.Object+"."+field.Field.Name) // not the alias, which is the client's own text
	asked := new(atomic.Bool)
	result, err := next(context.WithValue(ctx, resolverKey{}, asked))
	if asked.Load() { // a span that does not end is not sent
		if err != nil {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
	return result, err
}
