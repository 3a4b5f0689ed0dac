package rows

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
)

// A cursor is a place in an ordering: the values of the columns in a row's place. It stays where it is whatever is written,
// even if its row is deleted. It is base64url of a JSON array: the ordering's mark, then the text of each column or null.

// maxCursor bounds a cursor in bytes. It has the values of indexed columns, which take at most 2,704 bytes in a B-tree.
const maxCursor = 16 << 10

// cursorOf returns the cursor of a row, a pointer to a struct.
func (o marked) cursorOf(row reflect.Value) string {
	parts := make([]*string, 1, len(o.ordering)+1)
	parts[0] = &o.mark
	for _, t := range o.ordering {
		var part *string
		if text, ok := textOf(t.field.Value(row.Elem())); ok {
			part = &text
		}
		parts = append(parts, part)
	}
	text, _ := json.Marshal(parts) // strings have no error
	return base64.RawURLEncoding.EncodeToString(text)
}

// place returns the values in a cursor of this ordering. Nil is NULL.
func (o marked) place(cursor string) ([]*string, error) {
	var parts []*string
	if len(cursor) > maxCursor {
		return nil, badInput("this is not a cursor of this list")
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || json.Unmarshal(text, &parts) != nil || len(parts) == 0 || parts[0] == nil {
		return nil, badInput("this is not a cursor of this list")
	}
	if *parts[0] != o.mark || len(parts) != len(o.ordering)+1 {
		return nil, badInput("this is a cursor of another list or another order: send it with the order that it was given for")
	}
	for i, part := range parts[1:] {
		if part == nil && !o.ordering[i].nullable || part != nil && strings.ContainsRune(*part, 0) {
			return nil, badInput("this is not a cursor of this list")
		}
	}
	return parts[1:], nil
}
