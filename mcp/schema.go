package mcp

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
)

// schema is a JSON Schema, draft 2020-12, with the keywords that types of GraphQL need.
type schema struct {
	Type                 any        `json:"type,omitempty"` // a name, or a list of names
	Description          string     `json:"description,omitempty"`
	Format               string     `json:"format,omitempty"`
	Pattern              string     `json:"pattern,omitempty"`
	Enum                 []any      `json:"enum,omitempty"`
	Items                *schema    `json:"items,omitempty"`
	Properties           properties `json:"properties,omitzero"`
	Required             []string   `json:"required,omitempty"`
	AdditionalProperties *bool      `json:"additionalProperties,omitempty"`
	MinProperties        int        `json:"minProperties,omitempty"`
	MaxProperties        int        `json:"maxProperties,omitempty"`
	AnyOf                []*schema  `json:"anyOf,omitempty"`
	Ref                  string     `json:"$ref,omitempty"`
	Default              any        `json:"default,omitempty"`
	Defs                 properties `json:"$defs,omitempty"`
}

// properties keep the order of the document or of the GraphQL schema, which json.Marshal would sort.
type properties []property

type property struct {
	name   string
	schema *schema
}

// MarshalJSON implements json.Marshaler.
func (p properties) MarshalJSON() ([]byte, error) {
	var text bytes.Buffer
	text.WriteByte('{')
	for i, one := range p {
		if i > 0 {
			text.WriteByte(',')
		}
		value, err := json.Marshal(one.schema)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&text, "%q:%s", one.name, value) // names of GraphQL need no escapes
	}
	text.WriteByte('}')
	return text.Bytes(), nil
}

// scalarSchema is the JSON Schema of a scalar: GraphQL's own, and those of the engine. Of others only the description is known.
func scalarSchema(definition *ast.Definition) *schema {
	switch definition.Name {
	case "Int":
		return &schema{Type: "integer"}
	case "Float":
		return &schema{Type: "number"}
	case "Boolean":
		return &schema{Type: "boolean"}
	case "String", "ID":
		return &schema{Type: "string"}
	case "UUID":
		return &schema{Type: "string", Format: "uuid"}
	case "DateTime", "Time":
		return &schema{Type: "string", Format: "date-time"}
	case "Date":
		return &schema{Type: "string", Format: "date"}
	case "BigInt":
		return &schema{Type: "string", Pattern: "^-?[0-9]+$"}
	case "Decimal":
		return &schema{Type: "string"}
	}
	return &schema{Description: definition.Description}
}

// nullable allows null besides what a schema allows.
func nullable(s *schema) *schema {
	switch {
	case s.Ref != "" || s.AnyOf != nil:
		return &schema{AnyOf: []*schema{s, {Type: "null"}}}
	case s.Type == nil:
		return s // anything
	}
	s.Type = []any{s.Type, "null"}
	if s.Enum != nil {
		s.Enum = append(s.Enum, nil)
	}
	return s
}

func enumSchema(definition *ast.Definition) *schema {
	s := &schema{Type: "string", Description: definition.Description}
	for _, value := range definition.EnumValues {
		s.Enum = append(s.Enum, value.Name)
		if value.Description != "" {
			s.Description += "\n" + value.Name + ": " + value.Description
		}
	}
	return s
}

// inputs builds the schema of variables. An input type that is used more than once, or contains itself, stands in $defs.
type inputs struct {
	types *ast.Schema
	uses  map[string]int
	defs  properties
	known map[string]bool // in defs, or being added
}

// inputSchema is the JSON Schema of an operation's variables.
func inputSchema(types *ast.Schema, operation *ast.OperationDefinition) *schema {
	b := &inputs{types: types, uses: map[string]int{}, known: map[string]bool{}}
	for _, variable := range operation.VariableDefinitions {
		b.count(variable.Type.Name())
	}
	no := false
	s := &schema{Type: "object", AdditionalProperties: &no, Properties: properties{}} // some clients insist on properties
	described := argumentDescriptions(operation.SelectionSet)
	for _, variable := range operation.VariableDefinitions {
		of := b.member(variable.Type, variable.DefaultValue, variable.Description)
		if variable.Description == "" && of.Description == "" {
			of.Description = described[variable.Variable]
		}
		s.Properties = append(s.Properties, property{variable.Variable, of})
		if variable.Type.NonNull && variable.DefaultValue == nil {
			s.Required = append(s.Required, variable.Variable)
		}
	}
	s.Defs = b.defs
	return s
}

// argumentDescriptions returns the descriptions of the arguments that are variables, by variable.
func argumentDescriptions(selections ast.SelectionSet) map[string]string {
	found := map[string]string{}
	var walk func(ast.SelectionSet)
	walk = func(selections ast.SelectionSet) {
		for _, selection := range selections {
			switch selection := selection.(type) {
			case *ast.Field:
				for _, argument := range selection.Arguments {
					definition := selection.Definition.Arguments.ForName(argument.Name)
					if argument.Value.Kind == ast.Variable && definition != nil && found[argument.Value.Raw] == "" {
						found[argument.Value.Raw] = definition.Description
					}
				}
				walk(selection.SelectionSet)
			case *ast.InlineFragment:
				walk(selection.SelectionSet)
			case *ast.FragmentSpread:
				walk(selection.Definition.SelectionSet)
			}
		}
	}
	walk(selections)
	return found
}

// count counts the uses of input types, those within others too.
func (b *inputs) count(name string) {
	definition := b.types.Types[name]
	if definition.Kind != ast.InputObject {
		return
	}
	if b.uses[name]++; b.uses[name] > 1 {
		return
	}
	for _, field := range definition.Fields {
		b.count(field.Type.Name())
	}
}

// member is the schema of a variable or of a field, with its default and its own description.
func (b *inputs) member(typ *ast.Type, value *ast.Value, description string) *schema {
	s := b.of(typ)
	if value != nil {
		s.Default, _ = value.Value(nil) // null is left out, as the default of whatever is absent
	}
	if description != "" {
		s.Description = description
	}
	return s
}

func (b *inputs) of(typ *ast.Type) *schema {
	var s *schema
	switch definition := b.types.Types[typ.Name()]; {
	case typ.Elem != nil:
		s = &schema{Type: "array", Items: b.of(typ.Elem)}
	case definition.Kind == ast.Enum:
		s = enumSchema(definition)
	case definition.Kind == ast.InputObject && b.uses[definition.Name] > 1:
		if !b.known[definition.Name] {
			b.known[definition.Name] = true
			at := len(b.defs)
			b.defs = append(b.defs, property{name: definition.Name})
			b.defs[at].schema = b.object(definition)
		}
		s = &schema{Ref: "#/$defs/" + definition.Name}
	case definition.Kind == ast.InputObject:
		s = b.object(definition)
	default:
		s = scalarSchema(definition)
	}
	if typ.NonNull {
		return s
	}
	return nullable(s)
}

func (b *inputs) object(definition *ast.Definition) *schema {
	no := false
	s := &schema{Type: "object", Description: definition.Description, AdditionalProperties: &no}
	for _, field := range definition.Fields {
		s.Properties = append(s.Properties, property{field.Name, b.member(field.Type, field.DefaultValue, field.Description)})
		if field.Type.NonNull && field.DefaultValue == nil {
			s.Required = append(s.Required, field.Name)
		}
	}
	if definition.Directives.ForName("oneOf") != nil {
		s.MinProperties, s.MaxProperties = 1, 1
	}
	return s
}

// misfit says what is wrong with the custom scalars of an argument, which the executor gives to resolvers as they are, or returns "".
func misfit(types *ast.Schema, typ *ast.Type, value any, path string) string {
	if value == nil {
		return ""
	}
	if items, ok := value.([]any); ok && typ.Elem != nil {
		for i, item := range items {
			if problem := misfit(types, typ.Elem, item, fmt.Sprintf("%s[%d]", path, i)); problem != "" {
				return problem
			}
		}
		return ""
	}
	definition := types.Types[typ.Name()]
	if members, ok := value.(map[string]any); ok && definition.Kind == ast.InputObject {
		for _, field := range definition.Fields {
			if problem := misfit(types, field.Type, members[field.Name], path+"."+field.Name); problem != "" {
				return problem
			}
		}
		return ""
	}
	if definition.Kind != ast.Scalar || definition.BuiltIn {
		return ""
	}
	if _, isText := value.(string); scalarSchema(definition).Type == "string" && !isText {
		return fmt.Sprintf("%s is a %s: send it as a text", path, definition.Name)
	}
	return ""
}

// part is a selection set with the type that it selects from. An object need not have what an optional part selects.
type part struct {
	set      ast.SelectionSet
	of       *ast.Definition
	optional bool
}

// outputSchema is the JSON Schema of the data of an operation.
func outputSchema(types *ast.Schema, operation *ast.OperationDefinition) *schema {
	root := types.Query
	if operation.Operation == ast.Mutation {
		root = types.Mutation
	}
	return objectSchema(types, []part{{operation.SelectionSet, root, false}})
}

// selected is a field of an answer, which several selections may name.
type selected struct {
	key      string
	field    *ast.Field
	parts    []part
	optional bool
}

func objectSchema(types *ast.Schema, parts []part) *schema {
	var fields []*selected
	byKey := map[string]*selected{}
	for _, p := range parts {
		collect(types, p, func(field *ast.Field, of *ast.Definition, optional bool) {
			one := byKey[field.Alias]
			if one == nil {
				one = &selected{key: field.Alias, field: field, optional: true}
				byKey[field.Alias] = one
				fields = append(fields, one)
			}
			one.optional = one.optional && optional
			one.parts = append(one.parts, part{field.SelectionSet, types.Types[field.Definition.Type.Name()], optional})
		})
	}
	s := &schema{Type: "object"}
	for _, one := range fields {
		if len(one.parts) == 1 { // where the field is, all of its selection is
			one.parts[0].optional = false
		}
		s.Properties = append(s.Properties, property{one.key, one.schema(types, parts[0].of)})
		if !one.optional {
			s.Required = append(s.Required, one.key)
		}
	}
	return s
}

// schema is the JSON Schema of a field of an answer.
func (f *selected) schema(types *ast.Schema, parent *ast.Definition) *schema {
	if f.field.Name == "__typename" {
		s := &schema{Type: "string"}
		for _, possible := range types.GetPossibleTypes(parent) {
			s.Enum = append(s.Enum, possible.Name)
		}
		return s
	}
	s := f.of(types, f.field.Definition.Type)
	if f.field.Definition.Description != "" {
		s.Description = f.field.Definition.Description
	}
	return s
}

func (f *selected) of(types *ast.Schema, typ *ast.Type) *schema {
	var s *schema
	switch definition := types.Types[typ.Name()]; {
	case typ.Elem != nil:
		s = &schema{Type: "array", Items: f.of(types, typ.Elem)}
	case definition.Kind == ast.Enum:
		s = enumSchema(definition)
	case definition.Kind == ast.Scalar:
		s = scalarSchema(definition)
	default:
		s = objectSchema(types, f.parts)
	}
	if typ.NonNull {
		return s
	}
	return nullable(s)
}

// collect visits the fields of a part, those of its fragments too.
func collect(types *ast.Schema, p part, visit func(field *ast.Field, of *ast.Definition, optional bool)) {
	for _, selection := range p.set {
		switch selection := selection.(type) {
		case *ast.Field:
			visit(selection, p.of, p.optional || conditional(selection.Directives))
		case *ast.InlineFragment:
			of := p.of
			if selection.TypeCondition != "" {
				of = types.Types[selection.TypeCondition]
			}
			collect(types, p.within(selection.SelectionSet, of, selection.Directives), visit)
		case *ast.FragmentSpread:
			of := types.Types[selection.Definition.TypeCondition]
			collect(types, p.within(selection.Definition.SelectionSet, of, selection.Directives), visit)
		}
	}
}

// within is the part of a fragment. Not every object of an interface or union has the fragment's type.
func (p part) within(set ast.SelectionSet, of *ast.Definition, directives ast.DirectiveList) part {
	narrower := p.of.IsAbstractType() && of.Name != p.of.Name
	return part{set, of, p.optional || narrower || conditional(directives)}
}

// conditional reports whether @skip or @include may leave out a selection.
func conditional(directives ast.DirectiveList) bool {
	return directives.ForName("skip") != nil || directives.ForName("include") != nil
}
