package endpoint

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// Introspection tells of a schema what graphql-js tells of it. Types and directives may come in any order.
func TestIntrospectionIsThatOfGraphQLJS(t *testing.T) {
	e, _ := newWide(t)
	text, err := os.ReadFile("testdata/introspection.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Query string
		Data  json.RawMessage
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]string{"query": want.Query})
	if err != nil {
		t.Fatal(err)
	}
	answer, problem := e.askWide(t, string(body))
	if problem != "" || answer.Errors != nil {
		t.Fatal(problem, answer.told())
	}
	got, told := schemaParts(t, answer.Data), schemaParts(t, want.Data)
	for name, part := range told {
		if got[name] != part {
			same := 0
			for same < min(len(part), len(got[name])) && part[same] == got[name][same] {
				same++
			}
			same = max(same-100, 0)
			t.Errorf("%s:\ngot  …%.300s\nwant …%.300s", name, got[name][min(same, len(got[name])):], part[same:])
		}
	}
	for name, part := range got {
		if told[name] == "" {
			t.Errorf("%s is told, and is not there: %s", name, part)
		}
	}
}

// schemaParts are the parts of an answer to the query of everything, by names.
func schemaParts(t *testing.T, data json.RawMessage) map[string]string {
	t.Helper()
	var answer struct {
		Schema map[string]any `json:"__schema"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	add := func(name string, part any) {
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		parts[name] = string(text)
	}
	for _, kind := range []string{"types", "directives"} {
		for _, part := range answer.Schema[kind].([]any) {
			part := part.(map[string]any)
			if possible, ok := part["possibleTypes"].([]any); ok {
				slices.SortFunc(possible, func(a, b any) int {
					return cmp.Compare(a.(map[string]any)["name"].(string), b.(map[string]any)["name"].(string))
				})
			}
			add(kind+" "+part["name"].(string), part)
		}
		delete(answer.Schema, kind)
	}
	add("the rest", answer.Schema)
	return parts
}

// What introspection tells can be used: each field of its own types, and each directive that a document may have.
func TestIntrospectionCanBeUsed(t *testing.T) {
	e, _ := newWide(t)
	type field struct {
		Name string
		Args []struct{ Name string }
		Type struct {
			Name   string
			OfType struct{ Name string }
		}
	}
	var told struct {
		Data struct {
			Schema struct {
				Types []struct {
					Name   string
					Fields []field
				}
				Directives []struct {
					Name      string
					Locations []string
					Args      []struct{ Name string }
				}
			} `json:"__schema"`
		}
	}
	body := e.Ask(nil, `{"query":"{ __schema { types { name fields(includeDeprecated: true) { name args { name } type { name ofType { name } } } } directives { name locations args { name } } } }"}`).Body
	if err := json.Unmarshal(body.Bytes(), &told); err != nil {
		t.Fatal(err)
	}
	// A place where each type of introspection is found.
	places := map[string]string{
		"__Schema": "%s", "__Type": "types { %s }", "__Field": "types { fields { %s } }", "__InputValue": "directives { args { %s } }",
		"__EnumValue": "types { enumValues { %s } }", "__Directive": "directives { %s }",
	}
	used := 0
	for _, of := range told.Data.Schema.Types {
		for _, field := range of.Fields {
			if !strings.HasPrefix(of.Name, "__") {
				continue
			}
			text := field.Name
			for _, argument := range field.Args {
				text += "(" + argument.Name + ": true)"
			}
			for _, nested := range []string{"", " { __typename }"} {
				document := "{ __schema { " + fmt.Sprintf(places[of.Name], text+nested) + " } }"
				answer := e.Ask(nil, jsonDocument(t, document)).Body.String()
				if !strings.Contains(answer, `"errors"`) {
					used++
					break
				} else if nested != "" {
					t.Errorf("%s: %s", document, answer)
				}
			}
		}
	}
	for _, directive := range told.Data.Schema.Directives {
		if !slices.Contains(directive.Locations, "FIELD") && !slices.Contains(directive.Locations, "INLINE_FRAGMENT") {
			continue
		}
		text := "@" + directive.Name
		for _, argument := range directive.Args {
			text += "(" + argument.Name + ": true)"
		}
		if answer := e.Ask(nil, jsonDocument(t, "{ ... "+text+" { plain } }")).Body.String(); strings.Contains(answer, `"errors"`) {
			t.Errorf("%s: %s", text, answer)
		}
		used++
	}
	if used < 30 {
		t.Errorf("only %d fields and directives are used", used)
	}
}

func jsonDocument(t *testing.T, document string) string {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": document})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// A scalar of the specification that nothing has is not told.
func TestIntrospectionOfUnusedScalars(t *testing.T) {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: "directive @a(id: ID) on FIELD_DEFINITION  type Query { a: String }"})
	told := newIntrospector(schema).schema.Types
	for name, want := range map[string]bool{"Int": false, "Float": false, "ID": true, "String": true, "Boolean": true, "Query": true} {
		if got := told[name] != nil; got != want {
			t.Errorf("%s: told %v", name, got)
		}
		if schema.Types[name] == nil {
			t.Errorf("%s is gone from the schema itself", name)
		}
	}
}
