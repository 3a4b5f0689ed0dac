// Package rows answers one question: what do the queries of all tables have in common?
//
// It imports no package of the module: models imports it, and no other package of the engine.
package rows

import "errors"

// ErrNotFound means that the row to change does not exist, or that row-level security hides it.
var ErrNotFound = errors.New("no such row")
