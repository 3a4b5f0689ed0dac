package endpoint

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/core"
)

// valuesOfCorrectType is the validation rule of that name as in graphql-js. gqlparser's own rule accepts numbers that
// gqlgen's code cannot read, and numbers beyond Int.
func valuesOfCorrectType(suggest bool) validator.RuleFunc {
	return func(observers *core.Events, addError core.AddErrFunc) {
		observers.OnValue(func(walker *core.Walker, value *ast.Value) {
			check := literalCheck{
				coercer: coercer{schema: walker.Schema, suggest: suggest},
				refuse: func(position *ast.Position, format string, args ...any) {
					addError(core.Message(format, args...), core.At(position))
				},
			}
			check.value(value)
		})
	}
}

type literalCheck struct {
	coercer
	refuse func(position *ast.Position, format string, args ...any)
}

// value checks a value, but not its children: the walker visits each of them.
func (l literalCheck) value(value *ast.Value) {
	switch {
	case value.Kind == ast.Variable:
	case value.ExpectedType == nil || value.Definition == nil:
		l.number(value) // inside a custom scalar; or its parent is unknown, and another rule reports that
	case value.Kind == ast.NullValue:
		if value.ExpectedType.NonNull {
			l.refuse(placeOf(value), `Expected value of type "%s", found null.`, value.ExpectedType)
		}
	case value.Kind == ast.ListValue && value.ExpectedType.Elem != nil:
	case value.Kind == ast.ObjectValue && value.Definition.Kind == ast.InputObject:
		l.object(value)
	default:
		l.leaf(value)
	}
}

func (l literalCheck) object(value *ast.Value) {
	definition := value.Definition
	for _, field := range definition.Fields {
		if field.Type.NonNull && field.DefaultValue == nil && value.Children.ForName(field.Name) == nil {
			l.refuse(placeOf(value), `Field "%s.%s" of required type "%s" was not provided.`, definition.Name, field.Name, field.Type)
		}
	}
	for _, child := range value.Children {
		if definition.Fields.ForName(child.Name) == nil {
			l.refuse(child.Position, `Field "%s" is not defined by type "%s".%s`, child.Name, definition.Name, l.didYouMean("", child.Name, fieldNames(definition)))
		}
	}
	if definition.Directives.ForName("oneOf") == nil {
		return
	}
	if len(value.Children) != 1 {
		l.refuse(placeOf(value), `OneOf Input Object "%s" must specify exactly one key.`, definition.Name)
	} else if child := value.Children[0]; child.Value.Kind == ast.NullValue {
		l.refuse(placeOf(value), `Field "%s.%s" must be non-null.`, definition.Name, child.Name)
	}
}

func (l literalCheck) leaf(value *ast.Value) {
	definition := value.Definition
	switch definition.Kind {
	case ast.InputObject:
		wanted := *value.ExpectedType
		wanted.NonNull = wanted.NonNull && value.Kind != ast.ListValue // as in graphql-js
		l.refuse(placeOf(value), `Expected value of type "%s", found %s.`, &wanted, printValue(value))
		return
	case ast.Enum:
		text := printValue(value)
		if value.Kind != ast.EnumValue {
			l.refuse(placeOf(value), `Enum "%s" cannot represent non-enum value: %s.%s`, definition.Name, text, l.didYouMeanEnum(definition, text))
		} else if definition.EnumValues.ForName(value.Raw) == nil {
			l.refuse(placeOf(value), `Value "%s" does not exist in "%s" enum.%s`, text, definition.Name, l.didYouMeanEnum(definition, text))
		}
		return
	}
	switch isText := value.Kind == ast.StringValue || value.Kind == ast.BlockValue; definition.Name {
	case "Int":
		if value.Kind != ast.IntValue {
			l.refuse(placeOf(value), "Int cannot represent non-integer value: %s", printValue(value))
		} else if _, err := strconv.ParseInt(value.Raw, 10, 32); err != nil {
			l.refuse(placeOf(value), "Int cannot represent non 32-bit signed integer value: %s", value.Raw)
		}
	case "Float":
		if value.Kind != ast.IntValue && value.Kind != ast.FloatValue {
			l.refuse(placeOf(value), "Float cannot represent non numeric value: %s", printValue(value))
			return
		}
		l.number(value)
	case "String":
		if !isText {
			l.refuse(placeOf(value), "String cannot represent a non string value: %s", printValue(value))
		}
	case "Boolean":
		if value.Kind != ast.BooleanValue {
			l.refuse(placeOf(value), "Boolean cannot represent a non boolean value: %s", printValue(value))
		}
	case "ID":
		if !isText && value.Kind != ast.IntValue {
			l.refuse(placeOf(value), "ID cannot represent a non-string and non-integer value: %s", printValue(value))
			return
		}
		if _, err := strconv.ParseInt(value.Raw, 10, 64); value.Kind == ast.IntValue && err != nil {
			value.Kind = ast.StringValue // ast.Value cannot read an integer beyond int64
		}
	default:
		l.number(value)
	}
}

// number refuses a number beyond float64. graphql-js reads it as infinity, which JSON cannot express.
func (l literalCheck) number(value *ast.Value) {
	if value.Kind != ast.IntValue && value.Kind != ast.FloatValue {
		return
	}
	if _, err := strconv.ParseFloat(value.Raw, 64); err != nil {
		l.refuse(placeOf(value), "Float cannot represent non numeric value: %s", value.Raw)
	} else if _, err := strconv.ParseInt(value.Raw, 10, 64); err != nil {
		value.Kind = ast.FloatValue // ast.Value cannot read an integer beyond int64
	}
}

// placeOf returns the position where a value begins. gqlparser's position of a string is the column after its quote,
// and of a block string its last line.
func placeOf(value *ast.Value) *ast.Position {
	place := *value.Position
	switch value.Kind {
	case ast.StringValue:
		place.Column--
	case ast.BlockValue:
		place.Line, place.Column = 1, 1
		count, last := 0, ' '
		for _, r := range place.Src.Input {
			if count == place.Start {
				break
			}
			count++
			switch {
			case r == '\n' && last == '\r':
			case r == '\n', r == '\r':
				place.Line, place.Column = place.Line+1, 1
			default:
				place.Column++
			}
			last = r
		}
	}
	return &place
}

// printValue formats a value of a document as graphql-js does in errors.
func printValue(value *ast.Value) string {
	var parts []string
	switch value.Kind {
	case ast.ListValue:
		for _, child := range value.Children {
			parts = append(parts, printValue(child.Value))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case ast.ObjectValue:
		for _, child := range value.Children {
			parts = append(parts, fmt.Sprintf("%s: %s", child.Name, printValue(child.Value)))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case ast.StringValue:
		if integer.MatchString(value.Raw) && value.Position.End-value.Position.Start == len(value.Raw) {
			return value.Raw // no quotes: a long number that leaf has converted for an ID
		}
	}
	return value.String()
}
