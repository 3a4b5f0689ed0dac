package endpoint

import (
	"context"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/introspection"
	"github.com/vektah/gqlparser/v2/ast"
)

// introspector makes gqlgen's introspection answer as graphql-js does. It leaves out what the server does not support,
// and returns null where a field has no meaning.
type introspector struct {
	schema *ast.Schema // a copy, adapted for introspection
}

// nonNullKinds are the kinds of types for which a field of __Type is not null (GraphQL, section 4.2.2).
var nonNullKinds = map[string][2]ast.DefinitionKind{
	"fields":        {ast.Object, ast.Interface},
	"interfaces":    {ast.Object, ast.Interface},
	"possibleTypes": {ast.Interface, ast.Union},
	"enumValues":    {ast.Enum},
	"inputFields":   {ast.InputObject},
	"isOneOf":       {ast.InputObject},
}

// field is a graphql.FieldMiddleware for operations with __schema or __type.
func (i *introspector) field(ctx context.Context, next graphql.Resolver) (any, error) {
	result, err := next(ctx)
	if err != nil {
		return nil, err
	}
	field := graphql.GetFieldContext(ctx)
	switch name := field.Field.Name; {
	case name == "__schema":
		return introspection.WrapSchema(i.schema), nil
	case name == "__type":
		asked, _ := field.Args["name"].(string)
		return introspection.WrapTypeFromDef(i.schema, i.schema.Types[asked]), nil
	case field.Object == "__Type":
		of, _ := field.Parent.Result.(*introspection.Type)
		if kinds, ok := nonNullKinds[name]; ok && string(kinds[0]) != of.Kind() && string(kinds[1]) != of.Kind() {
			return nil, nil
		}
	}
	return result, nil
}

// newIntrospector copies a schema. In the copy, default values and deprecation reasons are written as introspection
// returns them, and unsupported directives are missing.
func newIntrospector(schema *ast.Schema) *introspector {
	copied := *schema
	copied.Types = make(map[string]*ast.Definition, len(schema.Types))
	for name, definition := range schema.Types {
		copied.Types[name] = copyDefinition(schema, definition)
	}
	copied.Directives = make(map[string]*ast.DirectiveDefinition, len(schema.Directives))
	for name, definition := range schema.Directives {
		if name == "defer" { // gqlparser supports it, and analyze refuses it
			continue
		}
		directive := *definition
		directive.Arguments = copyArguments(schema, directive.Arguments)
		copied.Directives[name] = &directive
	}
	for name := range scalarDescriptions {
		if !isReferenced(&copied, name) {
			delete(copied.Types, name)
		}
	}
	copied.PossibleTypes = make(map[string][]*ast.Definition, len(schema.PossibleTypes))
	for name, possible := range schema.PossibleTypes {
		for _, definition := range possible {
			copied.PossibleTypes[name] = append(copied.PossibleTypes[name], copied.Types[definition.Name])
		}
	}
	for _, root := range []**ast.Definition{&copied.Query, &copied.Mutation, &copied.Subscription} {
		if *root != nil {
			*root = copied.Types[(*root).Name]
		}
	}
	return &introspector{schema: &copied}
}

// scalarDescriptions are the specification's descriptions of the scalars that a schema may leave unused.
var scalarDescriptions = map[string]string{
	"Int":    "The `Int` scalar type represents non-fractional signed whole numeric values. Int can represent values between -(2^31) and 2^31 - 1.",
	"Float":  "The `Float` scalar type represents signed double-precision fractional values as specified by [IEEE 754](https://en.wikipedia.org/wiki/IEEE_floating_point).",
	"String": "The `String` scalar type represents textual data, represented as UTF-8 character sequences. The String type is most often used by GraphQL to represent free-form human-readable text.",
	"ID":     "The `ID` scalar type represents a unique identifier, often used to refetch an object or as key for a cache. The ID type appears in a JSON response as a String; however, it is not intended to be human-readable. When expected as an input type, any string (such as `\"4\"`) or integer (such as `4`) input value will be accepted as an ID.",
}

// isReferenced reports whether a field or an argument of the schema has the named type.
func isReferenced(schema *ast.Schema, name string) bool {
	takes := func(arguments ast.ArgumentDefinitionList) bool {
		for _, argument := range arguments {
			if argument.Type.Name() == name {
				return true
			}
		}
		return false
	}
	for _, directive := range schema.Directives {
		if takes(directive.Arguments) {
			return true
		}
	}
	for _, definition := range schema.Types {
		for _, field := range definition.Fields {
			if field.Type.Name() == name || takes(field.Arguments) {
				return true
			}
		}
	}
	return false
}

func copyDefinition(schema *ast.Schema, definition *ast.Definition) *ast.Definition {
	copied := *definition
	if description, ok := scalarDescriptions[definition.Name]; ok && definition.BuiltIn {
		copied.Description = description
	}
	copied.Fields = nil
	for _, field := range definition.Fields {
		one := *field
		one.Arguments = copyArguments(schema, field.Arguments)
		one.DefaultValue = formatDefault(schema, field.Type, field.DefaultValue)
		one.Directives = withDefaultReason(schema, field.Directives)
		copied.Fields = append(copied.Fields, &one)
	}
	copied.EnumValues = nil
	for _, value := range definition.EnumValues {
		one := *value
		one.Directives = withDefaultReason(schema, value.Directives)
		copied.EnumValues = append(copied.EnumValues, &one)
	}
	return &copied
}

func copyArguments(schema *ast.Schema, arguments ast.ArgumentDefinitionList) ast.ArgumentDefinitionList {
	var copied ast.ArgumentDefinitionList
	for _, argument := range arguments {
		one := *argument
		one.DefaultValue = formatDefault(schema, argument.Type, argument.DefaultValue)
		one.Directives = withDefaultReason(schema, argument.Directives)
		copied = append(copied, &one)
	}
	return copied
}

// withDefaultReason adds the default reason to @deprecated. gqlgen returns it for fields only.
func withDefaultReason(schema *ast.Schema, directives ast.DirectiveList) ast.DirectiveList {
	directive := directives.ForName("deprecated")
	if directive == nil || directive.Arguments.ForName("reason") != nil {
		return directives
	}
	reason := schema.Directives["deprecated"].Arguments.ForName("reason").DefaultValue
	return ast.DirectiveList{{Name: directive.Name, Arguments: ast.ArgumentList{{Name: "reason", Value: reason}}, Definition: directive.Definition}}
}

// formatDefault returns a value that gqlgen writes unchanged.
func formatDefault(schema *ast.Schema, typ *ast.Type, value *ast.Value) *ast.Value {
	if value == nil {
		return nil
	}
	return &ast.Value{Kind: ast.EnumValue, Raw: writeDefault(schema, typ, value), Position: value.Position}
}

var integer = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// writeDefault formats a default value after coercion: a single item as a list of one, an object with the defaults of
// its fields.
func writeDefault(schema *ast.Schema, typ *ast.Type, value *ast.Value) string {
	if value.Kind == ast.NullValue {
		return "null"
	}
	var parts []string
	if typ.Elem != nil {
		if value.Kind != ast.ListValue {
			return "[" + writeDefault(schema, typ.Elem, value) + "]"
		}
		for _, child := range value.Children {
			parts = append(parts, writeDefault(schema, typ.Elem, child.Value))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	definition := schema.Types[typ.NamedType]
	switch {
	case definition.Kind == ast.InputObject && value.Kind == ast.ObjectValue:
		for _, field := range definition.Fields {
			member := value.Children.ForName(field.Name)
			if member == nil {
				member = field.DefaultValue
			}
			if member != nil {
				parts = append(parts, field.Name+": "+writeDefault(schema, field.Type, member))
			}
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case definition.Name == "ID" && integer.MatchString(value.Raw):
		return value.Raw
	case definition.Name == "Float":
		if number, err := strconv.ParseFloat(value.Raw, 64); err == nil {
			text, _ := json.Marshal(number)
			return string(text)
		}
	}
	return printValue(value)
}
