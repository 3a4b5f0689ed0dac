package database

import (
	"reflect"
	"strings"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// RowOf returns the row with this id in a bun model's table, for Changes.Watch.
func RowOf[Model any](db *DB, id uuid.UUID) Row {
	table := db.bun.Table(reflect.TypeFor[Model]())
	return Row{Table: table.Schema + "." + table.Name[strings.LastIndexByte(table.Name, '.')+1:], ID: id.String()}
}

// TableOf returns the schema and the table of a pointer to a bun model. ok is false for other types.
func (db *DB) TableOf(pointer reflect.Type) (schema, table string, ok bool) {
	if pointer == nil || pointer.Kind() != reflect.Pointer || pointer.Elem().Kind() != reflect.Struct {
		return "", "", false
	}
	if base, found := pointer.Elem().FieldByName("BaseModel"); !found || base.Type != reflect.TypeFor[bun.BaseModel]() {
		return "", "", false
	}
	model := db.bun.Table(pointer.Elem())
	return model.Schema, model.Name[strings.LastIndexByte(model.Name, '.')+1:], true
}
