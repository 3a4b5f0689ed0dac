package database

import "usergraph/internal/pgwire"

// The kinds of error a caller of this package can act on. errors.Is finds them beside the cause.
var (
	// ErrUnavailable: PostgreSQL cannot be reached, is starting or stopping, or has no connection left.
	ErrUnavailable = pgwire.ErrUnavailable
	// ErrConflict: a unique or exclusion constraint, or a concurrent transaction.
	ErrConflict = pgwire.ErrConflict
	// ErrInvalid: a value that a type or another constraint refuses.
	ErrInvalid = pgwire.ErrInvalid
	// ErrForbidden: the role has no right to it, row-level security refuses the new row, or a read-only caller writes.
	ErrForbidden = pgwire.ErrForbidden
	// ErrRejected: a rule of the database, by raise exception in a trigger or function. [Error] may say more to the client.
	ErrRejected = pgwire.ErrRejected
	// ErrTooLarge: the result of a statement has more than Config.MaxResultBytes. A statement that writes may have been done,
	// unless it was in a transaction.
	ErrTooLarge = pgwire.ErrTooLarge
	// ErrTimeout: the statement took longer than its timeout, or waited too long for a lock.
	ErrTimeout = pgwire.ErrTimeout
)

// Error is what PostgreSQL has refused, or why it could not be asked. errors.Is finds its kind and its cause.
type Error = pgwire.Error
