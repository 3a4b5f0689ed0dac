package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// A resolver that runs a statement has a span, which is the parent of the statement's.
func TestResolverSpans(t *testing.T) {
	sent := tracetest.NewInMemoryExporter()
	tracer := trace.NewTracerProvider(trace.WithSyncer(sent)).Tracer("test")
	observed := &Telemetry{log: slog.New(slog.DiscardHandler), metrics: newMetrics(), tracer: tracer}
	around := observed.Resolvers()
	failed := errors.New("failed")
	ctx, operation := tracer.Start(t.Context(), "operation")
	for _, field := range []struct {
		object, name string
		isResolver   bool
		asks         bool
		err          error
	}{
		{"Query", "asks", true, true, nil},
		{"Query", "fails", true, true, failed},
		{"Query", "knows", true, false, nil},
		{"User", "stored", false, false, nil},
		{"Subscription", "watches", true, true, nil},
	} {
		ctx := graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: field.object, IsResolver: field.isResolver,
			Field: graphql.CollectedField{Field: &ast.Field{Name: field.name, Alias: "secret"}}})
		result, err := around(ctx, func(ctx context.Context) (any, error) {
			if field.asks {
				observed.Statement(ctx, "SELECT 1", 1, 0, field.err)
			}
			return field.name, field.err
		})
		if result != field.name || err != field.err {
			t.Errorf("%s: %v %v", field.name, result, err)
		}
	}
	operation.End()
	names := map[string]string{"0000000000000000": "nothing"}
	for _, span := range sent.GetSpans() {
		names[span.SpanContext.SpanID().String()] = span.Name
	}
	var got []string
	for _, span := range sent.GetSpans() {
		text := span.Name + " in " + names[span.Parent.SpanID().String()]
		if span.Status.Code == codes.Error {
			text += ", an error"
		}
		got = append(got, text)
	}
	want := []string{
		"SELECT in Query.asks", "Query.asks in operation",
		"SELECT in Query.fails, an error", "Query.fails in operation, an error",
		"SELECT in operation", "operation in nothing",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if (&Telemetry{}).Resolvers() != nil {
		t.Error("there are spans for nobody")
	}
}
