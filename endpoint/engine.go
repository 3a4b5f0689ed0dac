package endpoint

import (
	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/database"
)

// Engine gives resolvers the database and the watching of rows.
type Engine struct {
	db      *database.DB
	watcher *rowWatcher
}

// As returns a database that runs every statement as caller, in one round trip. See database.DB.As.
func (e *Engine) As(caller *Caller) bun.IDB { return e.db.As(caller.Caller) }

// RowOf names the row with this id in the table of a bun model, for Watch.
func RowOf[Model any](e *Engine, id uuid.UUID) database.Row { return database.RowOf[Model](e.db, id) }
