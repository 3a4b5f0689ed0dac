package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"usergraph/internal/pgwire"
)

// Caller is who a statement runs as.
type Caller struct {
	// Role is anon or authenticated. service_role, the owner of the tables or no role at all would go round row-level
	// security, and are refused.
	Role string
	// Claims is the payload of the verified token, a JSON object: what auth.uid() and auth.jwt() read. It is never modified:
	// statements may be sent after their caller has left.
	Claims []byte
	// Subject is the claim sub, if there is one. auth.uid() is quicker when it is told.
	Subject string
	// ReadOnly refuses every write: PostgreSQL does, and no statement is sent that could talk it out of it. Only functions
	// of the database that RESET transaction_read_only can, before PostgreSQL 16.
	ReadOnly bool
	// MayLag says that what a ReadOnly caller reads may be a little old, as ReplicaConfig.MaxLag has it. It is read from
	// the replica where there is one, but for transactions.
	MayLag bool
	// StatementTimeout ends a statement that runs longer. 0 leaves what the context and the role allow.
	StatementTimeout time.Duration
}

// roles are those a caller may have.
var roles = []string{"anon", "authenticated"}

// check refuses a caller that row-level security would not hold back.
func (c Caller) check() error {
	if !slices.Contains(roles, c.Role) {
		return fmt.Errorf("no statement runs as role %q: a caller is anon or authenticated", c.Role)
	}
	if len(c.Claims) < 2 || c.Claims[0] != '{' || c.Claims[len(c.Claims)-1] != '}' {
		return errors.New("no statement runs without claims: they are a JSON object")
	}
	if c.StatementTimeout < 0 {
		return fmt.Errorf("the statement timeout %s is negative", c.StatementTimeout)
	}
	return nil
}

// As returns a database that runs every statement as caller. It takes no connection; each statement takes one, for one
// round trip. A caller that may not be is refused by each statement.
//
// What the text of a statement says is trusted, what its arguments and the claims say is not: SQL that calls set_config
// can become any role that the login may become, and claim anything, until it ends. So write values as ?, and log in with
// a role that may become anon and authenticated alone.
//
// A statement whose context ends returns some 10 ms later, whatever PostgreSQL does, and is cancelled there. Err of that
// context is called from another goroutine until the statement returns, and must not wait for anything.
//
// A statement has as much time as its context has left, and no more than Caller.StatementTimeout, or than the caller's role
// has: ALTER ROLE … SET statement_timeout, IN DATABASE too. A change of a role is seen within a minute.
//
// What a statement leaves in its session is gone before the next caller's statement:
//
//   - The role, the claims and the timeout are set with each statement.
//   - Tables of the search path come before temporary ones. A statement fails, and runs again in another session, where a
//     temporary object is left or the search path has changed, whatever has done that.
//   - PostgreSQL reports changes of client_encoding, DateStyle, IntervalStyle, TimeZone, standard_conforming_strings,
//     default_transaction_read_only and session_authorization. The connection is closed then.
//   - A statement costs its connection if it says that it leaves something: CREATE, SET, LISTEN, PREPARE, DECLARE, DO and
//     whatever else is no query, write or transaction; set_config whose last argument is not written as true; and advisory
//     locks that are not of the transaction.
//
// A function of the database does not say what it leaves. Other settings (app.tenant with is_local false), session locks,
// cursors WITH HOLD, prepared statements and LISTEN of a function stay until the connection is refreshed, once a minute:
// another caller may find them until then. What has to last longer than a transaction, or may not be found by others, needs a
// connection of one's own.
//
// Behind a pooler in transaction mode the session may be another client's. There search_path, row_security,
// standard_conforming_strings and the legacy claims email and role are set with each statement as well, advisory locks are
// given up, and temporary objects are discarded. All else that a function or another client leaves stays there.
//
// A result is read whole into memory before its first row is handed out.
func (db *DB) As(caller Caller) bun.IDB {
	s := &session{db: db.bun, caller: pgwire.Caller{
		Role: caller.Role, Claims: caller.Claims, Subject: caller.Subject, ReadOnly: caller.ReadOnly,
		Timeout: caller.StatementTimeout, Err: caller.check(),
	}}
	if caller.ReadOnly && caller.MayLag {
		s.replica = db.replica
	}
	return s
}

// session is a bun.IDB that tells the driver, through the context, whose statement it runs.
type session struct {
	db      *bun.DB
	replica *Replica // nil if only the primary will do
	caller  pgwire.Caller
}

var _ bun.IDB = (*session)(nil)

func (s *session) QueryContext(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	s.onReplica(ctx, func(ctx context.Context, db *bun.DB) error {
		if rows != nil {
			rows.Close() // of the replica, which came too late
		}
		rows, err = db.QueryContext(pgwire.WithCaller(ctx, &s.caller), query, args...)
		return err
	})
	return rows, err
}

func (s *session) QueryRowContext(ctx context.Context, query string, args ...any) (row *sql.Row) {
	s.onReplica(ctx, func(ctx context.Context, db *bun.DB) error {
		if row != nil {
			_ = row.Scan() // closes that of the replica, which came too late
		}
		row = db.QueryRowContext(pgwire.WithCaller(ctx, &s.caller), query, args...)
		return row.Err()
	})
	return row
}

func (s *session) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return s.db.ExecContext(pgwire.WithCaller(ctx, &s.caller), query, args...)
}

// onReplica has a query run on the replica, if the caller may lag, or else on the primary.
func (s *session) onReplica(ctx context.Context, query func(context.Context, *bun.DB) error) {
	if s.replica == nil || !s.replica.read(ctx, query) {
		_ = query(ctx, s.db)
	}
}

// unhooked is what bun's builders run statements on: they call query hooks by themselves.
type unhooked struct{ *session }

func (s unhooked) QueryContext(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	text := s.db.QueryGen().FormatQuery(query, args...)
	s.onReplica(ctx, func(ctx context.Context, db *bun.DB) error {
		if rows != nil {
			rows.Close()
		}
		rows, err = db.DB.QueryContext(pgwire.WithCaller(ctx, &s.caller), text)
		return err
	})
	return rows, err
}

func (s unhooked) QueryRowContext(ctx context.Context, query string, args ...any) (row *sql.Row) {
	text := s.db.QueryGen().FormatQuery(query, args...)
	s.onReplica(ctx, func(ctx context.Context, db *bun.DB) error {
		if row != nil {
			_ = row.Scan()
		}
		row = db.DB.QueryRowContext(pgwire.WithCaller(ctx, &s.caller), text)
		return row.Err()
	})
	return row
}

func (s unhooked) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return s.db.DB.ExecContext(pgwire.WithCaller(ctx, &s.caller), s.db.QueryGen().FormatQuery(query, args...))
}

// BeginTx starts a transaction as the caller. All its statements run as the caller, whatever their context says.
func (s *session) BeginTx(ctx context.Context, opts *sql.TxOptions) (bun.Tx, error) {
	return s.db.BeginTx(pgwire.WithTxCaller(ctx, &s.caller), opts)
}

// RunInTx commits if run returns nil, and rolls back if it returns an error or panics.
func (s *session) RunInTx(ctx context.Context, opts *sql.TxOptions, run func(context.Context, bun.Tx) error) error {
	err := s.db.RunInTx(pgwire.WithTxCaller(ctx, &s.caller), opts, run)
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
		// database/sql was quicker: it rolls back when ctx ends.
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

func (s *session) Dialect() schema.Dialect { return s.db.Dialect() }

func (s *session) NewValues(model any) *bun.ValuesQuery {
	return s.db.NewValues(model).Conn(unhooked{s})
}
func (s *session) NewSelect() *bun.SelectQuery { return s.db.NewSelect().Conn(unhooked{s}) }
func (s *session) NewInsert() *bun.InsertQuery { return s.db.NewInsert().Conn(unhooked{s}) }
func (s *session) NewUpdate() *bun.UpdateQuery { return s.db.NewUpdate().Conn(unhooked{s}) }
func (s *session) NewDelete() *bun.DeleteQuery { return s.db.NewDelete().Conn(unhooked{s}) }
func (s *session) NewMerge() *bun.MergeQuery   { return s.db.NewMerge().Conn(unhooked{s}) }
func (s *session) NewCreateTable() *bun.CreateTableQuery {
	return s.db.NewCreateTable().Conn(unhooked{s})
}
func (s *session) NewDropTable() *bun.DropTableQuery { return s.db.NewDropTable().Conn(unhooked{s}) }
func (s *session) NewCreateIndex() *bun.CreateIndexQuery {
	return s.db.NewCreateIndex().Conn(unhooked{s})
}
func (s *session) NewDropIndex() *bun.DropIndexQuery { return s.db.NewDropIndex().Conn(unhooked{s}) }
func (s *session) NewTruncateTable() *bun.TruncateTableQuery {
	return s.db.NewTruncateTable().Conn(unhooked{s})
}
func (s *session) NewAddColumn() *bun.AddColumnQuery   { return s.db.NewAddColumn().Conn(unhooked{s}) }
func (s *session) NewDropColumn() *bun.DropColumnQuery { return s.db.NewDropColumn().Conn(unhooked{s}) }

func (s *session) NewRaw(query string, args ...any) *bun.RawQuery {
	return s.db.NewRaw(query, args...).Conn(unhooked{s})
}
