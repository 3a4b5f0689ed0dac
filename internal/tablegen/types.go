package tablegen

import (
	"fmt"
	"strings"

	"usergraph/internal/catalog"
)

// kind is what a type of PostgreSQL is in Go, in GraphQL and in tests.
type kind struct {
	goType, graphQL string
	filter          string // the type of conditions, "" if there are none
	// sample returns the n-th value of this type: in SQL, and in JSON and GraphQL. JSON is "" if an answer may show the
	// value in another way.
	sample func(n int) (sql, graphQL, json string)
}

const (
	uuidSample  = "00000000-0000-4000-8000-%012d"
	rowsPackage = "rows."
)

// kinds are the types of PostgreSQL, as format_type prints them without modifiers.
var kinds = map[string]kind{
	"uuid": {"uuid.UUID", "UUID", "UUIDFilter", quotedSample(uuidSample)},
	"bigint": {"int64", "BigInt", "BigIntFilter", func(n int) (string, string, string) {
		return fmt.Sprint(n), fmt.Sprintf("%q", fmt.Sprint(n)), fmt.Sprintf("%q", fmt.Sprint(n))
	}},
	"integer":  {"int32", "Int", "IntFilter", plainSample},
	"smallint": {"int16", "Int", "IntFilter", plainSample},
	"real":     {"float64", "Float", "FloatFilter", hidden(plainSample)}, "double precision": {"float64", "Float", "FloatFilter", hidden(plainSample)},
	"numeric":           {"rows.Decimal", "Decimal", "DecimalFilter", hidden(quotedSample("%d"))},
	"boolean":           {"bool", "Boolean", "BooleanFilter", func(n int) (string, string, string) { b := fmt.Sprint(n%2 == 1); return b, b, b }},
	"text":              {"string", "String", "StringFilter", textSample},
	"character varying": {"string", "String", "StringFilter", textSample}, "character": {"string", "String", "StringFilter", hidden(textSample)},
	"citext": {"string", "String", "StringFilter", textSample}, "name": {"string", "String", "StringFilter", textSample},
	"timestamp with time zone":    {"time.Time", "DateTime", "DateTimeFilter", hidden(quotedSample("2026-01-%02[1]dT00:00:00Z"))},
	"timestamp without time zone": {"time.Time", "DateTime", "DateTimeFilter", hidden(quotedSample("2026-01-%02[1]dT00:00:00Z"))},
	"date":                        {"rows.Date", "Date", "DateFilter", quotedSample("2026-01-%02d")},
	"json":                        {"json.RawMessage", "JSON", "", func(int) (string, string, string) { return "'{}'", "{}", "" }},
	"jsonb":                       {"json.RawMessage", "JSON", "", func(int) (string, string, string) { return "'{}'", "{}", "" }},
}

func plainSample(n int) (string, string, string) { s := fmt.Sprint(n); return s, s, s }

// textSample has values that a column of one character takes too.
func textSample(n int) (string, string, string) {
	s := string(rune('A' + (n-1)%26))
	return "'" + s + "'", `"` + s + `"`, `"` + s + `"`
}

func quotedSample(format string) func(int) (string, string, string) {
	return func(n int) (string, string, string) {
		s := fmt.Sprintf(format, 1+(n-1)%28)
		return "'" + s + "'", `"` + s + `"`, `"` + s + `"`
	}
}

// hidden are samples that answers may show in another way.
func hidden(sample func(int) (string, string, string)) func(int) (string, string, string) {
	return func(n int) (string, string, string) {
		sql, graphQL, _ := sample(n)
		return sql, graphQL, ""
	}
}

// leftOut says why a type has no place in GraphQL, by its name or its kind.
func leftOut(column *catalog.Column) string {
	base := column.Base
	if column.Element != "" {
		base = column.Element
	}
	_, base, _ = cutSchema(base)
	switch {
	case column.Kind == "composite":
		return "a composite type: give its parts columns of their own, or a view"
	case column.Kind == "range":
		return "a range: give both ends columns of their own, as generated ones"
	case column.Kind == "pseudo":
		return "a pseudo-type"
	}
	switch base {
	case "bytea":
		return "binary data: keep files in Supabase Storage, and the path here"
	case "money":
		return "money depends on the server's locale: use numeric"
	case "vector", "halfvec", "sparsevec", "tsvector", "tsquery":
		return "it is for searching, not for showing"
	}
	return fmt.Sprintf("GraphQL has no type for %s: write the field by hand", base)
}

// cutSchema cuts the schema off the name of a type.
func cutSchema(name string) (schema, rest string, qualified bool) {
	schema, rest, qualified = strings.Cut(name, ".")
	if !qualified {
		return "", name, false
	}
	return schema, rest, true
}

// kindOf returns the kind of a column's type, of its element for an array. Enums are looked up elsewhere.
func kindOf(column *catalog.Column) (kind, bool) {
	base := column.Base
	if column.Element != "" {
		base = column.Element
	}
	if found, ok := kinds[base]; ok {
		return found, true
	}
	// Types of extensions are in a schema of the team's choice.
	if _, name, qualified := cutSchema(base); qualified && name == "citext" {
		return kinds[name], true
	}
	return kind{}, false
}

// keyTypes are the Go types that ids are decoded to.
var keyTypes = map[string]bool{"uuid.UUID": true, "int64": true, "int32": true, "int16": true, "string": true}
