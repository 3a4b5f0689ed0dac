package rows

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// maxIn bounds the values of a condition.
const maxIn = 100

// Filter is an input of conditions on a column. All that are given must hold.
type Filter[T any] struct {
	Eq               *T
	In               []T
	Lt, Lte, Gt, Gte *T
	IsNull           *bool
}

// The filters of the engine's inputs. Not every input has every condition.
type (
	IDFilter       = Filter[ID]
	StringFilter   = Filter[string]
	IntFilter      = Filter[int32]
	FloatFilter    = Filter[float64]
	BooleanFilter  = Filter[bool]
	UUIDFilter     = Filter[uuid.UUID]
	BigIntFilter   = Filter[int64]
	DateTimeFilter = Filter[time.Time]
	DateFilter     = Filter[Date]
	DecimalFilter  = Filter[Decimal]
	// EnumFilter is for the enums of a table: type MoodFilter = rows.EnumFilter.
	EnumFilter = Filter[Enum]
)

// UnmarshalGQL implements graphql.Unmarshaler. It refuses null: a condition that is absent by mistake would select every
// row.
func (f *Filter[T]) UnmarshalGQL(value any) error {
	given, ok := value.(map[string]any)
	if !ok {
		return badInput("a filter is an object")
	}
	for name, value := range given {
		if value == nil {
			return badInput("the condition %s is null: leave it out, or use isNull", name)
		}
		var err error
		switch name {
		case "eq":
			f.Eq, err = decode[T](value)
		case "lt":
			f.Lt, err = decode[T](value)
		case "lte":
			f.Lte, err = decode[T](value)
		case "gt":
			f.Gt, err = decode[T](value)
		case "gte":
			f.Gte, err = decode[T](value)
		case "isNull":
			f.IsNull, err = decode[bool](value)
		case "in":
			err = f.decodeIn(value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *Filter[T]) decodeIn(value any) error {
	items, ok := value.([]any)
	if !ok {
		items = []any{value}
	}
	if len(items) > maxIn {
		return badInput("in has %d values: at most %d are allowed", len(items), maxIn)
	}
	f.In = make([]T, len(items))
	for i, item := range items {
		one, err := decode[T](item)
		if err != nil {
			return err
		}
		f.In[i] = *one
	}
	return nil
}

// MarshalGQL implements graphql.Marshaler, which gqlgen asks of a type with UnmarshalGQL. Inputs are not written.
func (f Filter[T]) MarshalGQL(io.Writer) {}

// decode reads a value of an input: validation has checked the built-in scalars.
func decode[T any](value any) (*T, error) {
	target := new(T)
	var err error
	text, isText := value.(string)
	number, isWhole := wholeNumber(value)
	ok := true
	switch target := any(target).(type) {
	case interface{ UnmarshalGQL(any) error }:
		err = target.UnmarshalGQL(value)
	case *string:
		*target, ok = text, isText
	case *bool:
		*target, ok = value.(bool)
	case *int32:
		*target, ok = int32(number), isWhole
	case *float64:
		if *target, ok = value.(float64); !ok {
			*target, ok = float64(number), isWhole
		}
	case *int64:
		*target, err = UnmarshalBigInt(value)
	case *uuid.UUID:
		*target, err = ParseUUID(text)
	case *time.Time:
		*target, err = ParseTime(text)
	default:
		return nil, fmt.Errorf("%T has no conditions", value)
	}
	if err == nil && !ok {
		err = badInput("a condition has a value of another type")
	}
	return target, err
}

// UnmarshalBigInt reads an integer of 64 bits: a string, or a number that is one.
func UnmarshalBigInt(value any) (int64, error) {
	if number, ok := wholeNumber(value); ok {
		return number, nil
	}
	text, ok := value.(string)
	if !ok {
		return 0, badInput("the value is not a string with a whole number")
	}
	return parseInt(text, 64)
}

// conditions are what a Filter adds to a query. A Filter's type parameter is not known where the query is built.
type conditions interface {
	apply(query *bun.SelectQuery, table *schema.Table, field *schema.Field) error
}

// where adds the conditions of a filter struct to a query.
func where(query *bun.SelectQuery, table *schema.Table, filter any) error {
	fields := reflect.ValueOf(filter)
	if !fields.IsValid() || fields.IsNil() {
		return nil
	}
	for i, fields := 0, fields.Elem(); i < fields.NumField(); i++ {
		name := fields.Type().Field(i).Tag.Get("bun")
		c, ok := fields.Field(i).Interface().(conditions)
		if !ok {
			return fmt.Errorf("%s.%s is not a pointer to a rows.Filter", fields.Type(), fields.Type().Field(i).Name)
		}
		if fields.Field(i).IsNil() {
			continue
		}
		field, err := column(table, name)
		if err != nil {
			return err
		}
		if err := c.apply(query, table, field); err != nil {
			return err
		}
	}
	return nil
}

func (f *Filter[T]) apply(query *bun.SelectQuery, table *schema.Table, field *schema.Field) error {
	sql := of(table, field)
	for _, c := range []struct {
		operator string
		value    *T
	}{{"=", f.Eq}, {"<", f.Lt}, {"<=", f.Lte}, {">", f.Gt}, {">=", f.Gte}} {
		if c.value == nil {
			continue
		}
		text, err := conditionText(field, *c.value)
		if err != nil {
			return err
		}
		query.Where(sql+" "+c.operator+" ?", text)
	}
	if f.In != nil {
		texts := make([]string, len(f.In))
		for i, value := range f.In {
			var err error
			if texts[i], err = conditionText(field, value); err != nil {
				return err
			}
		}
		query.Where(sql+" = ANY(?)", arrayOf(texts))
	}
	if f.IsNull != nil && *f.IsNull {
		query.Where(sql + " IS NULL")
	} else if f.IsNull != nil {
		query.Where(sql + " IS NOT NULL")
	}
	return nil
}

// conditionText returns the text of a condition's value for a column.
func conditionText(field *schema.Field, value any) (string, error) {
	if id, ok := value.(ID); ok {
		texts, err := id.Texts([]*schema.Field{field})
		if err != nil {
			return "", err
		}
		return texts[0], nil
	}
	text, _ := textOf(reflect.ValueOf(value))
	if strings.ContainsRune(text, 0) {
		return "", badInput("a text has the character U+0000, which cannot be stored")
	}
	return text, nil
}
