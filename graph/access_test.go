package graph

import (
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

func TestRootFieldsSayWhoMayUseThem(t *testing.T) {
	schema := NewExecutableSchema(Config{}).Schema()
	if err := checkAccess(schema); err != nil {
		t.Error(err)
	}
	for _, field := range []string{"open: Int", "both: Int @public @authenticated"} {
		bad := gqlparser.MustLoadSchema(&ast.Source{Input: `directive @public on FIELD_DEFINITION
			directive @authenticated on FIELD_DEFINITION
			type Query { ` + field + ` }`})
		if checkAccess(bad) == nil {
			t.Errorf("%s: accepted", field)
		}
	}
}

func TestEverythingIsDescribed(t *testing.T) {
	for name, definition := range NewExecutableSchema(Config{}).Schema().Types {
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
