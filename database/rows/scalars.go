package rows

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// Date is a day of the proleptic Gregorian calendar, as PostgreSQL writes it: 2026-11-29, "infinity" or "-infinity". Days
// before the year 1 and after 9999 can be read, but are not accepted from clients.
type Date string

// Scan implements sql.Scanner.
func (d *Date) Scan(value any) error {
	switch value := value.(type) {
	case time.Time:
		*d = Date(value.Format(time.DateOnly))
	case string:
		*d = Date(value)
	default:
		return fmt.Errorf("%T is not a date", value)
	}
	return nil
}

// Value implements driver.Valuer.
func (d Date) Value() (driver.Value, error) { return string(d), nil }

// MarshalGQL implements graphql.Marshaler.
func (d Date) MarshalGQL(w io.Writer) { writeJSON(w, string(d)) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (d *Date) UnmarshalGQL(value any) error {
	return unmarshalText(d, value, "a day such as 2026-11-29")
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Date) UnmarshalText(text []byte) error {
	*d = Date(text)
	if t, err := time.Parse(time.DateOnly, string(text)); err == nil && t.Year() > 0 || isInfinity(string(text)) {
		return nil
	}
	return badInput("%q is not a day such as 2026-11-29", short(string(text)))
}

// Decimal is a number of PostgreSQL's type numeric, with all its digits: -1.50, or "NaN", "Infinity", "-Infinity".
type Decimal string

// Scan implements sql.Scanner.
func (d *Decimal) Scan(value any) error {
	text, ok := value.(string)
	if *d = Decimal(text); !ok {
		return fmt.Errorf("%T is not a numeric", value)
	}
	return nil
}

// Value implements driver.Valuer.
func (d Decimal) Value() (driver.Value, error) { return string(d), nil }

// MarshalGQL implements graphql.Marshaler.
func (d Decimal) MarshalGQL(w io.Writer) { writeJSON(w, string(d)) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (d *Decimal) UnmarshalGQL(value any) error {
	if number, ok := wholeNumber(value); ok {
		value = fmt.Sprint(number)
	}
	return unmarshalText(d, value, "a string with a decimal number")
}

// decimals match the digits of a number. Their number is bounded: PostgreSQL would accept 131,072 of them, or 1e131071.
var decimals = regexp.MustCompile(`^-?[0-9]{1,500}(\.[0-9]{1,500})?$`)

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Decimal) UnmarshalText(text []byte) error {
	*d = Decimal(text)
	if decimals.Match(text) || *d == "NaN" || *d == "Infinity" || *d == "-Infinity" {
		return nil
	}
	return badInput("%q is not a decimal number such as -1.50", short(string(text)))
}

// Enum is a value of a PostgreSQL enum whose labels are in lower case: GraphQL has them in capitals, in_progress as
// IN_PROGRESS. A table's own type is an alias: type Mood = rows.Enum.
type Enum string

// MarshalGQL implements graphql.Marshaler.
func (e Enum) MarshalGQL(w io.Writer) { writeJSON(w, strings.ToUpper(string(e))) }

// UnmarshalGQL implements graphql.Unmarshaler. The schema's validation has checked that the enum has the value.
func (e *Enum) UnmarshalGQL(value any) error {
	text, ok := value.(string)
	if *e = Enum(strings.ToLower(text)); !ok {
		return badInput("a value of an enum is its name")
	}
	return nil
}

// EnumNames are the names in GraphQL of an enum's labels, where they are not the labels in capitals: X_LARGE for "extra
// large". A type of the table's own has them: type Size string, with MarshalGQL and UnmarshalGQL that call these.
type EnumNames[T ~string] map[T]string

// MarshalGQL writes the name of a label.
func (names EnumNames[T]) MarshalGQL(w io.Writer, label T) {
	name, ok := names[label]
	if !ok {
		name = strings.ToUpper(string(label)) // the schema does not have it either, which usergraph check says
	}
	writeJSON(w, name)
}

// UnmarshalGQL returns the label of a name. The schema's validation has checked that the enum has it.
func (names EnumNames[T]) UnmarshalGQL(value any) (T, error) {
	for label, name := range names {
		if name == value {
			return label, nil
		}
	}
	return "", badInput("a value of an enum is its name")
}

type textUnmarshaler interface{ UnmarshalText([]byte) error }

func unmarshalText(target textUnmarshaler, value any, want string) error {
	text, ok := value.(string)
	if !ok {
		return badInput("the value is not %s", want)
	}
	return target.UnmarshalText([]byte(text))
}

func writeJSON(w io.Writer, text string) {
	quoted, _ := json.Marshal(text) // a string has no error
	_, _ = w.Write(quoted)
}
