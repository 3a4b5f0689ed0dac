package drift

import (
	"reflect"
	"slices"
	"strings"
)

// model is what the tags of a bun model say.
type model struct {
	name          string
	schema, table string
	fields        []field
	keys          []string
	owner         string
}

// field is a field with a column.
type field struct {
	name, column string
	typ          reflect.Type
}

func (m model) tableName() string {
	if m.schema == "public" {
		return m.table
	}
	return m.schema + "." + m.table
}

// field returns the field that gqlgen binds to a name of the schema.
func (m model) field(name string) (field, bool) {
	at := slices.IndexFunc(m.fields, func(f field) bool { return sameName(name, f.name) })
	if at < 0 {
		return field{}, false
	}
	return m.fields[at], true
}

func modelOf(t reflect.Type) model {
	m := model{name: t.Name(), schema: "public"}
	for i := range t.NumField() {
		f := t.Field(i)
		tags := strings.Split(f.Tag.Get("bun"), ",")
		if f.Name == "BaseModel" {
			for _, tag := range tags {
				if table, ok := strings.CutPrefix(tag, "table:"); ok {
					m.table = table
				}
			}
			continue
		}
		if tags[0] == "" || tags[0] == "-" || strings.Contains(tags[0], ":") || slices.Contains(tags, "scanonly") {
			continue
		}
		m.fields = append(m.fields, field{f.Name, tags[0], f.Type})
		if slices.Contains(tags, "pk") {
			m.keys = append(m.keys, tags[0])
		}
		if f.Tag.Get("usergraph") == "owner" {
			m.owner = tags[0]
		}
	}
	if schema, table, ok := strings.Cut(m.table, "."); ok {
		m.schema, m.table = schema, table
	}
	return m
}

// goTypes are the Go types that hold a type of PostgreSQL; the first is what add writes. A name of a kind stands for all
// types of the team's with it.
var goTypes = map[string][]string{
	"uuid":                        {"uuid.UUID", "string"},
	"bigint":                      {"int64", "int"},
	"integer":                     {"int32", "int", "int64"},
	"smallint":                    {"int16", "int32", "int", "int64"},
	"real":                        {"float64", "float32"},
	"double precision":            {"float64"},
	"numeric":                     {"rows.Decimal", "string"},
	"boolean":                     {"bool"},
	"text":                        {"string"},
	"character varying":           {"string"},
	"character":                   {"string"},
	"citext":                      {"string"},
	"name":                        {"string"},
	"timestamp with time zone":    {"time.Time"},
	"timestamp without time zone": {"time.Time"},
	"date":                        {"rows.Date", "time.Time"},
	"json":                        {"json.RawMessage", "map", "slice", "struct"},
	"jsonb":                       {"json.RawMessage", "map", "slice", "struct"},
}

// scans reports whether a type reads its column by itself.
func scans(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if name := t.String(); name == "uuid.UUID" || name == "rows.Decimal" || name == "rows.Date" {
		return false
	}
	_, ok := reflect.PointerTo(t).MethodByName("Scan")
	return ok
}
