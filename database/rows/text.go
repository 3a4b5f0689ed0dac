package rows

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Statements get values as text, and PostgreSQL takes the type from the column: so the text of a statement is the same
// for all values, and PostgreSQL plans it once. Ids and cursors have the same texts.

// textOf returns the text of a field's value. A nil pointer is NULL: ok is false.
func textOf(value reflect.Value) (text string, ok bool) {
	if value.Kind() == reflect.Pointer {
		if value.IsNil() {
			return "", false
		}
		value = value.Elem()
	}
	if value.Type().NumMethod() > 0 {
		switch v := value.Interface().(type) {
		case time.Time:
			return sqlTime(v), true
		case encoding.TextMarshaler:
			text, err := v.MarshalText()
			return string(text), err == nil
		}
	}
	switch value.Kind() {
	case reflect.Int, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(value.Int(), 10), true
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(value.Float(), 'g', -1, value.Type().Bits()), true
	case reflect.Bool:
		return strconv.FormatBool(value.Bool()), true
	case reflect.String:
		return value.String(), true
	}
	return "", false
}

// checkText returns the canonical text of a value of a type, or an error for the client.
func checkText(typ reflect.Type, text string) (string, error) {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	value := reflect.New(typ)
	switch v := value.Interface().(type) {
	case *time.Time:
		t, err := ParseTime(text)
		return sqlTime(t), err
	case *uuid.UUID:
		id, err := ParseUUID(text)
		return id.String(), err
	case encoding.TextUnmarshaler:
		if err := v.UnmarshalText([]byte(text)); err != nil {
			return "", err
		}
		return text, nil
	}
	switch typ.Kind() {
	case reflect.Int, reflect.Int16, reflect.Int32, reflect.Int64:
		_, err := parseInt(text, typ.Bits())
		return text, err
	case reflect.Float32, reflect.Float64:
		if _, err := strconv.ParseFloat(text, typ.Bits()); err != nil {
			return "", badInput("%q is not a number", short(text))
		}
		return text, nil
	case reflect.Bool:
		if text != "true" && text != "false" {
			return "", badInput("%q is not true or false", short(text))
		}
		return text, nil
	case reflect.String:
		if strings.ContainsRune(text, 0) {
			return "", badInput("a text has the character U+0000, which cannot be stored")
		}
		return text, nil
	}
	return "", badInput("values of the type %s cannot be compared", typ)
}

// parseInt reads an integer in its only form: no plus, no leading zeros, no spaces.
func parseInt(text string, bits int) (int64, error) {
	number, err := strconv.ParseInt(text, 10, bits)
	if err != nil || strconv.FormatInt(number, 10) != text {
		return 0, badInput("%q is not a whole number of %d bits, such as 42", short(text), bits)
	}
	return number, nil
}

// ParseUUID reads a UUID in its canonical form of 36 characters. It accepts no braces, prefix or spaces.
func ParseUUID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if len(text) != 36 || err != nil {
		return uuid.Nil, badInput("%q is not a UUID such as 123e4567-e89b-12d3-a456-426614174000", short(text))
	}
	return id, nil
}

// timeLayout has microseconds, as PostgreSQL does.
const timeLayout = "-01-02T15:04:05.000000Z"

// FormatTime returns an instant in UTC with microseconds, such as 2026-11-29T10:24:00.000000Z. Years before 0 and after
// 9999 have a sign and six digits, as in JavaScript. Times beyond PostgreSQL's are "infinity" and "-infinity".
func FormatTime(t time.Time) string { return string(AppendTime(nil, t)) }

// AppendTime appends what FormatTime returns.
func AppendTime(to []byte, t time.Time) []byte {
	t = t.UTC()
	switch year := t.Year(); {
	case year > lastYear:
		return append(to, "infinity"...)
	case year < firstYear:
		return append(to, "-infinity"...)
	case year < 0 || year > 9999:
		return t.AppendFormat(fmt.Appendf(to, "%+07d", year), timeLayout)
	default:
		return appendUsual(to, t)
	}
}

// appendUsual appends an instant of the years 0 to 9999 with four digits for the year. AppendFormat takes three times as long.
func appendUsual(to []byte, t time.Time) []byte {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	to = append(appendDigits(to, year, 4), '-')
	to = append(appendDigits(to, int(month), 2), '-')
	to = append(appendDigits(to, day, 2), 'T')
	to = append(appendDigits(to, hour, 2), ':')
	to = append(appendDigits(to, minute, 2), ':')
	to = append(appendDigits(to, second, 2), '.')
	return append(appendDigits(to, t.Nanosecond()/1000, 6), 'Z')
}

// appendDigits appends a number with leading zeros.
func appendDigits(to []byte, number, digits int) []byte {
	to = append(to, "000000"[:digits]...)
	for i := len(to) - 1; number > 0; i-- {
		to[i] = byte('0' + number%10)
		number /= 10
	}
	return to
}

// firstYear and lastYear are the years of PostgreSQL's timestamps: 4713 BC is the year -4712. The driver reads infinity as
// a time beyond them. https://www.postgresql.org/docs/current/datatype-datetime.html
const (
	firstYear = -4712
	lastYear  = 294276
)

// ParseTime reads an instant of RFC 3339 with any offset, "infinity" or "-infinity". Digits after the microseconds are cut
// off.
func ParseTime(text string) (time.Time, error) {
	switch text {
	case "infinity":
		return time.Date(lastYear+1, 1, 1, 0, 0, 0, 0, time.UTC), nil
	case "-infinity":
		return time.Date(firstYear-1, 1, 1, 0, 0, 0, 0, time.UTC), nil
	}
	t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(text))
	if t = t.UTC(); err != nil || strings.ContainsRune(text, ',') || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, badInput("%q is not an instant of RFC 3339 such as 2026-11-29T10:24:00Z", short(text))
	}
	return t.Truncate(time.Microsecond), nil
}

func isInfinity(text string) bool { return text == "infinity" || text == "-infinity" }

// sqlTime returns an instant as PostgreSQL reads it.
func sqlTime(t time.Time) string {
	t = t.UTC()
	switch year := t.Year(); {
	case year > lastYear:
		return "infinity"
	case year < firstYear:
		return "-infinity"
	case year < 1:
		return fmt.Sprintf("%04d%s BC", 1-year, t.Format(timeLayout))
	case year > 9999:
		return strconv.Itoa(year) + t.Format(timeLayout)
	default:
		return string(appendUsual(nil, t))
	}
}

// arrayOf returns a PostgreSQL array literal of texts. https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
func arrayOf(texts []string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, text := range texts {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		arrayEscapes.WriteString(&b, text)
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}

var arrayEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// maxQuoted bounds what an error quotes of a value, in characters.
const maxQuoted = 40

func short(text string) string {
	if runes := []rune(text[:min(len(text), 4*maxQuoted)]); len(runes) > maxQuoted {
		return string(runes[:maxQuoted]) + "…"
	}
	return text
}

// wholeNumber returns a number of a variable or a literal as an integer.
func wholeNumber(value any) (int64, bool) {
	switch value := value.(type) {
	case int64:
		return value, true
	case int:
		return int64(value), true
	case float64:
		if value == math.Trunc(value) && math.Abs(value) < 1<<53 {
			return int64(value), true
		}
	}
	return 0, false
}
