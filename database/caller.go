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

// Caller is the identity that a statement runs as.
type Caller struct {
	// Role is anon or authenticated. Any other role is refused: service_role and the owner of the tables bypass
	// row-level security.
	Role string
	// Claims is the payload of the verified token, a JSON object that auth.uid() and auth.jwt() read. It must not be
	// modified: statements may be sent after their caller has returned.
	Claims []byte
	// Subject is the claim sub, or "". It makes auth.uid() faster.
	Subject string
	// ReadOnly refuses every write: PostgreSQL does, and no statement is sent that could turn that off. The exception
	// are functions of the database that RESET transaction_read_only, before PostgreSQL 16.
	ReadOnly bool
	// MayLag allows a ReadOnly caller to read rows as old as ReplicaConfig.MaxLag. If there is a replica, statements
	// outside transactions read from it.
	MayLag bool
	// StatementTimeout bounds each statement, beside the limits of the context and the role. 0 sets no bound.
	StatementTimeout time.Duration
}

// roles are the allowed roles of a caller.
var roles = []string{"anon", "authenticated"}

// check refuses a caller that would bypass row-level security.
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

// As returns a database that runs every statement as caller. It holds no connection; each statement takes one for one
// round trip. If the caller is refused, each statement returns the error.
//
// The text of a statement is trusted; its arguments and the claims are not. SQL that calls set_config can become any
// role that the login role may become, and set any claims, until it ends. So write values as ?, and log in with a role
// that may become only anon and authenticated.
//
// A statement whose context ends returns about 10 ms later, whatever PostgreSQL does, and is cancelled there. Err of
// that context is called from another goroutine until the statement returns, and must not block.
//
// A statement may take the time that its context has left, at most Caller.StatementTimeout, and at most the timeout of
// the caller's role: ALTER ROLE … SET statement_timeout, IN DATABASE too. A changed role takes effect within a minute.
//
// What a statement leaves in its session is removed before the next caller's statement:
//
//   - The role, the claims and the timeout are set with each statement.
//   - Tables of the search path precede temporary ones. If a temporary object exists or the search path has changed, a
//     statement fails and runs again in another session.
//   - PostgreSQL reports changes of client_encoding, DateStyle, IntervalStyle, TimeZone, standard_conforming_strings,
//     default_transaction_read_only and session_authorization. The connection is then closed.
//   - The connection is closed after a statement whose text may leave something: CREATE, SET, LISTEN, PREPARE, DECLARE, DO
//     and all else that is no query, write or transaction; set_config whose last argument is not the literal true; and
//     advisory locks of the session.
//
// The text does not show what a function leaves. Other settings (app.tenant with is_local false), session locks,
// cursors WITH HOLD, prepared statements and LISTEN of a function stay until the connection is refreshed, once a
// minute. Another caller may find them until then. State that must outlast a transaction, or that others must not find,
// needs a connection of its own.
//
// Behind a pooler in transaction mode the session may be another client's. There search_path, row_security,
// standard_conforming_strings and the legacy claims email and role are also set with each statement, advisory locks are
// released, and temporary objects are discarded. Everything else that a function or another client leaves stays there.
//
// A result is read into memory before its first row is returned.
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

// session is a bun.IDB that passes the caller to the driver through the context.
type session struct {
	db      *bun.DB
	replica *Replica // nil if only the primary may be read
	caller  pgwire.Caller
}

var _ bun.IDB = (*session)(nil)

func (s *session) QueryContext(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	s.onReplica(ctx, func(ctx context.Context, db *bun.DB) error {
		if rows != nil {
			rows.Close() // of the replica, which answered too late
		}
		rows, err = db.QueryContext(pgwire.WithCaller(ctx, &s.caller), query, args...)
		return err
	})
	return rows, err
}

func (s *session) QueryRowContext(ctx context.Context, query string, args ...any) (row *sql.Row) {
	s.onReplica(ctx, func(ctx context.Context, db *bun.DB) error {
		if row != nil {
			_ = row.Scan() // closes that of the replica, which answered too late
		}
		row = db.QueryRowContext(pgwire.WithCaller(ctx, &s.caller), query, args...)
		return row.Err()
	})
	return row
}

func (s *session) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return s.db.ExecContext(pgwire.WithCaller(ctx, &s.caller), query, args...)
}

// onReplica runs a query on the replica if the caller may lag, and else on the primary.
func (s *session) onReplica(ctx context.Context, query func(context.Context, *bun.DB) error) {
	if s.replica == nil || !s.replica.read(ctx, query) {
		_ = query(ctx, s.db)
	}
}

// unhooked runs the statements of bun's builders, which call query hooks themselves.
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

// BeginTx starts a transaction as the caller. All its statements run as the caller, whatever their context holds.
func (s *session) BeginTx(ctx context.Context, opts *sql.TxOptions) (bun.Tx, error) {
	return s.db.BeginTx(pgwire.WithTxCaller(ctx, &s.caller), opts)
}

// RunInTx commits if run returns nil, and rolls back if it returns an error or panics.
func (s *session) RunInTx(ctx context.Context, opts *sql.TxOptions, run func(context.Context, bun.Tx) error) error {
	err := s.db.RunInTx(pgwire.WithTxCaller(ctx, &s.caller), opts, run)
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
		// database/sql has already rolled back, because ctx ended.
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
