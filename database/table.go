package database

import (
	"fmt"
	"reflect"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/schema"
)

// Table is the table of a bun model.
type Table struct {
	Schema, Name string
	// Columns are the columns that the model reads.
	Columns []string
	// Keys are the columns of the primary key that the model names.
	Keys []*schema.Field `json:"-"` // a graph with cycles; the queries over catalogs take the rest
}

// TableOf returns the table of a bun model's struct.
func TableOf(model reflect.Type) (Table, error) {
	if model == nil || model.Kind() != reflect.Struct {
		return Table{}, fmt.Errorf("%v is no struct of bun's", model)
	}
	if base, found := model.FieldByName("BaseModel"); !found || base.Type != reflect.TypeFor[bun.BaseModel]() {
		return Table{}, fmt.Errorf("%v has no bun.BaseModel", model)
	}
	described := pgdialect.New().Tables().Get(model)
	table := Table{Schema: described.Schema, Name: unqualified(described), Keys: described.PKs}
	for _, field := range described.Fields {
		table.Columns = append(table.Columns, field.Name)
	}
	return table, nil
}

// String returns the name as SQL writes it, such as public.users.
func (t Table) String() string { return quoted(t.Schema) + "." + quoted(t.Name) }

// quoted returns an identifier, in quotes where it is not of lower-case letters.
func quoted(name string) string {
	for i, r := range name {
		if r != '_' && (r < 'a' || r > 'z') && (i == 0 || r < '0' || r > '9') {
			return pgx.Identifier{name}.Sanitize()
		}
	}
	return name
}
