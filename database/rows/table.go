package rows

import (
	"fmt"
	"reflect"

	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/schema"
)

// tables holds what the tags of bun models say.
var tables = pgdialect.New().Tables()

func tableOf[T any]() *schema.Table { return tables.Get(reflect.TypeFor[T]()) }

// column returns a field of a model by its column. A column that the model lacks is a mistake of the API half.
func column(table *schema.Table, name string) (*schema.Field, error) {
	for _, field := range table.Fields {
		if field.Name == name {
			return field, nil
		}
	}
	return nil, fmt.Errorf("%s has no column %s", table.TypeName, name)
}

// columnsOf returns the fields of some columns.
func columnsOf(table *schema.Table, names []string) ([]*schema.Field, error) {
	fields := make([]*schema.Field, len(names))
	for i, name := range names {
		var err error
		if fields[i], err = column(table, name); err != nil {
			return nil, err
		}
	}
	return fields, nil
}

// of returns the qualified column of a field in SQL.
func of(table *schema.Table, field *schema.Field) string {
	return string(table.SQLAlias) + "." + string(field.SQLName)
}
