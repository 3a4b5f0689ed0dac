package database

import "usergraph/internal/pgwire"

// The kinds of error that callers of this package handle. errors.Is finds an error's kind and its cause.
var (
	// ErrUnavailable: PostgreSQL cannot be reached, is starting or stopping, or has no connection left.
	ErrUnavailable = pgwire.ErrUnavailable
	// ErrConflict: a unique or exclusion constraint, or a concurrent transaction.
	ErrConflict = pgwire.ErrConflict
	// ErrInvalid: a type or another constraint refuses a value.
	ErrInvalid = pgwire.ErrInvalid
	// ErrForbidden: the role lacks the privilege, row-level security refuses the new row, or a read-only caller writes.
	ErrForbidden = pgwire.ErrForbidden
	// ErrRejected: a trigger or function of the database raised an exception. [Error] may have a message for the
	// client.
	ErrRejected = pgwire.ErrRejected
	// ErrTooLarge: the result of a statement exceeds Config.MaxResultBytes. A write outside a transaction may have been
	// committed.
	ErrTooLarge = pgwire.ErrTooLarge
	// ErrTimeout: the statement took longer than its timeout, or waited too long for a lock.
	ErrTimeout = pgwire.ErrTimeout
)

// Error is the error of a statement: PostgreSQL refused it, or was not reached. errors.Is finds its kind and its cause.
type Error = pgwire.Error
