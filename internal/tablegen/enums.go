package tablegen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/internal/catalog"
)

// enum gives a field the type of an enum. A schema that has the enum already keeps it.
func (p *Plan) enum(f *Field) error {
	base := f.Column.Base
	if f.Column.Element != "" {
		base = f.Column.Element
	}
	_, base, _ = cutSchema(base)
	e, err := newEnum(base, f.Column.Enum)
	if err != nil {
		return err
	}
	if definition := p.Project.Schema.Types[e.Name]; definition != nil {
		if definition.Kind != ast.Enum || len(definition.EnumValues) != len(e.Values) || slices.ContainsFunc(e.Values, func(v EnumValue) bool { return definition.EnumValues.ForName(v.Name) == nil }) {
			return fmt.Errorf("the schema has another type %s", e.Name)
		}
		e.Known = true
	}
	if !slices.ContainsFunc(p.Enums, func(other Enum) bool { return other.Name == e.Name }) {
		p.Enums = append(p.Enums, *e)
	}
	f.Enum, f.GoType, f.Type, f.Filter = e, e.Name, e.Name, e.Name+"Filter"
	f.sample = func(n int) (string, string, string) {
		v := e.Values[(n-1)%len(e.Values)]
		return quoteText(v.Label), v.Name, `"` + v.Name + `"`
	}
	return nil
}

// newEnum names the values of an enum.
func newEnum(name string, labels []catalog.EnumValue) (*Enum, error) {
	e := &Enum{Name: typeName(words(name)), Type: name, Lower: true}
	if e.Name == "" || !isLetter(e.Name[0]) || len(labels) == 0 {
		return nil, fmt.Errorf("no name in GraphQL can be made of its type %s", name)
	}
	taken := map[string]bool{}
	for i, label := range labels {
		name := enumValue(label.Value)
		if name == "" || taken[name] { // its description is the label
			name = fmt.Sprintf("%s_%d", cmp.Or(name, "VALUE"), i+1)
		}
		if taken[name] {
			return nil, fmt.Errorf("its value %q has no name of its own in GraphQL", label.Value)
		}
		taken[name] = true
		e.Lower = e.Lower && strings.ToLower(name) == label.Value
		e.Values = append(e.Values, EnumValue{name, label.Value})
	}
	return e, nil
}
