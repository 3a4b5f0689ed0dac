package endpoint

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// testSchema is that of internal/testapi, which this package cannot import.
func testSchema(t *testing.T) *ast.Schema {
	t.Helper()
	var sources []*ast.Source
	files, err := filepath.Glob("../internal/testapi/*.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, &ast.Source{Name: file, Input: string(text)})
	}
	schema, err := gqlparser.LoadSchema(sources...)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestRootFieldsSayWhoMayUseThem(t *testing.T) {
	schema := testSchema(t)
	if err := checkAccess(schema); err != nil {
		t.Error(err)
	}
	for _, field := range []string{"open: Int", "both: Int @public @authenticated", `role: Int @hasRole(app: "admin")`, `open: Int @public @hasRole(app: "admin")`} {
		bad := gqlparser.MustLoadSchema(&ast.Source{Input: `directive @public on FIELD_DEFINITION
			directive @authenticated on FIELD_DEFINITION
			directive @hasRole(app: String!) on FIELD_DEFINITION
			type Query { ` + field + ` }`})
		if checkAccess(bad) == nil {
			t.Errorf("%s: accepted", field)
		}
	}
}

// Introspection shows no directives of fields, so the descriptions say it, in these words.
func TestDescriptionsSayWhoMayUseAField(t *testing.T) {
	schema := testSchema(t)
	for _, definition := range schema.Types {
		root := definition == schema.Query || definition == schema.Mutation || definition == schema.Subscription
		for _, field := range definition.Fields {
			want := Access(field)
			if strings.HasPrefix(field.Name, "__") || definition.BuiltIn || !root && want == "Access: everybody." {
				continue
			}
			if !strings.HasSuffix(field.Description, want) {
				t.Errorf("the description of %s.%s does not end in %q", definition.Name, field.Name, want)
			}
		}
	}
	guarded := gqlparser.MustLoadSchema(&ast.Source{Input: `directive @authenticated on FIELD_DEFINITION
		directive @requires(aal: AAL!) on FIELD_DEFINITION
		directive @denyAnonymousUsers on FIELD_DEFINITION
		directive @hasRole(app: String!) on FIELD_DEFINITION
		enum AAL { AAL1 AAL2 }
		type Query { a: Int @authenticated @requires(aal: AAL2) @denyAnonymousUsers @hasRole(app: "admin") }`})
	if got := Access(guarded.Query.Fields.ForName("a")); got != "Access: signed-in callers, AAL2 sessions, no anonymous users, role admin." {
		t.Error(got)
	}
}

func TestEverythingIsDescribed(t *testing.T) {
	for name, definition := range testSchema(t).Types {
		if definition.BuiltIn || strings.HasPrefix(name, "__") {
			continue
		}
		if definition.Description == "" {
			t.Errorf("%s has no description", name)
		}
		for _, field := range definition.Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			if field.Description == "" {
				t.Errorf("%s.%s has no description", name, field.Name)
			}
			for _, argument := range field.Arguments {
				if argument.Description == "" {
					t.Errorf("%s.%s(%s:) has no description", name, field.Name, argument.Name)
				}
			}
		}
	}
}

func TestEveryCodeIsDocumented(t *testing.T) {
	source, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`Code\w+ += "(\w+)"`).FindAllSubmatch(source, -1)
	if len(codes) < 20 {
		t.Fatalf("only %d codes are found", len(codes))
	}
	for _, code := range codes {
		if !bytes.Contains(page, []byte("`"+string(code[1])+"`")) {
			t.Errorf("docs/errors.md does not list %s", code[1])
		}
	}
}

func TestUUID(t *testing.T) {
	if id, err := UnmarshalUUID("a0000000-0000-4000-8000-000000000001"); err != nil || id.String() != "a0000000-0000-4000-8000-000000000001" {
		t.Errorf("%v, %v", id, err)
	}
	for _, value := range []any{"", "ada", 1, nil, "{a0000000-0000-4000-8000-000000000001}", "a0000000000040008000000000000001", "zzzzzzzz-0000-4000-8000-000000000001"} {
		if _, err := UnmarshalUUID(value); err == nil {
			t.Errorf("%v: accepted", value)
		}
	}
}
