package endpoint

import (
	"github.com/uptrace/bun"

	"usergraph/database"
)

// Engine gives resolvers the database and the watching of rows.
type Engine struct {
	db      *database.DB
	watcher *watcher
	handler *Handler
}

// Handler returns the endpoint, for a team's own routes: Prepare and Run run its documents, Serve and Stream receive requests.
func (e *Engine) Handler() *Handler { return e.handler }

// As returns a database that runs every statement as caller, in one round trip. See database.DB.As.
func (e *Engine) As(caller *Caller) bun.IDB { return e.db.As(caller.Caller) }
