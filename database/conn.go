package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
)

// setCaller sets all that a statement runs under until the end of its transaction. The third argument of set_config
// makes a setting local. https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SET
const setCaller = `select set_config('role', $1, true), set_config('request.jwt.claims', $2, true), set_config('transaction_read_only', $3, true)`

// endTimeout bounds COMMIT and ROLLBACK, which database/sql sends without a context.
const endTimeout = 10 * time.Second

// connector makes connections that run every statement as a caller.
type connector struct{ driver.Connector }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, classify(err)
	}
	return &conn{Conn: inner.(*stdlib.Conn)}, nil
}

// conn is pgx's connection, with the caller set before each statement.
type conn struct {
	*stdlib.Conn
	inTx bool
}

// queueCaller begins a batch with the settings of the caller in ctx. All that a batch holds travels before one Sync, in
// one implicit transaction: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
func queueCaller(ctx context.Context, batch *pgx.Batch) error {
	caller, ok := ctx.Value(callerKey{}).(Caller)
	if !ok {
		return errors.New("database: a statement needs a caller, see As")
	}
	if err := caller.check(); err != nil {
		return err
	}
	readOnly := "off"
	if caller.ReadOnly {
		readOnly = "on"
	}
	batch.Queue(setCaller, caller.Role, string(caller.Claims), readOnly)
	return nil
}

// send sends query, after the caller's settings unless a transaction has them already.
func (c *conn) send(ctx context.Context, query string, args []driver.NamedValue) (pgx.BatchResults, error) {
	batch := &pgx.Batch{}
	if !c.inTx {
		if err := queueCaller(ctx, batch); err != nil {
			return nil, err
		}
	}
	values := make([]any, len(args))
	for i, arg := range args {
		values[i] = arg.Value
	}
	batch.Queue(query, values...)
	results := c.Conn.Conn().SendBatch(ctx, batch)
	if !c.inTx {
		if _, err := results.Exec(); err != nil {
			return nil, classify(errors.Join(err, results.Close()))
		}
	}
	return results, nil
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	results, err := c.send(ctx, query, args)
	if err != nil {
		return nil, err
	}
	tag, err := results.Exec()
	// Close sees an error of the implicit commit, such as a deferred constraint.
	if err := errors.Join(err, results.Close()); err != nil {
		return nil, classify(err)
	}
	return driver.RowsAffected(tag.RowsAffected()), nil
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	results, err := c.send(ctx, query, args)
	if err != nil {
		return nil, err
	}
	found, err := results.Query()
	if err != nil {
		return nil, classify(errors.Join(err, results.Close()))
	}
	return &rows{rows: found, results: results, types: c.Conn.Conn().TypeMap()}, nil
}

// PrepareContext is how database/sql would send a statement past the caller.
func (c *conn) PrepareContext(context.Context, string) (driver.Stmt, error) {
	return nil, errors.New("database: statements are not prepared")
}

// BeginTx sends BEGIN and the caller's settings in one round trip.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	batch := &pgx.Batch{}
	begin := "begin"
	if opts.ReadOnly {
		begin = "begin read only"
	}
	batch.Queue(begin)
	if err := queueCaller(ctx, batch); err != nil {
		return nil, err
	}
	if err := c.Conn.Conn().SendBatch(ctx, batch).Close(); err != nil {
		// BEGIN may have been done: a connection in doubt is not used again.
		_ = c.Conn.Close()
		return nil, classify(err)
	}
	c.inTx = true
	return tx{c}, nil
}

type tx struct{ conn *conn }

func (t tx) Commit() error   { return t.end("commit") }
func (t tx) Rollback() error { return t.end("rollback") }

func (t tx) end(statement string) error {
	t.conn.inTx = false
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	tag, err := t.conn.Conn.Conn().Exec(ctx, statement)
	if err != nil {
		_ = t.conn.Conn.Close()
		return classify(err)
	}
	if statement == "commit" && tag.String() == "ROLLBACK" {
		return errors.New("the transaction was rolled back, because a statement in it had failed")
	}
	return nil
}

// rows reads the answer in PostgreSQL's text format.
type rows struct {
	rows    pgx.Rows
	results pgx.BatchResults
	types   *pgtype.Map
}

func (r *rows) Columns() []string {
	fields := r.rows.FieldDescriptions()
	names := make([]string, len(fields))
	for i, field := range fields {
		names[i] = field.Name
	}
	return names
}

func (r *rows) Close() error {
	r.rows.Close()
	return classify(errors.Join(r.rows.Err(), r.results.Close()))
}

func (r *rows) Next(dest []driver.Value) error {
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return classify(err)
		}
		return io.EOF
	}
	for i, raw := range r.rows.RawValues() {
		value, err := r.value(r.rows.FieldDescriptions()[i].DataTypeOID, r.rows.FieldDescriptions()[i].Format, raw)
		if err != nil {
			return err
		}
		dest[i] = value
	}
	return nil
}

// value turns a column into one of the types of driver.Value. What has none of its own stays text.
func (r *rows) value(oid uint32, format int16, raw []byte) (driver.Value, error) {
	if raw == nil {
		return nil, nil
	}
	switch oid {
	case pgtype.BoolOID:
		return scan[bool](r, oid, format, raw)
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID:
		return scan[int64](r, oid, format, raw)
	case pgtype.Float4OID, pgtype.Float8OID:
		return scan[float64](r, oid, format, raw)
	case pgtype.TimestamptzOID, pgtype.TimestampOID, pgtype.DateOID:
		return scan[time.Time](r, oid, format, raw)
	case pgtype.ByteaOID:
		return scan[[]byte](r, oid, format, raw)
	}
	return scan[string](r, oid, format, raw)
}

func scan[T any](r *rows, oid uint32, format int16, raw []byte) (driver.Value, error) {
	var value T
	err := r.types.Scan(oid, format, raw, &value)
	return value, err
}
