package database

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
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
	// ErrTimeout: the statement took longer than its timeout, or waited too long for a lock.
	ErrTimeout = errors.New("the statement took too long")
)

// kinds maps the codes of PostgreSQL, or the first characters of a class of codes, to kinds.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
var kinds = map[string]error{
	"08":    ErrUnavailable, // connection exception
	"53":    ErrUnavailable, // insufficient resources
	"57":    ErrUnavailable, // operator intervention: shutdown, starting up
	"58":    ErrUnavailable, // system error
	"23505": ErrConflict,    // unique violation
	"23P01": ErrConflict,    // exclusion violation
	"40":    ErrConflict,    // serialization failure, deadlock
	"23":    ErrInvalid,     // other integrity constraints
	"22":    ErrInvalid,     // data exception: length, range, syntax of a value
	"42501": ErrForbidden,   // insufficient privilege
	"25006": ErrForbidden,   // read-only transaction
	"57014": ErrTimeout,     // query cancelled
	"55P03": ErrTimeout,     // lock not available
}

// classify adds the kind to an error. What fails because ctx has ended keeps that as its cause instead.
func classify(ctx context.Context, err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && !(refused.Code == "57014" && ctx.Err() != nil) {
		for _, code := range []string{refused.Code, refused.Code[:min(2, len(refused.Code))]} {
			if kind, ok := kinds[code]; ok {
				return fmt.Errorf("%w: %w", kind, err)
			}
		}
		return err
	}
	return unavailable(ctx, err)
}

// unavailable adds ErrUnavailable to an error of a connection, or the end of ctx if that is why.
func unavailable(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("%w: %w", ended, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
