package database

import (
	"database/sql/driver"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/uptrace/bun/schema"

	"usergraph/database/rows"
)

// Source is what a watcher hears of: a row, the rows of an owner, or all rows of a table.
type Source struct {
	table string // schema.table, as announcements have it
	part  part
	// keyless reports whether the model has no key. Such a model alone lets no table be announced.
	keyless bool
	// value is the key or the owner as PostgreSQL writes it, in lower case: a uuid or a citext has one text then. Two rows
	// may share it, which costs a read.
	value string
	err   error // of a source that cannot be watched
}

// part is how much of a table a source is.
type part uint8

const (
	wholeTable part = iota
	ownerRows
	oneRow
)

// RowOf returns the row with this key in a bun model's table: a rows.ID, or as many values as the model has fields with
// bun's tag pk, in their order: texts, integers, uuids, or types whose driver.Valuer returns one of these.
func RowOf[Model any](db *DB, key ...any) Source {
	table := modelTable[Model](db)
	s := sourceOf(table, oneRow)
	if len(key) == 1 {
		if id, ok := key[0].(rows.ID); ok {
			texts, err := id.Texts(table.PKs)
			s.value, s.err = strings.ToLower(strings.Join(texts, ",")), err
			return s
		}
	}
	if s.keyless {
		s.err = errNoKey(table)
		return s
	}
	if len(key) != len(table.PKs) || len(key) == 0 {
		s.err = fmt.Errorf("a row of %s has a key of %d values, not %d", s.table, len(table.PKs), len(key))
		return s
	}
	texts := make([]string, len(key))
	for i := range key {
		if texts[i], s.err = textOf(key[i]); s.err != nil {
			s.err = fmt.Errorf("a row of %s cannot be watched: %w; watch the rows of its owner, or all", s.table, s.err)
			return s
		}
	}
	s.value = strings.ToLower(strings.Join(texts, ","))
	return s
}

// RowsOf returns the rows of an owner in a bun model's table. The model has a field with the tag `usergraph:"owner"`.
func RowsOf[Model any](db *DB, owner any) Source {
	table := modelTable[Model](db)
	s := sourceOf(table, ownerRows)
	field, err := ownerOf(table)
	if err == nil && field == nil {
		err = fmt.Errorf("%s has no owner: give the field with the owner's id the tag `usergraph:\"owner\"`", table.Type)
	}
	if err == nil {
		s.value, err = textOf(owner)
	}
	s.value, s.err = strings.ToLower(s.value), err
	return s
}

// Rows returns all rows of a bun model's table.
func Rows[Model any](db *DB) Source { return db.RowsOfModel(reflect.TypeFor[Model]()) }

// RowsOfModel is Rows for a model that is known by its type.
func (db *DB) RowsOfModel(model reflect.Type) Source {
	return sourceOf(db.bun.Table(model), wholeTable)
}

func sourceOf(table *schema.Table, part part) Source {
	return Source{table: tableName(table.Schema, unqualified(table)), part: part, keyless: len(table.PKs) == 0}
}

func modelTable[Model any](db *DB) *schema.Table { return db.bun.Table(reflect.TypeFor[Model]()) }

// Table returns the name of the source's table, such as public.todos.
func (s Source) Table() string { return s.table }

// IsRow reports whether the source is one row.
func (s Source) IsRow() bool { return s.part == oneRow }

// textOf returns a value of a key as PostgreSQL casts it to text. Types that PostgreSQL may write in several ways, such as
// times, are refused.
func textOf(value any) (string, error) {
	if v, ok := value.(driver.Valuer); ok {
		var err error
		if value, err = v.Value(); err != nil {
			return "", err
		}
	}
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.String:
		return v.String(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10), nil
	}
	return "", fmt.Errorf("a key of type %T has no single text", value)
}
