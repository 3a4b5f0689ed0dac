package endpoint

import (
	"fmt"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// A document has as many tokens as the parser wants to be allowed.
func TestTokensAreCountedAsTheParserDoes(t *testing.T) {
	for _, text := range []string{
		"{ a }", "{a,b,,c}", "# x\n{ a } # y\n# z", "#1\n#2\nquery($a: [Int!]! = [1, 2.5e3, \"x\"]) @d(a: {b: null}) { ...f ... on T @x { a: b(c: ENUM) } } fragment f on T { a }",
		"{ a(b: \"\"\"text\n# no comment\"\"\") }", "{ a #\n}", "\ufeff{ a }", "{ #1\n #2\n a #3\n b #4\n}", "\"description\" query Q { a }",
	} {
		count := countTokens(text)
		if _, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, count); err != nil {
			t.Errorf("%q: %d tokens are too few: %v", text, count, err)
		}
		if _, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, count-1); err == nil || err.Error() != fmt.Sprintf("input: exceeded token limit of %d", count-1) {
			t.Errorf("%q: %d tokens are too many: %v", text, count, err)
		}
	}
}
