// Package rowfuzz answers one question: do rows written by package rowjson have the bytes that gqlgen's code would write?
//
// Run runs random documents both ways, over resolvers whose rows, nulls, errors and panics are random. Schema writes a random
// schema, its structs and its resolvers. It is for tests.
package rowfuzz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"usergraph/internal/rowjson"
)

// current is the seed of the run: resolvers are functions of it, of their parent and of their arguments.
var current uint64

// mild says that no null, error or panic is random in this run.
var mild bool

// Row is embedded by the structs of a random schema.
type Row struct{ Seed uint64 }

// RowSeed returns the seed of what resolvers return for the row.
func (r *Row) RowSeed() uint64 { return r.Seed }

type seeded interface{ RowSeed() uint64 }

var (
	errWhole = errors.New("the resolver has failed")
	errOne   = errors.New("the resolver has failed for a row")
)

func randomOf(parts ...any) *rand.Rand {
	hash := fnv.New64a()
	fmt.Fprint(hash, current, parts)
	return rand.New(rand.NewPCG(hash.Sum64(), 1))
}

// One is a resolver for one parent, which is nil for a root field.
func One[R any](parent any, field string, arguments ...any) (result R, err error) {
	seed := uint64(0)
	if row, ok := parent.(seeded); ok {
		seed = row.RowSeed()
	}
	random := randomOf(seed, field, argumentsOf(arguments))
	if !mild && random.IntN(20) == 0 {
		return result, errOne
	}
	if !mild && random.IntN(60) == 0 {
		panic("a resolver")
	}
	set(random, reflect.ValueOf(&result).Elem(), 0)
	return result, nil
}

// Batch is a resolver for many parents.
func Batch[R any, P seeded](parents []P, field string, arguments ...any) ([]R, error) {
	whole := randomOf(field, argumentsOf(arguments))
	if !mild && whole.IntN(30) == 0 {
		return nil, errWhole
	}
	if !mild && whole.IntN(60) == 0 {
		panic("a resolver")
	}
	results, errs, failed := make([]R, len(parents)), make([]error, len(parents)), false
	for i, parent := range parents {
		random := randomOf(parent.RowSeed(), field, argumentsOf(arguments))
		if !mild && random.IntN(150) == 0 {
			errs[i], failed = errOne, true
			continue
		}
		set(random, reflect.ValueOf(&results[i]).Elem(), 0)
	}
	if failed {
		return results, graphql.BatchErrorList(errs)
	}
	return results, nil
}

func argumentsOf(arguments []any) string {
	text, _ := json.Marshal(arguments)
	return string(text)
}

// Run runs random documents, and fails the test at the first that is answered in two ways. ROWFUZZ_DOCUMENTS and
// ROWFUZZ_SEED replace their number and the seed.
func Run(t *testing.T, schema graphql.ExecutableSchema, directives []string, documents int) {
	t.Helper()
	seed := uint64(1)
	if text := os.Getenv("ROWFUZZ_DOCUMENTS"); text != "" {
		var err error
		if documents, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	if text := os.Getenv("ROWFUZZ_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	resolvers := reflect.Indirect(reflect.ValueOf(schema)).FieldByName("Resolvers")
	rows := rowjson.New(schema, resolvers, directives)
	written, planned, clean := 0, 0, 0
	for i := range uint64(documents) {
		random := rand.New(rand.NewPCG(seed, i))
		text, variables := document(schema.Schema(), random)
		parsed, errs := gqlparser.LoadQueryWithRules(schema.Schema(), text, rules.NewDefaultRules())
		if errs != nil {
			t.Fatalf("%s: %v", text, errs)
		}
		mild = random.IntN(3) > 0
		current = random.Uint64()
		want, _ := answer(schema, nil, parsed, variables)
		got, fast := answer(schema, rows, parsed, variables)
		if got.data != want.data || !slices.Equal(got.errors, want.errors) {
			t.Errorf("seed %d, document %d: %s %v\ngot  %s %v\nwant %s %v", seed, i, text, variables, got.data, got.errors, want.data, want.errors)
			return
		}
		if fast.planned {
			planned++
		}
		if fast.values > 0 {
			written++
		}
		if len(want.errors) == 0 {
			clean++
		}
	}
	t.Logf("%d documents: %d with a plan, %d with values written straight, %d without errors", documents, planned, written, clean)
	if written < documents/20 {
		t.Errorf("only %d of %d documents had values that were written straight", written, documents)
	}
}

type answered struct {
	data   string
	errors []string
}

type road struct {
	planned bool
	values  int64
}

// answer runs a document, with the rows or with the generated code alone.
func answer(schema graphql.ExecutableSchema, rows *rowjson.Rows, document *ast.QueryDocument, variables map[string]any) (answered, road) {
	operation := &graphql.OperationContext{
		Doc: document, Operation: document.Operations[0], Variables: variables,
		RecoverFunc:            func(_ context.Context, panicked any) error { return fmt.Errorf("panic: %v", panicked) },
		RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler { return next(ctx) },
	}
	pass := func(ctx context.Context, next graphql.Resolver) (any, error) { return next(ctx) }
	operation.ResolverMiddleware = pass
	var taken road
	var values atomic.Int64
	if rows != nil {
		if plan := rows.Plan(operation); plan != nil {
			taken.planned = true
			middleware := plan.Middleware(pass, 1<<30)
			operation.ResolverMiddleware = func(ctx context.Context, next graphql.Resolver) (any, error) {
				value, err := middleware(ctx, next)
				if _, ok := value.(graphql.Marshaler); ok && len(graphql.GetFieldContext(ctx).Field.Selections) > 0 {
					values.Add(1)
				}
				return value, err
			}
		}
	}
	ctx := graphql.WithOperationContext(context.Background(), operation)
	ctx = graphql.WithResponseContext(ctx, func(ctx context.Context, err error) *gqlerror.Error {
		return graphql.DefaultErrorPresenter(ctx, err)
	}, operation.RecoverFunc)
	response := schema.Exec(ctx)(ctx)
	result := answered{data: string(response.Data)}
	for _, err := range graphql.GetErrors(ctx) {
		message := err.Message
		if strings.Contains(message, "panic") || strings.Contains(message, "unexpected result type") {
			message = "panic" // of a batch resolver: it depends on the order of goroutines who reports it
		}
		result.errors = append(result.errors, fmt.Sprint(err.Path, message, err.Locations))
	}
	slices.Sort(result.errors)
	taken.values = values.Load()
	return result, taken
}
