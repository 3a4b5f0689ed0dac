package database

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// Caller is who a statement runs as.
type Caller struct {
	Role     string // "authenticated" or "anon"
	Claims   []byte // the verified payload of the token, JSON
	ReadOnly bool   // PostgreSQL refuses to write
}

func (c Caller) check() error {
	if c.Role != "authenticated" && c.Role != "anon" {
		return errors.New("database: a caller is authenticated or anon")
	}
	if len(c.Claims) == 0 {
		return errors.New("database: a caller has claims")
	}
	return nil
}

type callerKey struct{}

// As returns bun's builders; what they build runs as caller.
func (db *DB) As(caller Caller) bun.IDB { return scoped{db.bun, caller} }

// scoped is a bun.IDB whose statements all carry the caller to the connection, in their context.
type scoped struct {
	db     *bun.DB
	caller Caller
}

func (s scoped) with(ctx context.Context) context.Context {
	return context.WithValue(ctx, callerKey{}, s.caller)
}

func (s scoped) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return s.db.QueryContext(s.with(ctx), query, args...)
}

func (s scoped) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return s.db.ExecContext(s.with(ctx), query, args...)
}

func (s scoped) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return s.db.QueryRowContext(s.with(ctx), query, args...)
}

func (s scoped) BeginTx(ctx context.Context, opts *sql.TxOptions) (bun.Tx, error) {
	return s.db.BeginTx(s.with(ctx), opts)
}

func (s scoped) RunInTx(ctx context.Context, opts *sql.TxOptions, f func(context.Context, bun.Tx) error) error {
	return s.db.RunInTx(s.with(ctx), opts, f)
}

func (s scoped) Dialect() schema.Dialect          { return s.db.Dialect() }
func (s scoped) NewValues(m any) *bun.ValuesQuery { return s.db.NewValues(m).Conn(s) }
func (s scoped) NewSelect() *bun.SelectQuery      { return s.db.NewSelect().Conn(s) }
func (s scoped) NewInsert() *bun.InsertQuery      { return s.db.NewInsert().Conn(s) }
func (s scoped) NewUpdate() *bun.UpdateQuery      { return s.db.NewUpdate().Conn(s) }
func (s scoped) NewDelete() *bun.DeleteQuery      { return s.db.NewDelete().Conn(s) }
func (s scoped) NewMerge() *bun.MergeQuery        { return s.db.NewMerge().Conn(s) }
func (s scoped) NewRaw(q string, args ...any) *bun.RawQuery {
	return s.db.NewRaw(q, args...).Conn(s)
}
func (s scoped) NewCreateTable() *bun.CreateTableQuery     { return s.db.NewCreateTable().Conn(s) }
func (s scoped) NewDropTable() *bun.DropTableQuery         { return s.db.NewDropTable().Conn(s) }
func (s scoped) NewCreateIndex() *bun.CreateIndexQuery     { return s.db.NewCreateIndex().Conn(s) }
func (s scoped) NewDropIndex() *bun.DropIndexQuery         { return s.db.NewDropIndex().Conn(s) }
func (s scoped) NewTruncateTable() *bun.TruncateTableQuery { return s.db.NewTruncateTable().Conn(s) }
func (s scoped) NewAddColumn() *bun.AddColumnQuery         { return s.db.NewAddColumn().Conn(s) }
func (s scoped) NewDropColumn() *bun.DropColumnQuery       { return s.db.NewDropColumn().Conn(s) }
