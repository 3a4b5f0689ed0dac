package rowjson

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"reflect"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/database/rows"
)

// leaf appends a value that is no object. It is not ok if GraphQL does not have the value.
type leaf func(to []byte, value reflect.Value) (text []byte, ok bool)

// leafOf returns how values of a Go type are written: by their own method, or as gqlgen's and the engine's functions write
// them.
func leafOf(scalar *ast.Definition, typ reflect.Type) leaf {
	if reflect.PointerTo(typ).Implements(reflect.TypeFor[graphql.Marshaler]()) {
		return func(to []byte, value reflect.Value) ([]byte, bool) {
			w := appender{to}
			marshaler, ok := value.Addr().Interface().(graphql.Marshaler)
			if ok {
				marshaler.MarshalGQL(&w)
			}
			return w.text, ok
		}
	}
	return leaves[leafKey{scalar.Name, typ}]
}

type leafKey struct {
	scalar string
	typ    reflect.Type
}

var leaves = map[leafKey]leaf{
	{"String", reflect.TypeFor[string]()}:        appendString,
	{"ID", reflect.TypeFor[string]()}:            appendString,
	{"Boolean", reflect.TypeFor[bool]()}:         appendBool,
	{"Int", reflect.TypeFor[int]()}:              appendInt,
	{"Int", reflect.TypeFor[int16]()}:            appendInt,
	{"Int", reflect.TypeFor[int32]()}:            appendInt,
	{"Int", reflect.TypeFor[int64]()}:            appendInt,
	{"Float", reflect.TypeFor[float64]()}:        appendFloat,
	{"ID", reflect.TypeFor[int16]()}:             appendQuotedInt,
	{"ID", reflect.TypeFor[int32]()}:             appendQuotedInt,
	{"ID", reflect.TypeFor[int64]()}:             appendQuotedInt,
	{"BigInt", reflect.TypeFor[int64]()}:         appendQuotedInt,
	{"ID", reflect.TypeFor[uuid.UUID]()}:         appendUUID,
	{"UUID", reflect.TypeFor[uuid.UUID]()}:       appendUUID,
	{"DateTime", reflect.TypeFor[time.Time]()}:   appendTime,
	{"JSON", reflect.TypeFor[json.RawMessage]()}: appendJSON,
}

// appender is an io.Writer that appends to a slice.
type appender struct{ text []byte }

func (a *appender) Write(text []byte) (int, error) {
	a.text = append(a.text, text...)
	return len(text), nil
}

func (a *appender) WriteString(text string) (int, error) {
	a.text = append(a.text, text...)
	return len(text), nil
}

var _ io.StringWriter = new(appender)

// appendString escapes what gqlgen escapes.
func appendString(to []byte, value reflect.Value) ([]byte, bool) {
	text, start := value.String(), 0
	to = append(to, '"')
	for i := range len(text) {
		c := text[i]
		if c >= 0x20 && c != '\\' && c != '"' {
			continue
		}
		to = append(to, text[start:i]...)
		start = i + 1
		switch c {
		case '\t':
			to = append(to, `\t`...)
		case '\r':
			to = append(to, `\r`...)
		case '\n':
			to = append(to, `\n`...)
		case '\\', '"':
			to = append(to, '\\', c)
		default:
			const digits = "0123456789ABCDEF"
			to = append(to, '\\', 'u', '0', '0', digits[c>>4], digits[c&0xf])
		}
	}
	return append(append(to, text[start:]...), '"'), true
}

func appendBool(to []byte, value reflect.Value) ([]byte, bool) {
	return strconv.AppendBool(to, value.Bool()), true
}

func appendInt(to []byte, value reflect.Value) ([]byte, bool) {
	return strconv.AppendInt(to, value.Int(), 10), true
}

func appendQuotedInt(to []byte, value reflect.Value) ([]byte, bool) {
	return append(strconv.AppendInt(append(to, '"'), value.Int(), 10), '"'), true
}

func appendFloat(to []byte, value reflect.Value) ([]byte, bool) {
	number := value.Float()
	return strconv.AppendFloat(to, number, 'g', -1, 64), !math.IsInf(number, 0) && !math.IsNaN(number)
}

func appendUUID(to []byte, value reflect.Value) ([]byte, bool) {
	text, _ := value.Addr().Interface().(*uuid.UUID).MarshalText()
	return append(append(append(to, '"'), text...), '"'), true
}

func appendTime(to []byte, value reflect.Value) ([]byte, bool) {
	return append(rows.AppendTime(append(to, '"'), *value.Addr().Interface().(*time.Time)), '"'), true
}

func appendJSON(to []byte, value reflect.Value) ([]byte, bool) {
	var compact bytes.Buffer
	if json.Compact(&compact, value.Bytes()) != nil {
		return append(to, "null"...), true
	}
	return append(to, compact.Bytes()...), true
}
