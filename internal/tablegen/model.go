package tablegen

import (
	"reflect"
	"slices"
	"strings"
)

// ModelOf returns what a bun model's tags say of its table.
func ModelOf(t reflect.Type) Model {
	m := Model{Name: t.Name(), Schema: "public"}
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("bun"), ",")
		if field.Name == "BaseModel" {
			for option := range strings.SplitSeq(field.Tag.Get("bun"), ",") {
				if table, ok := strings.CutPrefix(option, "table:"); ok {
					m.Table = table
				}
				if alias, ok := strings.CutPrefix(option, "alias:"); ok {
					m.Alias = alias
				}
			}
			continue
		}
		if name == "" || name == "-" || strings.Contains(name, ":") {
			continue
		}
		m.Columns = append(m.Columns, name)
		if slices.Contains(strings.Split(options, ","), "pk") {
			m.Keys = append(m.Keys, name)
		}
		if field.Tag.Get("usergraph") == "owner" {
			m.Owner = name
		}
	}
	if schema, table, ok := strings.Cut(m.Table, "."); ok {
		m.Schema, m.Table = schema, table
	}
	if m.Alias == "" {
		m.Alias = m.Table
	}
	return m
}
