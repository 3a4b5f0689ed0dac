// Package rows answers one question: what do the queries of all tables have in common?
//
// It is a leaf: models imports it, and nothing of the engine besides.
package rows

import "errors"

// ErrNotFound says that the row to change does not exist, or that row-level security hides it.
var ErrNotFound = errors.New("no such row")
