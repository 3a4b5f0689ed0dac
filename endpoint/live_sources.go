package endpoint

import (
	"slices"

	"usergraph/database"
)

// Sources are what an answer is read from. Watch reads again when one of them changes.
type Sources []database.Source

// RowOf returns the row with this key in a bun model's table: a rows.ID, or the values of the key, in the order of the
// model's fields.
func RowOf[Model any](e *Engine, key ...any) Sources {
	return Sources{database.RowOf[Model](e.db, key...)}
}

// RowsOf returns the rows of an owner in a bun model's table: those whose field with the tag `usergraph:"owner"` has this
// value.
func RowsOf[Model any](e *Engine, owner any) Sources {
	return Sources{database.RowsOf[Model](e.db, owner)}
}

// Rows returns all rows of a bun model's table. Each change of one of them reads again.
func Rows[Model any](e *Engine) Sources { return Sources{database.Rows[Model](e.db)} }

// And returns both.
func (s Sources) And(more Sources) Sources { return slices.Concat(s, more) }

// covers reports whether a table is among the sources, and if further rows of it are read, as more than one row.
func (s Sources) covers(table string, further bool) bool {
	return slices.ContainsFunc(s, func(source database.Source) bool {
		return source.Table() == table && !(further && source.IsRow())
	})
}
