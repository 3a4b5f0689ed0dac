package rows

import (
	"context"
	"database/sql"
	"errors"
	"reflect"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// One reads the row with an id. It returns nil without an error if no row fulfils the conditions of the query, or row-level
// security hides it. The query is db.NewSelect() with its conditions, each in a Where.
func One[T any](ctx context.Context, query *bun.SelectQuery, id ID) (*T, error) {
	row := new(T)
	err := withKey[T](id, func(sql string, key string) { query.Where(sql, key) })
	if err == nil {
		err = query.Model(row).Scan(ctx)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	keep(ctx, []*T{row})
	return row, nil
}

// Insert inserts a row, and returns it as it is stored. The query is db.NewInsert() with the columns that row gives: the
// others get their defaults.
func Insert[T any](ctx context.Context, query *bun.InsertQuery, row *T) (*T, error) {
	return written(ctx, row, query.Model(row).Returning("?Columns").Scan(ctx))
}

// Update changes the row with an id, and returns it as it is stored. The query is db.NewUpdate() with the columns that row
// gives, at least one, and the conditions that the row must fulfil. The error is ErrNotFound if none does.
func Update[T any](ctx context.Context, query *bun.UpdateQuery, row *T, id ID) (*T, error) {
	err := withKey[T](id, func(sql string, key string) { query.Where(sql, key) })
	if err == nil {
		err = query.Model(row).Returning("?TableColumns").Scan(ctx)
	}
	return written(ctx, row, err)
}

// Delete deletes the row with an id, and returns what it was. The query is db.NewDelete() with the conditions that the row
// must fulfil. The error is ErrNotFound if none does.
func Delete[T any](ctx context.Context, query *bun.DeleteQuery, id ID) (*T, error) {
	row := new(T)
	err := withKey[T](id, func(sql string, key string) { query.Where(sql, key) })
	if err == nil {
		err = query.Model(row).Returning("?TableColumns").Scan(ctx)
	}
	return written(ctx, row, err)
}

func written[T any](ctx context.Context, row *T, err error) (*T, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	keep(ctx, []*T{row})
	return row, nil
}

// withKey adds the conditions of an id.
func withKey[T any](id ID, where func(sql string, key string)) error {
	table := tableOf[T]()
	texts, err := id.Texts(table.PKs)
	for i, text := range texts {
		where(of(table, table.PKs[i])+" = ?", text)
	}
	return err
}

// keyTexts returns the texts of some fields of a row, a pointer to a struct. They are not ok if one is NULL.
func keyTexts(fields []*schema.Field, row reflect.Value) (texts []string, ok bool) {
	texts = make([]string, len(fields))
	for i, field := range fields {
		if texts[i], ok = textOf(field.Value(row.Elem())); !ok {
			return nil, false
		}
	}
	return texts, true
}
