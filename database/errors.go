package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// The kinds of failure, for errors.Is. The cause stays behind them.
var (
	ErrUnavailable = errors.New("database unavailable")
	ErrConflict    = errors.New("conflict with stored rows")
	ErrInvalid     = errors.New("value not acceptable")
	ErrForbidden   = errors.New("not allowed")
	ErrTimeout     = errors.New("statement timeout")
)

// kinds are by SQLSTATE, or by its first two characters, the class.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
var kinds = map[string]error{
	"23505": ErrConflict, "23P01": ErrConflict, "40001": ErrConflict, "40P01": ErrConflict,
	"22": ErrInvalid, "23": ErrInvalid,
	"42501": ErrForbidden, "25006": ErrForbidden,
	"57014": ErrTimeout,
	"08":    ErrUnavailable, "53": ErrUnavailable, "57": ErrUnavailable, "58": ErrUnavailable,
}

// classify joins the kind of an error to it.
func classify(err error) error {
	if err == nil || errors.Is(err, driver.ErrBadConn) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	kind, ok := kinds[refused.Code]
	if !ok {
		kind, ok = kinds[refused.Code[:2]]
	}
	if !ok {
		return err
	}
	return fmt.Errorf("%w: %w", kind, err)
}
