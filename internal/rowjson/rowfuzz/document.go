package rowfuzz

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// document writes a random valid query: aliases, arguments, merged fields, fragments, @skip and @include.
func document(schema *ast.Schema, random *rand.Rand) (text string, variables map[string]any) {
	w := writer{schema: schema, random: random, variables: map[string]any{}}
	selections := w.selections(schema.Query, 0)
	var definitions []string
	for name := range w.variables {
		definitions = append(definitions, "$"+name+": Boolean!")
	}
	slices.Sort(definitions)
	if definitions != nil {
		text = "(" + strings.Join(definitions, ", ") + ")"
	}
	return "query" + text + " " + selections + w.fragments.String(), w.variables
}

type writer struct {
	schema    *ast.Schema
	random    *rand.Rand
	variables map[string]any
	fragments strings.Builder
	named     int
	fields    int
}

const maxFields = 40

func (w *writer) selections(definition *ast.Definition, depth int) string {
	var text strings.Builder
	text.WriteString("{ ")
	if w.random.IntN(3) == 0 || definition.Kind == ast.Union {
		fmt.Fprintf(&text, "%s__typename ", []string{"", "kind: "}[w.random.IntN(2)])
	}
	for written := false; !written || w.random.IntN(4) > 0 && w.fields < maxFields; {
		written = true
		switch w.random.IntN(8) {
		case 0:
			if depth < 5 {
				of := w.condition(definition)
				fmt.Fprintf(&text, "... on %s%s %s ", of.Name, w.directive(), w.selections(of, depth+1))
				continue
			}
		case 1:
			if depth < 5 {
				of, name := w.condition(definition), w.named
				w.named++
				inner := w.selections(of, depth+1)
				fmt.Fprintf(&w.fragments, " fragment F%d on %s %s", name, of.Name, inner)
				for range 1 + w.random.IntN(2) {
					fmt.Fprintf(&text, "...F%d%s ", name, w.directive())
				}
				continue
			}
		}
		text.WriteString(w.field(definition, depth))
	}
	return text.String() + "}"
}

// condition returns a type that a fragment in a selection of a type can have.
func (w *writer) condition(definition *ast.Definition) *ast.Definition {
	all := []*ast.Definition{definition}
	if definition != w.schema.Query {
		all = append(all, w.schema.GetImplements(definition)...)
		all = append(all, w.schema.GetPossibleTypes(definition)...)
	}
	return all[w.random.IntN(len(all))]
}

func (w *writer) directive() string {
	if w.random.IntN(6) > 0 {
		return ""
	}
	name := fmt.Sprintf("v%d", w.random.IntN(4))
	w.variables[name] = w.random.IntN(2) == 0
	return fmt.Sprintf(" @%s(if: $%s)", []string{"skip", "include"}[w.random.IntN(2)], name)
}

func (w *writer) field(definition *ast.Definition, depth int) string {
	w.fields++
	var fields []*ast.FieldDefinition
	for _, field := range definition.Fields {
		if !strings.HasPrefix(field.Name, "__") && (depth < 6 || w.schema.Types[field.Type.Name()].IsLeafType()) {
			fields = append(fields, field)
		}
	}
	if len(fields) == 0 {
		return "__typename "
	}
	field := fields[w.random.IntN(len(fields))]
	text := field.Name
	// A field keeps its name or has an alias that is its own: so all that have one alias can be merged. Types that are in
	// one interface or union share no field names.
	if w.random.IntN(3) == 0 {
		text = "alias_" + field.Name + ": " + field.Name
	}
	if len(field.Arguments) > 0 && w.random.IntN(2) == 0 {
		n := w.random.IntN(4)
		text = fmt.Sprintf("with%d_%s: %s(n: %d)", n, field.Name, field.Name, n)
	}
	text += w.directive()
	if of := w.schema.Types[field.Type.Name()]; of.IsCompositeType() {
		text += " " + w.selections(of, depth+1)
	}
	return text + " "
}
