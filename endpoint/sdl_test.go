package endpoint

import (
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
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
