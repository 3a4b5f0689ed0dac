package endpoint

import (
	"io"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
)

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
	id, err := uuid.Parse(text)
	if !ok || len(text) != 36 || err != nil {
		return uuid.Nil, badInput("an id is a UUID such as 123e4567-e89b-12d3-a456-426614174000")
	}
	return id, nil
}
