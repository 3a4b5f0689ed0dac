package endpoint

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

const shopSchema = `
directive @cost(weight: Int!) on FIELD_DEFINITION
directive @listSize(assumedSize: Int, slicingArguments: [String!], sizedFields: [String!]) on FIELD_DEFINITION
type Query {
	shop: Shop
	shops(first: Int = 20, last: Int): [Shop!]! @cost(weight: 5) @listSize(slicingArguments: ["first", "last"])
	pages(first: Int = 20): ShopConnection @cost(weight: 5) @listSize(slicingArguments: ["first"], sizedFields: ["edges", "nodes"])
	ends(first: Int, last: Int): ShopConnection @listSize(assumedSize: 30, slicingArguments: ["first", "last"], sizedFields: ["nodes"])
}
type ShopConnection { edges: [ShopEdge!]!  nodes: [Shop!]!  others: [Shop!]!  pageInfo: PageInfo!  again: ShopConnection }
type ShopEdge { cursor: String!  node: Shop! }
type PageInfo { hasNextPage: Boolean! }
type Shop { pages(first: Int = 5): ShopConnection @cost(weight: 5) @listSize(slicingArguments: ["first"], sizedFields: ["edges", "nodes"])  name: String  items: [Item!]  top: [Item!] @listSize(assumedSize: 3)  owner: Shop }
type Item { name: String @cost(weight: 0)  shop: Shop }`

func TestComplexity(t *testing.T) {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: shopSchema})
	costs, err := costsOf(schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		document string
		want     int
	}{
		{"{ shop { name } }", 2},
		{"{ shop { name __typename } __schema { types { name } } }", 2},
		{"{ shop { items { name } } }", 2},
		{"{ shop { items { name shop { name } } } }", 2 + 10*2},
		{"{ shop { top { shop { name } } } }", 2 + 3*2},
		{"{ shops { name } }", 5 + 20},
		{"{ shops(first: 7) { name } }", 5 + 7},
		{"{ shops(first: 7, last: 9) { name } }", 5 + 9},
		{"{ shops(first: 0) { name } }", 5},
		{"{ shops(first: -7) { name } }", 5},
		{"query($n: Int) { shops(first: $n) { name } }", 5 + 100},
		{"{ shops(first: 100) { items { shop { items { name shop { name } } } } } }", 5 + 100*(1+10*(1+1+10*2))},
		{"{ shops(first: null) { name } }", 5 + 20},
		{"{ pages { nodes { name items { name } } } }", 5 + 1 + 20*2},
		{"{ pages(first: 20) { nodes { name owner { name } } } }", 5 + 1 + 20*3},
		{"{ pages(first: 7) { nodes { name } pageInfo { hasNextPage } } }", 5 + 1 + 7 + 2},
		{"{ pages(first: 7) { edges { cursor node { name } } } }", 5 + 1 + 7*3},
		{"query($n: Int) { pages(first: $n) { nodes { name } } }", 5 + 1 + 100},
		{"query($none: Int) { pages(first: $none) { nodes { name } } }", 5 + 1 + 20},
		{"{ pages(first: 7) { list: nodes { name } ... { nodes { name } } ...p } } fragment p on ShopConnection { nodes { name } }", 5 + 3*(1+7)},
		{"{ a: pages(first: 7) { ...p } b: pages(first: 9) { ...p } } fragment p on ShopConnection { nodes { name } }", 5 + 1 + 7 + 5 + 1 + 9},
		{"{ pages(first: 7) { others { name } } }", 5 + 1 + 10},
		{"{ pages(first: 7) { again { nodes { name } } } }", 5 + 1 + 1 + 10},
		{"{ pages { nodes { name pages { nodes { name } } } } }", 5 + 1 + 20*(1+5+1+5)},
		{"{ pages(first: 0) { nodes { name } pageInfo { hasNextPage } } }", 5 + 1 + 2},
		{"{ ends { nodes { name } } }", 1 + 1 + 30},
		{"{ ends(first: 3, last: 4) { nodes { name } } }", 1 + 1 + 4},
		{"{ shops(first: 2147483647) { items { shop { items { name } } } } }", maxNumber},
		{"{ shop { ...a ...a } } fragment a on Shop { owner { ...b ...b } } fragment b on Shop { name }", 1 + 2*(1+2)},
		{"{ shop { ... on Shop { name } ... { name } } }", 3},
		{"{ shop { ...f0 } } " + chain(40) + "fragment f40 on Shop { name }", maxNumber},
	} {
		parsed, errs := gqlparser.LoadQueryWithRules(schema, test.document, nil)
		if parsed == nil || len(parsed.Operations) == 0 {
			t.Fatalf("%s: %v", test.document, errs)
		}
		if got := costs.complexity(parsed.Operations[0], map[string]any{"n": int64(100)}); got != test.want {
			t.Errorf("%s: %d, want %d", test.document, got, test.want)
		}
	}
}

// chain is a chain of fragments that spread the next one twice: only who adds up each once comes to an end.
func chain(levels int) string {
	var text strings.Builder
	for i := range levels {
		fmt.Fprintf(&text, "fragment f%d on Shop { ...f%d ...f%d } ", i, i+1, i+1)
	}
	return text.String()
}

func TestCostsThatMakeNoSense(t *testing.T) {
	for _, field := range []string{
		"a: Int @cost(weight: -1)",
		`a: [Int] @listSize(slicingArguments: ["first"])`,
		`a: Shop @listSize(assumedSize: 3)`,
		`a: Shop @listSize(sizedFields: ["name"])`,
		`a: Shop @listSize(sizedFields: ["nothing"])`,
	} {
		schema := gqlparser.MustLoadSchema(&ast.Source{Input: shopSchema + " extend type Query { " + field + " }"})
		if _, err := costsOf(schema); err == nil || !strings.Contains(err.Error(), "Query.a") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestCostsOfOurSchema(t *testing.T) {
	schema := testSchema(t)
	costs, err := costsOf(schema)
	if err != nil {
		t.Fatal(err)
	}
	if got := costs[schema.Query.Fields.ForName("me")].weight; got != 5 {
		t.Errorf("me has the weight %d", got)
	}
	anonymous, signedIn := DefaultLimits().Anonymous.Complexity, DefaultLimits().SignedIn.Complexity
	for _, test := range []struct {
		document   string
		want, most int
	}{
		{"{ todos(first: 20) { nodes { id title } } }", 5 + 1 + 20*2, signedIn},
		{"{ todos { nodes { id title done dueOn project { id name } } pageInfo { hasNextPage endCursor } } }", 5 + 1 + 20*(4+5+2) + 3, signedIn},
		{"{ projects(first: 10) { nodes { name todos(first: 10) { nodes { id title } } } } }", 5 + 1 + 10*(1+5+1+10*2), signedIn},
		{"{ labels { nodes { id color } pageInfo { hasNextPage endCursor } } }", 5 + 1 + 20*2 + 3, anonymous},
	} {
		parsed, errs := gqlparser.LoadQueryWithRules(schema, test.document, nil)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if got := costs.complexity(parsed.Operations[0], nil); got != test.want || got > test.most {
			t.Errorf("%s: %d, want %d, at most %d", test.document, got, test.want, test.most)
		}
	}
}

// A pricing page, as usergraph add writes its lists, is within the default limit of anonymous callers.
func TestCostsOfPricingPage(t *testing.T) {
	const connection = "Connection @cost(weight: 5) @listSize(slicingArguments: [\"first\"], sizedFields: [\"nodes\"])\n"
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: `
		directive @cost(weight: Int!) on FIELD_DEFINITION
		directive @listSize(assumedSize: Int, slicingArguments: [String!], sizedFields: [String!]) on FIELD_DEFINITION
		type PageInfo { hasNextPage: Boolean!  endCursor: String }
		type ProductConnection { nodes: [Product!]!  pageInfo: PageInfo! }
		type PriceConnection { nodes: [Price!]!  pageInfo: PageInfo! }
		type Query { products(first: Int = 20): Product` + connection + `}
		type Product { id: ID!  name: String!  description: String  image: String  prices(first: Int = 5): Price` + connection + `}
		type Price { id: ID!  unitAmount: String  currency: String  interval: String  intervalCount: Int }`})
	costs, err := costsOf(schema)
	if err != nil {
		t.Fatal(err)
	}
	for document, want := range map[string]int{
		"{ products { nodes { id name prices(first: 3) { nodes { id unitAmount } } } } }":                                              6 + 20*(2+6+3*2),
		"{ products { nodes { id name prices { nodes { id unitAmount } } } } }":                                                        6 + 20*(2+6+5*2),
		"{ products { nodes { id name description image prices { nodes { id unitAmount currency interval } } } } }":                    6 + 20*(4+6+5*4),
		"{ products { nodes { id name description image prices { nodes { id unitAmount currency interval intervalCount } } } } }":      6 + 20*(4+6+5*5),
		"{ products { nodes { id name prices(first: 10) { nodes { id unitAmount currency } } } pageInfo { hasNextPage endCursor } } }": 6 + 20*(2+6+10*3) + 3,
	} {
		parsed, errs := gqlparser.LoadQueryWithRules(schema, document, nil)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if got := costs.complexity(parsed.Operations[0], nil); got != want || got > DefaultLimits().Anonymous.Complexity {
			t.Errorf("%s: %d, want %d, at most %d", document, got, want, DefaultLimits().Anonymous.Complexity)
		}
	}
}
