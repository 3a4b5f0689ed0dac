package endpoint

import (
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// A schema may leave out what the engine declares, and may not declare it in another way: access and cost hang on it.
func TestSDLOfAnotherEngine(t *testing.T) {
	for name, test := range map[string]struct{ from, to, want string }{
		"the engine's own":    {"", "", ""},
		"a description":       {"Two factors.", "With two.", ""},
		"a directive more":    {"enum AAL", "directive @staff on FIELD_DEFINITION\nenum AAL", ""},
		"without one":         {"@denyAnonymousUsers", "@another", ""},
		"another argument":    {"app: String!", "role: String!", "@hasRole"},
		"an argument more":    {"app: String!", "app: String! any: Boolean", "@hasRole"},
		"another type":        {"weight: Int!", "weight: Float!", "@cost"},
		"optional":            {"aal: AAL!", "aal: AAL", "@requires"},
		"another place":       {"directive @public on FIELD_DEFINITION", "directive @public on FIELD_DEFINITION | OBJECT", "@public"},
		"a value more":        {"  AAL2\n", "  AAL2\n  AAL3\n", "AAL"},
		"values in an order":  {"AAL1", "AAL0", "AAL"},
		"another kind of AAL": {"enum AAL {\n  \"One factor, such as a password.\"\n  AAL1\n\n  \"Two factors.\"\n  AAL2\n}", "scalar AAL", "AAL"},
	} {
		text := strings.Replace(SDL, test.from, test.to, 1)
		if text == SDL && test.from != "" {
			t.Fatalf("%s: %q is not in the SDL", name, test.from)
		}
		schema, err := gqlparser.LoadSchema(&ast.Source{Input: text + "\ntype Query { a: Int }"})
		if err != nil {
			t.Fatal(name, err)
		}
		err = checkSDL(schema)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want+" differs from the engine's declaration")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A schema gets those of the engine's types that it uses, and what they use.
func TestEngineSDL(t *testing.T) {
	for source, want := range map[string]string{
		"":                                     "",
		"type Query { a: Int }":                "",
		"extend type Query { a: [UUID!]! }":    "UUID",
		"type Query { a(b: BigInt): Int }":     "BigInt",
		"type Query { a(b: DateFilter): Int }": "Date DateFilter",
		"input I { a: IDFilter }":              "IDFilter",
		"type C { pageInfo: PageInfo! }":       "PageInfo",
		"type Date { a: JSON }":                "JSON",
	} {
		text, err := EngineSDL(&ast.Source{Input: source})
		if err != nil {
			t.Fatal(source, err)
		}
		document, err := parser.ParseSchema(&ast.Source{Input: text})
		if err != nil {
			t.Fatalf("%s: %v\n%s", source, err, text)
		}
		var names []string
		for _, definition := range document.Definitions {
			if definition.Name != "AAL" {
				names = append(names, definition.Name)
			}
			if definition.Description == "" {
				t.Errorf("%s has lost its description", definition.Name)
			}
		}
		if got := strings.Join(names, " "); got != want || !strings.HasPrefix(text, SDL) {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
	if _, err := EngineSDL(&ast.Source{Input: "type Query {"}); err == nil {
		t.Error("a schema that does not parse has engine types")
	}
}

// All of the engine's types together are a schema, and that of the engine.
func TestTypesOfTheEngine(t *testing.T) {
	for change, want := range map[[2]string]string{
		{}: "",
		{"scalar UUID @specifiedBy(url: \"https://www.rfc-editor.org/rfc/rfc9562\")", "enum UUID { A }"}: "UUID",
		{"  hasNextPage: Boolean!", "  hasNextPage: Boolean"}:                                            "PageInfo",
		{"  eq: Date\n", "  eq: Date\n  ne: Date\n"}:                                                     "DateFilter",
	} {
		text := strings.Replace(SDL+typesSDL, change[0], change[1], 1)
		schema, err := gqlparser.LoadSchema(&ast.Source{Input: text + "\ntype Query { a: Int }"})
		if err != nil {
			t.Fatal(err)
		}
		err = checkSDL(schema)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want+" differs from the engine's declaration")) {
			t.Errorf("%s: %v", change, err)
		}
	}
}
