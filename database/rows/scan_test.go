package rows_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/database/rows"
	"usergraph/internal/pgtest"
)

// picky is a type that reads itself, and does not like everything.
type picky struct{ read string }

func (p *picky) Scan(value any) error {
	if p.read = fmt.Sprintf("%T %[1]v", value); strings.Contains(p.read, "a") {
		return errors.New("no a, please")
	}
	return nil
}

type inner struct {
	Text  string `bun:"text"`
	Whole *int64 `bun:"whole"`
}

// anything has fields of all kinds.
type anything struct {
	bun.BaseModel `bun:"table:anything,alias:x"`

	Bool      bool             `bun:"bool"`
	BoolP     *bool            `bun:"bool_p"`
	Int       int              `bun:"int"`
	Int8      int8             `bun:"int8"`
	Int16     int16            `bun:"int16"`
	Int32     *int32           `bun:"int32"`
	Int64     int64            `bun:"int64,pk"`
	Int64P    *int64           `bun:"int64_p"`
	Uint32    uint32           `bun:"uint32"`
	Float32   float32          `bun:"float32"`
	Float64   float64          `bun:"float64,nullzero"`
	Float64P  *float64         `bun:"float64_p"`
	Text      string           `bun:"text"`
	TextP     *string          `bun:"text_p"`
	TextPP    **string         `bun:"text_pp"`
	Enum      rows.Enum        `bun:"enum"`
	EnumP     *rows.Enum       `bun:"enum_p"`
	Decimal   *rows.Decimal    `bun:"decimal"`
	Date      *rows.Date       `bun:"date"`
	Day       time.Time        `bun:"day,type:date"`
	Time      time.Time        `bun:"time"`
	TimeP     *time.Time       `bun:"time_p"`
	UUID      uuid.UUID        `bun:"uuid,type:uuid"`
	UUIDP     *uuid.UUID       `bun:"uuid_p"`
	Raw       json.RawMessage  `bun:"raw"`
	RawP      *json.RawMessage `bun:"raw_p"`
	Bytes     []byte           `bun:"bytes"`
	Object    map[string]any   `bun:"object"`
	Struct    *inner           `bun:"struct,type:jsonb"`
	Any       any              `bun:"any"`
	Null      sql.NullString   `bun:"null"`
	Picky     picky            `bun:"picky"`
	Texts     []string         `bun:"texts,array"`
	Numbers   []int64          `bun:"numbers,array"`
	NoArray   string           `bun:"no_array,array"`
	NotText   string           `bun:"not_text,type:hstore"`
	Packed    string           `bun:"packed,msgpack"`
	Embedded  inner            `bun:"embed:a_"`
	EmbeddedP *inner           `bun:"embed:b_"`
}

// values are SQL of values by type.
var values = map[string][]string{
	"bool":        {"true", "false"},
	"int2":        {"-32768", "0", "32767"},
	"int4":        {"-2147483648", "1", "2147483647"},
	"int8":        {"-9223372036854775808", "42", "9223372036854775807"},
	"oid":         {"0", "4294967295"},
	"float4":      {"'NaN'", "'-Infinity'", "0.1", "'1e38'", "16777217", "-0"},
	"float8":      {"'NaN'", "'Infinity'", "0.1", "'-1e300'", "5e-324", "'-0'"},
	"numeric":     {"'NaN'", "1e40", "-0.10", "42"},
	"text":        {"''", "'a'", "'42'", "'true'", "'NaN'", "'{a,b}'", "'{\"a\":1}'", "'2026-01-01'", "E'\\x01 ä\\n'", "repeat('x', 3000)", "repeat('y', 70000)"},
	"varchar":     {"''", "'b'"},
	"char(3)":     {"''", "'b'"},
	"name":        {"'b'"},
	"uuid":        {"'00000000-0000-0000-0000-000000000000'", "'FFFFFFFF-0000-4000-8000-000000000001'"},
	"timestamptz": {"'infinity'", "'-infinity'", "'2026-01-01 00:00:00.123456+00'", "'1970-01-01 23:59:59.5+14'", "'0044-03-15 00:00+00 BC'", "'12000-02-29 00:00+00'", "'0001-01-01 00:00+00'", "'1890-01-01 00:00+00'"},
	"timestamp":   {"'infinity'", "'-infinity'", "'2026-01-01 00:00:00.1'", "'0044-03-15 BC'", "'12000-02-29'"},
	"date":        {"'infinity'", "'-infinity'", "'2026-01-01'", "'0044-03-15 BC'", "'12000-02-29'"},
	"time":        {"'24:00'", "'10:24:00.5'"},
	"interval":    {"'1 year 2 days'"},
	"json":        {"'null'", "'{}'", "'{\"b\": 1, \"Text\": \"x\"}'", "'[1,  2]'", "'\"t\"'"},
	"jsonb":       {"'null'", "'{}'", "'{\"b\": 1}'", "'1e3'"},
	"bytea":       {"''", "'\\x00ff'"},
	"xml":         {"'<b/>'"},
	"text[]":      {"'{}'", "'{b,NULL,\"c d\"}'"},
	"int8[]":      {"'{}'", "'{1,-2}'"},
	"inet":        {"'10.0.0.1/8'"},
	"mood":        {"'sad'", "'happy'"},
	"\"char\"":    {"'b'", "''"},
	"bit(3)":      {"'101'"},
	// Some values of a type: what is behind the space is no part of the type.
	"jsonb object": {"'{}'", "'{\"b\": 1, \"Text\": \"x\"}'"},
	"date usual":   {"'2026-01-01'", "'0001-01-01'"},
	"text uuid":    {"'ffffffff-0000-4000-8000-000000000001'"},
}

// usual are the types of SQL whose values a Go type is made for.
var usual = map[reflect.Type][]string{
	reflect.TypeFor[bool](): {"bool"}, reflect.TypeFor[int](): {"int2", "int4", "int8"}, reflect.TypeFor[int8](): {"int2", "int4"}, reflect.TypeFor[int16](): {"int2", "int4"},
	reflect.TypeFor[int32](): {"int4", "int8"}, reflect.TypeFor[int64](): {"int2", "int4", "int8", "oid"}, reflect.TypeFor[uint32](): {"oid", "int4"},
	reflect.TypeFor[float32](): {"float4", "float8"}, reflect.TypeFor[float64](): {"float4", "float8", "numeric"},
	reflect.TypeFor[string]():  {"text", "varchar", "char(3)", "name", "int8", "numeric", "uuid", "interval", "timestamptz", "json", "xml", "inet", "mood", "\"char\"", "text[]", "bytea"},
	reflect.TypeFor[*string](): {"text"}, reflect.TypeFor[rows.Enum](): {"mood", "text"}, reflect.TypeFor[rows.Decimal](): {"numeric"}, reflect.TypeFor[rows.Date](): {"date"},
	reflect.TypeFor[time.Time](): {"timestamptz", "timestamptz", "timestamp", "date usual"}, reflect.TypeFor[uuid.UUID](): {"uuid", "text uuid"},
	reflect.TypeFor[json.RawMessage](): {"json", "jsonb", "text"}, reflect.TypeFor[[]byte](): {"bytea", "text", "json"}, reflect.TypeFor[map[string]any](): {"jsonb object"},
	reflect.TypeFor[inner](): {"jsonb object"}, reflect.TypeFor[any](): {"text", "int8", "bool"}, reflect.TypeFor[sql.NullString](): {"text", "int4", "timestamptz"},
	reflect.TypeFor[picky](): {"int8", "text uuid"}, reflect.TypeFor[[]string](): {"text[]"}, reflect.TypeFor[[]int64](): {"int8[]"},
}

func pick[T any](from []T) T { return from[rand.IntN(len(from))] }

// column returns SQL for the values of a column in some rows, mostly of a usual type: all of one type, a fifth of them null.
func column(typ reflect.Type, odd float64, count int) []string {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	of := pick(usual[typ])
	if rand.Float64() < odd {
		for of = range values { // any
			break
		}
	}
	name, _, _ := strings.Cut(of, " ")
	column := make([]string, count)
	for i := range column {
		column[i] = "cast(null as " + name + ")"
		if rand.IntN(5) > 0 {
			column[i] = "cast(" + pick(values[of]) + " as " + name + ")"
		}
	}
	return column
}

// randomQuery selects rows of random values, and sometimes a column that the model lacks.
func randomQuery(db bun.IDB, odd float64) *bun.SelectQuery {
	names, columns := []string{}, [][]string{}
	count := rand.IntN(4)
	add := func(name string, typ reflect.Type) {
		if rand.IntN(2) > 0 {
			names, columns = append(names, name), append(columns, column(typ, odd, max(count, 1)))
		}
	}
	var each func(prefix string, model reflect.Type)
	each = func(prefix string, model reflect.Type) {
		for _, field := range reflect.VisibleFields(model) {
			tag, _, _ := strings.Cut(field.Tag.Get("bun"), ",")
			if embedded, ok := strings.CutPrefix(tag, "embed:"); ok {
				each(embedded, reflect.TypeFor[inner]())
			} else if special := strings.Contains(field.Tag.Get("bun"), ",") && field.Type.Kind() == reflect.String; !field.Anonymous && (!special || rand.Float64() < odd) {
				add(prefix+tag, field.Type)
			}
		}
	}
	each("", reflect.TypeFor[anything]())
	if rand.Float64() < odd {
		add(pick([]string{"nowhere", "_ignored", "x__text", "text"}), reflect.TypeFor[string]())
	}
	rand.Shuffle(len(names), func(i, j int) {
		names[i], names[j], columns[i], columns[j] = names[j], names[i], columns[j], columns[i]
	})
	query := db.NewSelect().Model((*anything)(nil)).ModelTableExpr("generate_series(1, ?) AS n", bun.Safe(fmt.Sprint(count)))
	for i, name := range names {
		query.ColumnExpr("case n "+when(columns[i])+" end AS ?", bun.Ident(name))
	}
	if len(names) == 0 {
		query.ColumnExpr("1::int8 AS int64")
	}
	return query
}

func when(values []string) string {
	var b strings.Builder
	for i, value := range values {
		fmt.Fprintf(&b, "when %d then %s ", i+1, value)
	}
	return b.String()
}

// The rows, and the errors, are bun's: for columns of all types in fields of all types.
func TestScanIsBuns(t *testing.T) {
	pg := pgtest.New(t)
	pg.Exec(t, "create type mood as enum ('sad', 'happy')")
	db := open(t, pg)
	scans, decoded, failed := 1500, 0, 0
	if testing.Short() {
		scans = 300
	}
	for n := range scans {
		odd := 0.
		if n%2 == 0 {
			odd = 0.02
		}
		query := randomQuery(db, odd)
		var got, want []*anything
		wantErr := query.Clone().Scan(t.Context(), &want)
		fast, _, err := rows.Scan(t.Context(), query.Clone(), &got)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || err == nil && !same(reflect.ValueOf(got), reflect.ValueOf(want)) {
			t.Fatalf("%s\nread %s: %v\nbun reads %s: %v", query, text(got), err, text(want), wantErr)
		}
		if fast {
			decoded++
		}
		if err != nil {
			failed++
		}
	}
	if t.Logf("%d of %d read without bun, %d failed", decoded, scans, failed); decoded < scans/4 || failed == 0 {
		t.Error("these are no random rows")
	}
}

func text(found []*anything) (out string) {
	for _, row := range found {
		out += fmt.Sprintf("\n%+v", *row)
	}
	return out
}

// same is reflect.DeepEqual, but that NaN equals itself, and times are the same to the last bit.
func same(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Float32, reflect.Float64:
		return fmt.Sprint(a.Float()) == fmt.Sprint(b.Float())
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() && b.IsNil()
		}
		return a.Elem().Type() == b.Elem().Type() && same(a.Elem(), b.Elem())
	case reflect.Slice:
		if a.Type().Elem().Kind() != reflect.Pointer {
			return reflect.DeepEqual(a.Interface(), b.Interface())
		}
		for i := range a.Len() {
			if i >= b.Len() || !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return a.Len() == b.Len() && a.IsNil() == b.IsNil()
	case reflect.Struct:
		if a.Type() == reflect.TypeFor[anything]() || a.Type() == reflect.TypeFor[inner]() {
			for i := range a.NumField() {
				if !same(a.Field(i), b.Field(i)) {
					return false
				}
			}
			return true
		}
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// hooked is a model that bun calls for each row.
type hooked struct {
	bun.BaseModel `bun:"table:hooked,alias:h"`

	ID   int64  `bun:"id,pk"`
	Text string `bun:"text"`
	seen int
}

func (h *hooked) AfterScanRow(context.Context) error {
	if h.seen++; h.Text == "bad" {
		return errors.New("a bad row")
	}
	return nil
}

// Plain columns are read without bun; hooks of a model are called once for each row, and their errors are the query's.
func TestScanTypesAndHooks(t *testing.T) {
	pg := pgtest.New(t)
	pg.Exec(t, cellsTable)
	pg.Exec(t, insertCells, 20)
	pg.Exec(t, "create table hooked as select 1::int8 as id, 'good' as text union all select 2, 'bad'; grant select on hooked to authenticated")
	db := open(t, pg)
	var cells []*cell
	if decoded, plain, err := rows.Scan(t.Context(), db.NewSelect().Model((*cell)(nil)), &cells); !decoded || plain != 9 || len(cells) == 0 || err != nil {
		t.Errorf("%d cells of %d plain columns, %v: %v", len(cells), plain, decoded, err)
	}
	var found []*hooked
	decoded, _, err := rows.Scan(t.Context(), db.NewSelect().Model((*hooked)(nil)).Where("id = 1"), &found)
	if decoded || err != nil || len(found) != 1 || found[0].seen != 1 {
		t.Errorf("%v, %v: %v", decoded, found, err)
	}
	if _, _, err := rows.Scan(t.Context(), db.NewSelect().Model((*hooked)(nil)), &found); err == nil || err.Error() != "a bad row" {
		t.Error(err)
	}
}
