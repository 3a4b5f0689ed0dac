// Package rows answers one question: what do the queries of all tables have in common?
//
// It knows ids, pages, filters, relations, and the text of values. It imports no package of the module: models imports
// it, and endpoint binds its types to GraphQL.
package rows

import (
	"errors"
	"fmt"
)

// ErrNotFound means that the row to change does not exist, or that row-level security hides it.
var ErrNotFound = errors.New("no such row")

// InputError says what is wrong with a value of the client, in words for the client.
type InputError struct{ Message string }

// Error returns the message.
func (e *InputError) Error() string { return e.Message }

func badInput(format string, args ...any) error {
	return &InputError{fmt.Sprintf(format, args...)}
}
