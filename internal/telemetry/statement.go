package telemetry

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// maxStatement bounds the bytes of a statement in a trace.
const maxStatement = 2 << 10

// Statement is a database.Observer. Text arguments are not part of the statement.
func (t *Telemetry) Statement(ctx context.Context, statement string, took time.Duration, _ int64, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	t.metrics.statements.of(outcome).Observe(took.Seconds())
	if o := operationFrom(ctx); o != nil {
		o.statements.Add(1)
		o.statementTime.Add(int64(took))
	}
	if t.tracer != nil {
		t.traceStatement(ctx, statement, took, err)
	}
}

// traceStatement exports the span of a finished statement.
func (t *Telemetry) traceStatement(ctx context.Context, statement string, took time.Duration, err error) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return
	}
	if asked, ok := ctx.Value(resolverKey{}).(*atomic.Bool); ok {
		asked.Store(true)
	}
	end := time.Now()
	verb, _, _ := strings.Cut(statement, " ")
	verb = strings.ToUpper(verb[:min(len(verb), 20)])
	_, span := t.tracer.Start(ctx, verb, trace.WithTimestamp(end.Add(-took)), trace.WithSpanKind(trace.SpanKindClient))
	span.SetAttributes(attribute.String("db.system.name", "postgresql"), attribute.String("db.operation.name", verb),
		attribute.String("db.query.text", withoutNumbers(statement)))
	if field := graphql.GetFieldContext(ctx); field != nil && field.Field.Field != nil {
		// Names of the schema: an alias is text of the client.
		span.SetAttributes(attribute.String("graphql.field", field.Object+"."+field.Field.Name))
	}
	if err != nil {
		// PostgreSQL's message may quote values.
		span.SetStatus(codes.Error, "")
		var refused *pgconn.PgError
		if errors.As(err, &refused) {
			span.SetAttributes(attribute.String("db.response.status_code", refused.Code))
		}
	}
	span.End(trace.WithTimestamp(end))
}

// number matches numeric literals, but not the $1 of a parameter, nor part of a name.
var number = regexp.MustCompile(`(^|[^$\w"])\d[\d.eE+]*`)

// withoutNumbers replaces the numeric literals.
func withoutNumbers(statement string) string {
	return number.ReplaceAllString(statement[:min(len(statement), maxStatement)], "${1}?")
}
