package endpoint_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/uptrace/bun"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/endpoint"
	"usergraph/graph"
	"usergraph/internal/testapi"
)

// found writes models as lines of name, P for public, W for watched.
func found(t *testing.T, schema graphql.ExecutableSchema) (lines []string) {
	t.Helper()
	models, err := endpoint.Models(schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, model := range models {
		line := model.Type.String()
		if model.Public {
			line += " P"
		}
		if model.Watched {
			line += " W"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestModelsOfSchemas(t *testing.T) {
	for name, schema := range map[string]graphql.ExecutableSchema{
		"the engine's tests": testapi.New(new(endpoint.Engine)),
		"the API half":       graph.New(new(endpoint.Engine)),
		"a wrapped schema":   wrapped{graph.New(new(endpoint.Engine))},
		"a pointer to one":   &wrapped{graph.New(new(endpoint.Engine))},
	} {
		if lines := found(t, schema); !slices.Contains(lines, "models.User W") {
			t.Errorf("%s: %q", name, lines)
		}
	}
}

type wrapped struct{ graphql.ExecutableSchema }

func TestModelsOfOtherSchemas(t *testing.T) {
	for _, schema := range []graphql.ExecutableSchema{nil, handWritten{}, wrapped{}, wrapped{handWritten{}}} {
		if models, err := endpoint.Models(schema); err == nil {
			t.Errorf("%T: %v", schema, models)
		}
	}
}

type handWritten struct{}

func (handWritten) Schema() *ast.Schema { return nil }
func (handWritten) Complexity(context.Context, string, string, int, map[string]any) (int, bool) {
	return 0, false
}
func (handWritten) Exec(context.Context) graphql.ResponseHandler { return nil }

// The models of a schema with every way to one.
type (
	shop    struct{ bun.BaseModel }
	product struct {
		bun.BaseModel `bun:"table:products"`

		Shop    *shop `bun:"rel:belongs-to"`
		Reviews []*review
		tree    tree
	}
	review  struct{ bun.BaseModel }
	tree    []tree // a type that leads to itself
	edge    struct{ node map[string]*product }
	page    struct{}
	order   struct{ bun.BaseModel }
	item    struct{ bun.BaseModel }
	account struct{ bun.BaseModel }
	secret  struct{ bun.BaseModel }
	report  struct {
		bun.BaseModel `usergraph:"-"`

		Shop shop
	}
	plain struct{ BaseModel string }
	named interface{ IsNamed() }
)

func (*page) Edges() []edge    { return nil }
func (*account) IsNamed()      {}
func (secret) IsUnreachable()  {}
func (p *product) Leaves() any { return p.tree }
func (e edge) Node() *product  { return e.node[""] }

type queryResolver interface {
	Products(ctx context.Context, first *int) (*page, error)
	MyOrders(ctx context.Context) ([]*order, error)
	AnyOne(ctx context.Context) (named, error)
	Plain(ctx context.Context) (*plain, error)
	Report(ctx context.Context) (*report, error)
}
type mutationResolver interface {
	Pay(ctx context.Context, input secret) (bool, error)
}
type subscriptionResolver interface {
	OrderChanged(ctx context.Context) (<-chan *order, error)
}
type orderResolver interface {
	Items(ctx context.Context, obj []*order) ([][]*item, error)
}
type accountResolver interface {
	Name(ctx context.Context, obj *account) (string, error)
}
type payInputResolver interface {
	Amount(ctx context.Context, obj *secret, amount int) error
}
type resolverRoot interface {
	Root() queryResolver
	Mutation() mutationResolver
	Subscription() subscriptionResolver
	Order() orderResolver
	Account() accountResolver
	PayInput() payInputResolver
}

type everyWay graphql.ExecutableSchemaState[resolverRoot, struct{}, struct{}]

func (e *everyWay) Schema() *ast.Schema { return e.SchemaData }
func (e *everyWay) Complexity(context.Context, string, string, int, map[string]any) (int, bool) {
	return 0, false
}
func (e *everyWay) Exec(context.Context) graphql.ResponseHandler { return nil }

func TestModelsByEveryWay(t *testing.T) {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: `
		directive @public on FIELD_DEFINITION
		schema { query: Root mutation: Mutation subscription: Subscription }
		type Root { products(first: Int): Boolean @public my_orders: Boolean anyOne: Boolean plain: Boolean @public report: Boolean }
		type Mutation { pay: Boolean }
		type Subscription { orderChanged: Boolean }`})
	want := []string{
		"endpoint_test.account",   // of an interface, since a resolver has it as its parent
		"endpoint_test.item W",    // by a resolver for many parents
		"endpoint_test.order W",   // by a channel
		"endpoint_test.product P", // by methods, slices and maps
		"endpoint_test.review P",
		"endpoint_test.shop", // by a relation, and by what is no model of its table
	}
	if lines := found(t, &everyWay{SchemaData: schema}); fmt.Sprint(lines) != fmt.Sprint(want) {
		t.Errorf("%q", lines)
	}
}
