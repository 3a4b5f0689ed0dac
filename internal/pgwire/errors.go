package pgwire

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"usergraph/internal/sqltext"
)

// The kinds of error a caller of this package can act on. errors.Is finds them beside the cause.
var (
	// ErrUnavailable: PostgreSQL cannot be reached, is starting or stopping, or has no connection left.
	ErrUnavailable = errors.New("the database is unavailable")
	// ErrConflict: a unique or exclusion constraint, or a concurrent transaction.
	ErrConflict = errors.New("the data conflicts with what is stored")
	// ErrInvalid: a value that a type or another constraint refuses.
	ErrInvalid = errors.New("the data is invalid")
	// ErrForbidden: the role has no right to it, row-level security refuses the new row, or a read-only caller writes.
	ErrForbidden = errors.New("the caller may not do this")
	// ErrRejected: a rule of the database, by raise exception in a trigger or function. [Error] may say more to the client.
	ErrRejected = errors.New("a rule of the database refuses this")
	// ErrTooLarge: the result of a statement has more than Config.MaxResultBytes. A statement that writes may have been done,
	// unless it was in a transaction.
	ErrTooLarge = errors.New("the result is too large")
	// ErrTimeout: the statement took longer than its timeout, or waited too long for a lock.
	ErrTimeout = errors.New("the statement took too long")
)

// kinds maps the codes of PostgreSQL, or the first characters of a class of codes, to kinds. A code goes before its class.
// What has no kind, or nil, is a fault of the server or of the database, and nothing that a caller can act on.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
var kinds = map[string]error{
	"08":    ErrUnavailable, // connection exception
	"08P01": nil,            // protocol violation, but for what fatal does
	"22":    ErrInvalid,     // data exception: length, range, syntax of a value
	"23":    ErrInvalid,     // integrity constraint violation
	"23505": ErrConflict,    // unique violation
	"23P01": ErrConflict,    // exclusion violation
	"25006": ErrForbidden,   // read-only transaction
	"25P03": ErrTimeout,     // idle in transaction for too long
	"25P04": ErrTimeout,     // transaction timeout
	"40":    ErrConflict,    // serialization failure, deadlock
	"42501": ErrForbidden,   // insufficient privilege
	"44":    ErrInvalid,     // check option of a view
	"53":    ErrUnavailable, // insufficient resources: disk, memory, connections
	"53400": nil,            // a configured limit, which the same statement meets again
	"54000": ErrInvalid,     // program limit exceeded: a value too long for an index
	"55P03": ErrTimeout,     // lock not available
	"57":    ErrUnavailable, // operator intervention: shutdown, starting up
	"57014": ErrTimeout,     // query cancelled
	"58":    ErrUnavailable, // system error
	"58P01": nil,            // undefined file: an extension that is not installed
	"58P02": nil,            // duplicate file
	"HV00N": ErrUnavailable, // connection of a foreign table
	"P0001": ErrRejected,    // raise exception
	"PT4":   ErrRejected,    // raise exception using errcode = 'PT422'
}

// Error is what PostgreSQL has refused, or why it could not be asked. errors.Is finds its kind and its cause.
type Error struct {
	// SQLState is PostgreSQL's code, if PostgreSQL has answered.
	SQLState string
	// Message is for a log: PostgreSQL's message may quote a value. It never has the statement.
	Message string
	// Public is written for the client, by whoever has raised the error with PT4 and two digits as its errcode.
	Public string

	kind, cause error
}

func (e *Error) Error() string {
	if e.kind == nil {
		return e.cause.Error()
	}
	return e.kind.Error() + ": " + e.cause.Error()
}

func (e *Error) Unwrap() []error {
	if e.kind == nil {
		return []error{e.cause}
	}
	return []error{e.kind, e.cause}
}

// Classify adds the kind to an error. What fails because ctx has ended keeps that as its kind instead.
func Classify(ctx context.Context, err error) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code == "57014" && Ended(ctx) != nil {
		return Unavailable(ctx, err)
	}
	e := &Error{SQLState: refused.Code, Message: refused.Message, kind: kindOf(refused), cause: err}
	if strings.HasPrefix(refused.Code, "PT4") {
		e.Public = refused.Message
	}
	return e
}

// kindOf returns the kind of what PostgreSQL has refused, or nil.
func kindOf(refused *pgconn.PgError) error {
	if strings.HasPrefix(refused.Code, "08") && refused.SeverityUnlocalized == "FATAL" {
		return ErrUnavailable // a pooler's way to say that it has no connection
	}
	for n := 5; n >= 2; n-- {
		if kind, ok := kinds[refused.Code[:min(n, len(refused.Code))]]; ok {
			return kind
		}
	}
	return nil
}

// Ended returns why a context has ended. Its Err is late on a busy machine, and PostgreSQL's timer for the same time is not.
func Ended(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// Unavailable adds ErrUnavailable to an error of a connection, or the end of ctx if that is why.
func Unavailable(ctx context.Context, err error) error {
	e := &Error{Message: err.Error(), kind: ErrUnavailable, cause: err}
	if ended := Ended(ctx); ended != nil {
		e.kind = ended
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		e.SQLState = refused.Code
	}
	return e
}

// argumentError gives sqltext.ErrArgument its kind. Another error is a fault of the statement, and has none.
func argumentError(err error) error {
	if errors.Is(err, sqltext.ErrArgument) {
		return &Error{Message: err.Error(), kind: ErrInvalid, cause: err}
	}
	return err
}
