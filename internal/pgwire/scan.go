package pgwire

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"reflect"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// Result is what a query has returned, for a reader who needs no database/sql, which boxes and copies each value. It reads
// nothing of what database/sql was given, so that the rows of that can still be read.
type Result struct{ rows *rows }

type resultKey struct{}

// WithResult returns a context whose queries leave their result in r too, the last of them in the end.
func WithResult(ctx context.Context, r *Result) context.Context {
	return context.WithValue(ctx, resultKey{}, r)
}

// Columns returns the columns. There are none if no query has come to the driver.
func (r *Result) Columns() []Column {
	if r.rows == nil {
		return nil
	}
	return r.rows.columns
}

// Len returns the number of values in all rows.
func (r *Result) Len() int { return len(r.rows.ends) }

// Text returns PostgreSQL's text of a value; values are numbered row by row. It is not ok for NULL. The text shares the
// memory of the whole result.
func (r *Result) Text(i int) (text string, ok bool) { return r.rows.value(i) }

// Value returns a value that is not NULL as database/sql hands it on.
func (r *Result) Value(column int, text string) (driver.Value, error) {
	value, err := parse(r.rows.columns[column].OID, text)
	if s, ok := value.(string); ok {
		value = r.rows.own(s)
	}
	return value, err
}

// Decoder sets dest, which can be set, to a value that is not NULL.
type Decoder func(r *Result, dest reflect.Value, text string) error

// DecoderOf returns the decoder for values of a type of PostgreSQL's in a Go type, or a pointer to one: it sets what bun sets
// from the value that database/sql hands on. It is nil for all but plain types.
func DecoderOf(typ reflect.Type, oid uint32) Decoder {
	if typ.Kind() == reflect.Pointer {
		decode := plainDecoder(typ.Elem(), oid)
		if decode == nil {
			return nil
		}
		return func(r *Result, dest reflect.Value, text string) error {
			pointer := reflect.New(typ.Elem())
			dest.Set(pointer)
			return decode(r, pointer.Elem(), text)
		}
	}
	return plainDecoder(typ, oid)
}

func plainDecoder(typ reflect.Type, oid uint32) Decoder {
	switch {
	case typ == reflect.TypeFor[time.Time]() && oid == pgtype.TimestamptzOID:
		return func(_ *Result, dest reflect.Value, text string) (err error) {
			*dest.Addr().Interface().(*time.Time), err = parseZoned(text)
			return err
		}
	case typ == reflect.TypeFor[uuid.UUID]() && oid == pgtype.UUIDOID:
		return func(_ *Result, dest reflect.Value, text string) (err error) {
			*dest.Addr().Interface().(*uuid.UUID), err = uuid.Parse(text)
			return err
		}
	case typ == reflect.TypeFor[json.RawMessage]() && (oid == pgtype.JSONOID || oid == pgtype.JSONBOID):
		return func(_ *Result, dest reflect.Value, text string) error {
			dest.SetBytes([]byte(text))
			return nil
		}
	case reflect.PointerTo(typ).Implements(reflect.TypeFor[sql.Scanner]()):
		return nil
	}
	kinds, special := kindsOf[oid]
	if !special {
		kinds = texts
	}
	return kinds[typ.Kind()]
}

// The kinds of Go that hold values of a type of PostgreSQL's. Types that parse does not name are texts.
var (
	ints    = kindDecoders(decodeInt, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64)
	floats  = kindDecoders(decodeFloat, reflect.Float32, reflect.Float64)
	texts   = kindDecoders(decodeText, reflect.String)
	kindsOf = map[uint32]map[reflect.Kind]Decoder{
		pgtype.BoolOID: kindDecoders(decodeBool, reflect.Bool),
		pgtype.Int2OID: ints, pgtype.Int4OID: ints, pgtype.Int8OID: ints,
		pgtype.Float8OID: floats,
		// Values of these are no texts for bun, or come into no plain type.
		pgtype.OIDOID: nil, pgtype.XIDOID: nil, pgtype.CIDOID: nil, pgtype.Float4OID: nil, pgtype.JSONOID: nil, pgtype.JSONBOID: nil,
		pgtype.XMLOID: nil, pgtype.ByteaOID: nil, pgtype.DateOID: nil, pgtype.TimestampOID: nil, pgtype.TimestamptzOID: nil,
	}
)

func kindDecoders(decode Decoder, kinds ...reflect.Kind) map[reflect.Kind]Decoder {
	all := map[reflect.Kind]Decoder{}
	for _, kind := range kinds {
		all[kind] = decode
	}
	return all
}

func decodeBool(_ *Result, dest reflect.Value, text string) error {
	dest.SetBool(text == "t")
	return nil
}

func decodeInt(_ *Result, dest reflect.Value, text string) error {
	number, err := strconv.ParseInt(text, 10, 64)
	dest.SetInt(number)
	return err
}

func decodeFloat(_ *Result, dest reflect.Value, text string) error {
	number, err := strconv.ParseFloat(text, 64)
	dest.SetFloat(number)
	return err
}

func decodeText(r *Result, dest reflect.Value, text string) error {
	dest.SetString(r.rows.own(text))
	return nil
}
