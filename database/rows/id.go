package rows

import (
	"encoding/hex"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/uptrace/bun/schema"
)

// ID is an argument of the GraphQL type ID, for a key of any type. One, Update and Delete decode it by the key of their
// model, Key by a type. An id that the key's type cannot have is an InputError.
//
// The id of a key of one column is the column's text. That of a composite key is opaque: a version and the hexadecimal
// texts of the columns, as in "1.3432.7832". SQL writes it as '1.' || encode(convert_to(a::text, 'UTF8'), 'hex') || '.' || ….
type ID string

// idVersion begins the ids of composite keys.
const idVersion = "1."

// MarshalGQL implements graphql.Marshaler.
func (id ID) MarshalGQL(w io.Writer) { writeJSON(w, string(id)) }

// UnmarshalGQL implements graphql.Unmarshaler. It accepts a string or an integer (GraphQL, section 3.5.5).
func (id *ID) UnmarshalGQL(value any) error {
	if text, ok := value.(string); ok {
		*id = ID(text)
		return nil
	}
	number, ok := wholeNumber(value)
	if !ok {
		return badInput("an id is a string or a whole number")
	}
	*id = ID(strconv.FormatInt(number, 10))
	return nil
}

// Key decodes the id of a key of one column.
func Key[K int64 | int32 | int16 | string | uuid.UUID](id ID) (key K, err error) {
	if _, err := checkText(reflect.TypeFor[K](), string(id)); err != nil {
		return key, badID(err)
	}
	switch key := any(&key).(type) {
	case *uuid.UUID:
		*key, err = ParseUUID(string(id))
	case *string:
		*key = string(id)
	default:
		var number int64
		number, err = strconv.ParseInt(string(id), 10, 64)
		reflect.ValueOf(key).Elem().SetInt(number)
	}
	return key, err
}

// KeyOf returns the id of a row, from the fields with the tag pk of a bun model.
func KeyOf[T any](row *T) ID {
	table := tableOf[T]()
	return idOf(table.PKs, reflect.ValueOf(row).Elem())
}

func idOf(keys []*schema.Field, row reflect.Value) ID {
	if len(keys) == 1 {
		text, _ := textOf(keys[0].Value(row))
		return ID(text)
	}
	parts := make([]string, len(keys))
	for i, key := range keys {
		text, _ := textOf(key.Value(row))
		parts[i] = hex.EncodeToString([]byte(text))
	}
	return ID(idVersion + strings.Join(parts, "."))
}

// Texts returns the texts of a key's columns, as PostgreSQL writes them.
func (id ID) Texts(keys []*schema.Field) ([]string, error) {
	parts := []string{string(id)}
	if len(keys) > 1 {
		rest, ok := strings.CutPrefix(string(id), idVersion)
		if parts = strings.Split(rest, "."); !ok || len(parts) != len(keys) {
			return nil, badInput("%q is not an id of this type", short(string(id)))
		}
		for i, part := range parts {
			text, err := hex.DecodeString(part)
			if err != nil {
				return nil, badInput("%q is not an id of this type", short(string(id)))
			}
			parts[i] = string(text)
		}
	}
	for i, key := range keys {
		text, err := checkText(key.StructField.Type, parts[i])
		if err != nil {
			return nil, badID(err)
		}
		parts[i] = text
	}
	return parts, nil
}

func badID(err error) error { return badInput("an id is not acceptable: %s", err) }
