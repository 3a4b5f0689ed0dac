package pgwire

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// Connector is the pool as database/sql sees it. database/sql opens a driverConn for each statement; the pool queues them.
func (p *Pool) Connector() driver.Connector { return connector{p} }

type connector struct{ pool *Pool }

func (c connector) Connect(context.Context) (driver.Conn, error) {
	return &driverConn{pool: c.pool}, nil
}

// Driver returns nil: connections are not opened by name.
func (c connector) Driver() driver.Driver { return nil }

// Close is called when the sql.DB is closed.
func (c connector) Close() error {
	c.pool.close()
	return nil
}

// errFailed refuses statements of a transaction after one whose answer was not waited for.
var errFailed = errors.New("the transaction has failed: the context of one of its statements has ended")

// driverConn is a connection of database/sql. It holds one of the pool only while a transaction is open.
type driverConn struct {
	pool *Pool
	conn *conn // nil outside of transactions
}

var (
	_ driver.QueryerContext = (*driverConn)(nil)
	_ driver.ExecerContext  = (*driverConn)(nil)
	_ driver.ConnBeginTx    = (*driverConn)(nil)
	_ driver.Pinger         = (*driverConn)(nil)
	_ driver.Validator      = (*driverConn)(nil)
)

func (d *driverConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	found, err := d.run(ctx, text, args)
	if r, ok := ctx.Value(resultKey{}).(*Result); ok {
		r.rows = found
	}
	return found, err
}

func (d *driverConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	result, err := d.run(ctx, text, args)
	if err != nil {
		return nil, err
	}
	return driver.RowsAffected(result.affected), nil
}

func (d *driverConn) run(ctx context.Context, text string, args []driver.NamedValue) (*rows, error) {
	if len(args) > 0 {
		return nil, errors.New("arguments are written as ?, and bun puts them into the statement")
	}
	if d.conn != nil {
		if d.conn.unfinished != nil {
			return nil, errFailed
		}
		j, err := newJob(ctx, d.conn.tx.caller, text)
		if err != nil {
			return nil, err
		}
		return d.conn.run(j)
	}
	scope, err := fromContext(ctx)
	if err != nil {
		return nil, err
	}
	j, err := newJob(scope.Context, scope.caller, text)
	if err != nil {
		return nil, err
	}
	return d.pool.query(j)
}

// isolation is what BEGIN says for a level of database/sql.
var isolation = map[sql.IsolationLevel]string{
	sql.LevelDefault:         "begin",
	sql.LevelReadUncommitted: "begin isolation level read uncommitted",
	sql.LevelReadCommitted:   "begin isolation level read committed",
	sql.LevelRepeatableRead:  "begin isolation level repeatable read",
	sql.LevelSnapshot:        "begin isolation level repeatable read",
	sql.LevelSerializable:    "begin isolation level serializable",
}

// BeginTx starts a transaction and makes it the caller's, in one round trip.
func (d *driverConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	scope, err := fromContext(ctx)
	if err != nil {
		return nil, err
	}
	begin, ok := isolation[sql.IsolationLevel(opts.Isolation)]
	if !ok {
		return nil, errors.New("PostgreSQL does not know this isolation level")
	}
	if opts.ReadOnly {
		begin += " read only"
	}
	for {
		turn, err := d.pool.acquire(ctx, nil)
		if err != nil {
			return nil, err
		}
		err = turn.conn.begin(ctx, scope.caller, begin)
		if err == nil {
			d.conn = turn.conn
			return d, nil
		}
		d.pool.release(turn.conn)
		if err != driver.ErrBadConn {
			return nil, err
		}
	}
}

// Commit ends the transaction. A transaction that had failed is rolled back instead, and that is an error.
func (d *driverConn) Commit() error {
	if d.conn.unfinished != nil {
		_ = d.Rollback()
		return errFailed
	}
	defer d.end()
	return d.conn.commit()
}

// Rollback ends the transaction, in the background if its context has ended.
func (d *driverConn) Rollback() error {
	c := d.conn
	if ctx := c.tx.ctx; c.unfinished == nil && ctx.Err() == nil {
		defer d.end()
		return c.rollback(ctx)
	}
	d.conn = nil
	go func() {
		defer d.pool.release(c)
		if c.unfinished != nil {
			c.drain()
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.tx.ctx), c.timeout)
		defer cancel()
		_ = c.rollback(ctx)
	}()
	return nil
}

func (d *driverConn) end() {
	d.pool.release(d.conn)
	d.conn = nil
}

// Ping asks PostgreSQL for an answer, over a connection of the pool.
func (d *driverConn) Ping(ctx context.Context) error {
	turn, err := d.pool.acquire(ctx, nil)
	if err != nil {
		return err
	}
	defer d.pool.release(turn.conn)
	return turn.conn.ping(ctx)
}

// IsValid reports whether database/sql may use the driverConn again.
func (d *driverConn) IsValid() bool { return d.conn == nil }

// Close ends what was left open.
func (d *driverConn) Close() error {
	if d.conn != nil {
		d.conn.closeBroken()
		d.end()
	}
	return nil
}

func (d *driverConn) Prepare(string) (driver.Stmt, error) {
	return nil, errors.New("the pool prepares statements by itself")
}

func (d *driverConn) Begin() (driver.Tx, error) {
	return d.BeginTx(context.Background(), driver.TxOptions{})
}
