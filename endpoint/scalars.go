package endpoint

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"usergraph/database/rows"
)

// The scalars whose Go types are those of the standard library and of google/uuid. gqlgen.yml binds them; package rows has
// the others.

// MarshalUUID writes a UUID in its canonical form (RFC 9562, section 4).
func MarshalUUID(id uuid.UUID) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		var quoted [38]byte
		quoted[0], quoted[37] = '"', '"'
		text, _ := id.MarshalText()
		copy(quoted[1:], text)
		_, _ = w.Write(quoted[:])
	})
}

// UnmarshalUUID reads a UUID in its canonical form of 36 characters. It accepts no braces, prefix or spaces.
func UnmarshalUUID(value any) (uuid.UUID, error) {
	text, ok := value.(string)
	if !ok {
		return uuid.Nil, badValue("the value is not a string with a UUID")
	}
	return rows.ParseUUID(text)
}

// MarshalBigInt writes an integer as a string: JavaScript's numbers have 53 bits.
func MarshalBigInt(number int64) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		var quoted [22]byte
		_, _ = w.Write(append(strconv.AppendInt(append(quoted[:0], '"'), number, 10), '"'))
	})
}

// UnmarshalBigInt reads an integer of 64 bits: a string, or a number that is one.
func UnmarshalBigInt(value any) (int64, error) { return rows.UnmarshalBigInt(value) }

// MarshalIntID writes the id of a key of 32 bits.
func MarshalIntID(id int32) graphql.Marshaler { return MarshalBigInt(int64(id)) }

// UnmarshalIntID reads an id. gqlgen asks for it: arguments and inputs have the type rows.ID.
func UnmarshalIntID(value any) (int32, error) { return idOf[int32](value) }

// MarshalSmallIntID writes the id of a key of 16 bits.
func MarshalSmallIntID(id int16) graphql.Marshaler { return MarshalBigInt(int64(id)) }

// UnmarshalSmallIntID reads an id, as UnmarshalIntID does.
func UnmarshalSmallIntID(value any) (int16, error) { return idOf[int16](value) }

func idOf[K int32 | int16](value any) (K, error) {
	var id rows.ID
	if err := id.UnmarshalGQL(value); err != nil {
		return 0, err
	}
	return rows.Key[K](id)
}

// MarshalDateTime writes an instant in UTC with microseconds.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = io.WriteString(w, `"`+rows.FormatTime(t)+`"`)
	})
}

// UnmarshalDateTime reads an instant of RFC 3339, with any offset.
func UnmarshalDateTime(value any) (time.Time, error) {
	text, ok := value.(string)
	if !ok {
		return time.Time{}, badValue("the value is not a string with an instant such as 2026-11-29T10:24:00Z")
	}
	return rows.ParseTime(text)
}

// MarshalJSON writes a JSON value. Line breaks and spaces between its parts are left out: an event stream ends a message
// at a line break.
func MarshalJSON(value json.RawMessage) graphql.Marshaler {
	if value == nil {
		return graphql.Null
	}
	return graphql.WriterFunc(func(w io.Writer) {
		var compact bytes.Buffer
		if json.Compact(&compact, value) != nil {
			compact.Reset()
			compact.WriteString("null") // PostgreSQL's json is valid
		}
		_, _ = compact.WriteTo(w)
	})
}

// UnmarshalJSON reads any value of a document or a variable.
func UnmarshalJSON(value any) (json.RawMessage, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, badValue("the value is not JSON")
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// badValue returns an error to which the path of the value is added.
func badValue(message string) error { return &rows.InputError{Message: message} }
