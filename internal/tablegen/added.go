package tablegen

import (
	"maps"

	"github.com/vektah/gqlparser/v2/ast"
)

// Added returns the project as it is with the table, for the next one.
func (p *Plan) Added() Project {
	project := p.Project
	model := Model{Name: p.Entity, Schema: p.Table.Schema, Table: p.Table.Name, Alias: p.Alias}
	for _, f := range p.Fields {
		model.Columns = append(model.Columns, f.Column.Name)
	}
	for _, f := range p.Keys {
		model.Keys = append(model.Keys, f.Column.Name)
	}
	if p.Owner != nil {
		model.Owner = p.Owner.Column.Name
	}
	project.Models = append(project.Models[:len(project.Models):len(project.Models)], model)
	schema := *project.Schema
	schema.Types = maps.Clone(schema.Types)
	own := &ast.Definition{Kind: ast.Object, Name: p.Entity}
	for _, f := range p.Fields {
		if f.Shown || f.IsKey {
			own.Fields = append(own.Fields, &ast.FieldDefinition{Name: f.GraphQL})
		}
	}
	schema.Types[p.Entity] = own
	for _, name := range []string{p.Entity + "Connection", p.Entity + "Edge", p.Entity + "Order", p.Entity + "Filter", "Create" + p.Entity + "Input", "Update" + p.Entity + "Input"} {
		schema.Types[name] = &ast.Definition{Name: name}
	}
	for _, e := range p.NewEnums() {
		enum := &ast.Definition{Kind: ast.Enum, Name: e.Name}
		for _, value := range e.Values {
			enum.EnumValues = append(enum.EnumValues, &ast.EnumValueDefinition{Name: value.Name})
		}
		schema.Types[e.Name] = enum
	}
	for _, r := range p.Relations {
		definition := *schema.Types[r.On]
		definition.Fields = append(definition.Fields[:len(definition.Fields):len(definition.Fields)], &ast.FieldDefinition{Name: r.Field})
		schema.Types[r.On] = &definition
	}
	schema.Query = extended(schema.Query, &ast.FieldDefinition{Name: p.One, Type: ast.NamedType(p.Entity, nil), Arguments: ast.ArgumentDefinitionList{{Name: "id", Type: ast.NonNullNamedType("ID", nil)}}}, p.listField())
	if schema.Mutation == nil && (p.Create || p.Update || p.Delete) {
		schema.Mutation = &ast.Definition{Kind: ast.Object, Name: "Mutation"}
	}
	if schema.Mutation != nil {
		schema.Mutation = extended(schema.Mutation, &ast.FieldDefinition{Name: "create" + p.Entity}, &ast.FieldDefinition{Name: "update" + p.Entity}, &ast.FieldDefinition{Name: "delete" + p.Entity})
	}
	project.Schema = &schema
	return project
}

func extended(root *ast.Definition, fields ...*ast.FieldDefinition) *ast.Definition {
	definition := *root
	definition.Fields = append(definition.Fields[:len(definition.Fields):len(definition.Fields)], fields...)
	return &definition
}

// listField is the field of a page, with the arguments that relations copy.
func (p *Plan) listField() *ast.FieldDefinition {
	a := p.Arguments()
	field := &ast.FieldDefinition{Name: p.Many, Type: ast.NamedType(p.Entity+"Connection", nil)}
	add := func(name, typeName, value string) {
		argument := &ast.ArgumentDefinition{Name: name, Type: ast.NamedType(typeName, nil)}
		if value != "" {
			argument.DefaultValue = &ast.Value{Raw: value}
		}
		field.Arguments = append(field.Arguments, argument)
	}
	add("first", "Int", "")
	if a.Last {
		add("last", "Int", "")
	}
	if a.Filter != "" {
		add("filter", a.Filter, "")
	}
	if a.Order != "" {
		add("orderBy", a.Order, a.Default)
	}
	return field
}
