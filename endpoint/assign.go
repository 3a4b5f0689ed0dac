package endpoint

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/google/uuid"

	"usergraph/database/rows"
)

// Assign copies the fields that a generated input has into the fields of a bun model with the same Go names, and returns
// the names of their columns. A field of the input that is absent is left out. The errors are for the client: null for a
// column that is not nullable, an id that the column's type cannot have, a number beyond it.
func Assign(row, input any) (columns []string, err error) {
	target, source := reflect.ValueOf(row).Elem(), reflect.ValueOf(input)
	for i := range source.NumField() {
		field := source.Type().Field(i)
		value, given := valueOf(source.Field(i))
		if !given {
			continue
		}
		column, ok := target.Type().FieldByName(field.Name)
		name, _, _ := strings.Cut(column.Tag.Get("bun"), ",")
		if !ok || name == "" {
			return nil, fmt.Errorf("%s has no column for %s.%s", target.Type(), source.Type(), field.Name)
		}
		if err := assign(target.FieldByIndex(column.Index), value); err != nil {
			var bad *rows.InputError
			if errors.As(err, &bad) {
				shown, _, _ := strings.Cut(field.Tag.Get("json"), ",")
				err = badInput("%s: %s", shown, bad.Message)
			}
			return nil, err
		}
		columns = append(columns, name)
	}
	return columns, nil
}

// valueOf returns the value of an input's field: of a graphql.Omittable, if it is given.
func valueOf(field reflect.Value) (value reflect.Value, given bool) {
	if method := field.MethodByName("ValueOK"); method.IsValid() {
		results := method.Call(nil)
		return results[0], results[1].Bool()
	}
	return field, true
}

func assign(target, value reflect.Value) error {
	if value.Kind() == reflect.Pointer {
		if value.IsNil() {
			if target.Kind() != reflect.Pointer {
				return &rows.InputError{Message: "it cannot be null"}
			}
			target.SetZero()
			return nil
		}
		value = value.Elem()
	}
	if target.Kind() == reflect.Pointer {
		target.Set(reflect.New(target.Type().Elem()))
		target = target.Elem()
	}
	switch id, isID := value.Interface().(rows.ID); {
	case isID:
		return assignKey(target, id)
	case value.Type() == target.Type():
		target.Set(value)
	case value.Kind() == reflect.Slice && target.Kind() == reflect.Slice && !value.IsNil():
		target.Set(reflect.MakeSlice(target.Type(), value.Len(), value.Len()))
		for i := range value.Len() {
			if err := assign(target.Index(i), value.Index(i)); err != nil {
				return err
			}
		}
	case value.Kind() == reflect.Slice && target.Kind() == reflect.Slice:
		target.SetZero()
	case value.CanInt() && target.CanInt() && !target.OverflowInt(value.Int()):
		target.SetInt(value.Int())
	case value.CanInt() && target.CanInt():
		return &rows.InputError{Message: fmt.Sprintf("%d is beyond its range", value.Int())}
	case value.CanFloat() && target.CanFloat():
		target.SetFloat(value.Float())
	case value.Kind() == reflect.String && target.Kind() == reflect.String:
		target.SetString(value.String())
	default:
		return fmt.Errorf("a %s cannot be a %s", value.Type(), target.Type())
	}
	return nil
}

// assignKey decodes an id as the type of a column that references a key.
func assignKey(target reflect.Value, id rows.ID) (err error) {
	var key any
	switch target.Interface().(type) {
	case int64:
		key, err = rows.Key[int64](id)
	case int32:
		key, err = rows.Key[int32](id)
	case int16:
		key, err = rows.Key[int16](id)
	case uuid.UUID:
		key, err = rows.Key[uuid.UUID](id)
	case string:
		key, err = rows.Key[string](id)
	default:
		err = fmt.Errorf("%s is not the type of a key", target.Type())
	}
	if err == nil {
		target.Set(reflect.ValueOf(key))
	}
	return err
}
