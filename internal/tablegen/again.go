package tablegen

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/internal/catalog"
)

// ModelFor returns the model of a table, if the project has one.
func (p Project) ModelFor(table *catalog.Table) (Model, bool) {
	at := slices.IndexFunc(p.Models, func(m Model) bool { return m.Schema == table.Schema && m.Table == table.Name })
	if at < 0 {
		return Model{}, false
	}
	return p.Models[at], true
}

// Without returns the project without a model and the file of its schema, so that what add would write now can be compared
// with what is there. The error says that add has not written the model.
func (p Project) Without(model Model) (Project, error) {
	definition := p.Schema.Types[model.Name]
	if definition == nil || definition.Position == nil || !strings.HasPrefix(strings.TrimLeft(definition.Position.Src.Name, "./"), "schema/") {
		return Project{}, fmt.Errorf("it is there already, as %s, and not in a file of schema/", model.Name)
	}
	file := definition.Position.Src.Name
	isIn := func(position *ast.Position) bool { return position != nil && position.Src.Name == file }
	without := func(definition *ast.Definition) *ast.Definition {
		if definition == nil || isIn(definition.Position) {
			return nil
		}
		kept := *definition
		kept.Fields = slices.DeleteFunc(slices.Clone(kept.Fields), func(field *ast.FieldDefinition) bool { return isIn(field.Position) })
		return &kept
	}
	schema := *p.Schema
	schema.Types = maps.Clone(schema.Types)
	for name, definition := range schema.Types {
		if schema.Types[name] = without(definition); schema.Types[name] == nil {
			delete(schema.Types, name)
		}
	}
	schema.Query, schema.Mutation, schema.Subscription = without(schema.Query), without(schema.Mutation), without(schema.Subscription)
	p.Elsewhere, p.Keys = nil, model.Keys
	for _, field := range definition.Fields {
		if !isIn(field.Position) {
			p.Elsewhere = append(p.Elsewhere, field.Name)
		}
	}
	p.Schema = &schema
	p.Models = slices.DeleteFunc(slices.Clone(p.Models), func(m Model) bool { return m.Name == model.Name })
	return p, nil
}
