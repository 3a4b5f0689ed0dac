package endpoint

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/core"
)

// coercer coerces variables to their types (GraphQL, section 6.1.2). Its errors are those of graphql-js.
type coercer struct {
	schema  *ast.Schema
	suggest bool // reports whether an error may name what the schema has
}

// mismatch says why a value does not have the expected type.
type mismatch struct {
	path    ast.Path // from the value up to the variable
	value   any
	problem string
}

func mismatchf(value any, format string, args ...any) *mismatch {
	return &mismatch{value: value, problem: fmt.Sprintf(format, args...)}
}

// in adds the list index or the field name of the value to the path.
func (m *mismatch) in(element ast.PathElement) *mismatch {
	m.path = append(m.path, element)
	return m
}

// variables returns the coerced variables of an operation. A variable that is absent and has no default is left out.
func (c coercer) variables(operation *ast.OperationDefinition, given map[string]any) (map[string]any, *gqlerror.Error) {
	coerced := make(map[string]any, len(operation.VariableDefinitions))
	for _, variable := range operation.VariableDefinitions {
		value, ok := given[variable.Variable]
		var problem string
		switch {
		case !ok && variable.DefaultValue != nil:
			// Validation has checked the default.
			coerced[variable.Variable], _ = variable.DefaultValue.Value(nil)
			continue
		case !ok && variable.Type.NonNull:
			problem = fmt.Sprintf(`of required type "%s" was not provided.`, variable.Type)
		case !ok:
			continue
		case value == nil && variable.Type.NonNull:
			problem = fmt.Sprintf(`of non-null type "%s" must not be null.`, variable.Type)
		default:
			value, wrong := c.value(variable.Type, value)
			if wrong == nil {
				coerced[variable.Variable] = value
				continue
			}
			problem = "got invalid value " + inspect(wrong.value, 0)
			if len(wrong.path) > 0 {
				slices.Reverse(wrong.path)
				path := append(ast.Path{ast.PathName(variable.Variable)}, wrong.path...)
				problem += fmt.Sprintf(` at "%s"`, path)
			}
			problem += "; " + wrong.problem
		}
		return nil, at(variable.Position, refusef(CodeValidationFailed, `Variable "$%s" %s`, variable.Variable, problem))
	}
	return coerced, nil
}

func (c coercer) value(typ *ast.Type, value any) (any, *mismatch) {
	if value == nil {
		if typ.NonNull {
			return nil, mismatchf(value, `Expected non-nullable type "%s" not to be null.`, typ)
		}
		return nil, nil
	}
	if typ.Elem != nil {
		items, ok := value.([]any)
		if !ok { // a single item becomes a list of one
			item, wrong := c.value(typ.Elem, value)
			return []any{item}, wrong
		}
		list := make([]any, len(items))
		for i, item := range items {
			var wrong *mismatch
			if list[i], wrong = c.value(typ.Elem, item); wrong != nil {
				return nil, wrong.in(ast.PathIndex(i))
			}
		}
		return list, nil
	}
	switch definition := c.schema.Types[typ.NamedType]; definition.Kind {
	case ast.InputObject:
		return c.object(definition, value)
	case ast.Enum:
		return c.enum(definition, value)
	default:
		return scalar(definition.Name, value)
	}
}

// object coerces an input object. It does not add the defaults of fields: gqlgen's generated code does.
func (c coercer) object(definition *ast.Definition, value any) (any, *mismatch) {
	given, ok := value.(map[string]any)
	if !ok {
		return nil, mismatchf(value, `Expected type "%s" to be an object.`, definition.Name)
	}
	object := make(map[string]any, len(given))
	for _, field := range definition.Fields {
		member, ok := given[field.Name]
		if !ok {
			if field.Type.NonNull && field.DefaultValue == nil {
				return nil, mismatchf(value, `Field "%s" of required type "%s" was not provided.`, field.Name, field.Type)
			}
			continue
		}
		coerced, wrong := c.value(field.Type, member)
		if wrong != nil {
			return nil, wrong.in(ast.PathName(field.Name))
		}
		object[field.Name] = coerced
	}
	if len(object) < len(given) {
		for _, name := range slices.Sorted(maps.Keys(given)) {
			if definition.Fields.ForName(name) == nil {
				return nil, mismatchf(value, `Field "%s" is not defined by type "%s".%s`, name, definition.Name, c.didYouMean("", name, fieldNames(definition)))
			}
		}
	}
	if definition.Directives.ForName("oneOf") != nil {
		if len(object) != 1 {
			return nil, mismatchf(value, `Exactly one key must be specified for OneOf type "%s".`, definition.Name)
		}
		for name, member := range object {
			if member == nil {
				return nil, mismatchf(nil, `Field "%s" must be non-null.`, name).in(ast.PathName(name))
			}
		}
	}
	return object, nil
}

func (c coercer) enum(definition *ast.Definition, value any) (any, *mismatch) {
	name, ok := value.(string)
	if !ok {
		text := inspect(value, 0)
		return nil, mismatchf(value, `Enum "%s" cannot represent non-string value: %s.%s`, definition.Name, text, c.didYouMeanEnum(definition, text))
	}
	if definition.EnumValues.ForName(name) == nil {
		return nil, mismatchf(value, `Value "%s" does not exist in "%s" enum.%s`, name, definition.Name, c.didYouMeanEnum(definition, name))
	}
	return name, nil
}

// scalar coerces the built-in scalars. A custom scalar accepts any value here: its Go type checks it.
func scalar(name string, value any) (any, *mismatch) {
	switch name {
	case "Int":
		number, ok := whole(value)
		if !ok {
			return nil, mismatchf(value, "Int cannot represent non-integer value: %s", inspect(value, 0))
		}
		if number < math.MinInt32 || number > math.MaxInt32 {
			return nil, mismatchf(value, "Int cannot represent non 32-bit signed integer value: %s", inspect(value, 0))
		}
		return int64(number), nil
	case "Float":
		switch value.(type) {
		case int64, float64:
			return value, nil
		}
		return nil, mismatchf(value, "Float cannot represent non numeric value: %s", inspect(value, 0))
	case "String":
		if _, ok := value.(string); !ok {
			return nil, mismatchf(value, "String cannot represent a non string value: %s", inspect(value, 0))
		}
	case "Boolean":
		if _, ok := value.(bool); !ok {
			return nil, mismatchf(value, "Boolean cannot represent a non boolean value: %s", inspect(value, 0))
		}
	case "ID":
		if _, ok := value.(string); ok {
			return value, nil
		}
		if _, ok := whole(value); !ok {
			return nil, mismatchf(value, "ID cannot represent value: %s", inspect(value, 0))
		}
		return inspect(value, 0), nil
	}
	return value, nil
}

// whole returns a number and reports whether it is an integer, such as 1.0 or 1e3.
func whole(value any) (float64, bool) {
	switch number := value.(type) {
	case int64:
		return float64(number), true
	case float64:
		return number, number == math.Trunc(number)
	}
	return 0, false
}

// maxMistyped bounds the names, in bytes, for which similar names are suggested: comparing long ones takes time.
const maxMistyped = 100

func (c coercer) didYouMean(what, name string, names []string) string {
	if !c.suggest || len(name) > maxMistyped {
		return ""
	}
	var text gqlerror.Error
	core.SuggestListQuoted("Did you mean"+what, name, names)(&text)
	return text.Message
}

func (c coercer) didYouMeanEnum(definition *ast.Definition, name string) string {
	var names []string
	for _, value := range definition.EnumValues {
		names = append(names, value.Name)
	}
	return c.didYouMean(" the enum value", name, names)
}

func fieldNames(definition *ast.Definition) []string {
	var names []string
	for _, field := range definition.Fields {
		names = append(names, field.Name)
	}
	return names
}

// shownItems and shownDepth bound the items and the nesting of a value in an error, as in graphql-js.
const (
	shownItems = 10
	shownDepth = 2
)

// inspect formats a variable's value as graphql-js does in errors, except that the names in an object are sorted.
func inspect(value any, depth int) string {
	var parts []string
	switch value := value.(type) {
	case nil:
		return "null"
	case string:
		var text strings.Builder
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(value)
		return strings.TrimSuffix(text.String(), "\n")
	case float64:
		text, _ := json.Marshal(value) // writes numbers as JavaScript does
		return string(text)
	case []any:
		if len(value) == 0 {
			return "[]"
		}
		if depth >= shownDepth {
			return "[Array]"
		}
		for _, item := range value[:min(len(value), shownItems)] {
			parts = append(parts, inspect(item, depth+1))
		}
		switch more := len(value) - shownItems; {
		case more == 1:
			parts = append(parts, "... 1 more item")
		case more > 1:
			parts = append(parts, "... "+strconv.Itoa(more)+" more items")
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		if len(value) == 0 {
			return "{}"
		}
		if depth >= shownDepth {
			return "[Object]"
		}
		for _, name := range slices.Sorted(maps.Keys(value)) {
			parts = append(parts, name+": "+inspect(value[name], depth+1))
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	default:
		return fmt.Sprint(value)
	}
}
