package pgwire

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// Connector is the pool as database/sql sees it, which opens as many lanes as there are statements: the pool has them wait.
func (p *Pool) Connector() driver.Connector { return connector{p} }

type connector struct{ pool *Pool }

func (l connector) Connect(context.Context) (driver.Conn, error) {
	return &driverConn{pool: l.pool}, nil
}
func (l connector) Driver() driver.Driver { return noDriver{} }

// Close is called when the sql.DB is closed.
func (l connector) Close() error {
	l.pool.close()
	return nil
}

// noDriver is the answer to database/sql's wish for a driver that opens connections by name.
type noDriver struct{}

func (noDriver) Open(string) (driver.Conn, error) { return nil, errors.ErrUnsupported }

// errFailed is the answer to what comes after a statement of a transaction that its caller has not waited for.
var errFailed = errors.New("the transaction has failed: the context of one of its statements has ended")

// driverConn is what database/sql takes for a connection. It holds one only while a transaction is open.
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

func (l *driverConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	return l.run(ctx, text, args)
}

func (l *driverConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	result, err := l.run(ctx, text, args)
	if err != nil {
		return nil, err
	}
	return driver.RowsAffected(result.affected), nil
}

func (l *driverConn) run(ctx context.Context, text string, args []driver.NamedValue) (*rows, error) {
	if len(args) > 0 {
		return nil, errors.New("arguments are written as ?, and bun puts them into the statement")
	}
	if l.conn != nil {
		if l.conn.unfinished != nil {
			return nil, errFailed
		}
		j, err := newJob(ctx, l.conn.tx.caller, text)
		if err != nil {
			return nil, err
		}
		return l.conn.run(j)
	}
	scope, err := fromContext(ctx)
	if err != nil {
		return nil, err
	}
	j, err := newJob(scope.Context, scope.caller, text)
	if err != nil {
		return nil, err
	}
	return l.pool.query(j)
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
func (l *driverConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
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
		turn, err := l.pool.acquire(ctx, nil)
		if err != nil {
			return nil, err
		}
		err = turn.conn.begin(ctx, scope.caller, begin)
		if err == nil {
			l.conn = turn.conn
			return l, nil
		}
		l.pool.release(turn.conn)
		if err != driver.ErrBadConn {
			return nil, err
		}
	}
}

// Commit ends the transaction. A transaction that had failed is rolled back instead, and that is an error.
func (l *driverConn) Commit() error {
	if l.conn.unfinished != nil {
		_ = l.Rollback()
		return errFailed
	}
	defer l.end()
	return l.conn.commit()
}

// Rollback ends the transaction. Where its context has ended, nobody waits for that.
func (l *driverConn) Rollback() error {
	c := l.conn
	if ctx := c.tx.ctx; c.unfinished == nil && ctx.Err() == nil {
		defer l.end()
		return c.rollback(ctx)
	}
	l.conn = nil
	go func() {
		defer l.pool.release(c)
		if c.unfinished != nil {
			c.drain()
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.tx.ctx), c.patience)
		defer cancel()
		_ = c.rollback(ctx)
	}()
	return nil
}

func (l *driverConn) end() {
	l.pool.release(l.conn)
	l.conn = nil
}

// Ping asks PostgreSQL for an answer, over a connection of the pool.
func (l *driverConn) Ping(ctx context.Context) error {
	turn, err := l.pool.acquire(ctx, nil)
	if err != nil {
		return err
	}
	defer l.pool.release(turn.conn)
	return turn.conn.ping(ctx)
}

// IsValid says whether database/sql may use the lane again.
func (l *driverConn) IsValid() bool { return l.conn == nil }

// Close ends what was left open.
func (l *driverConn) Close() error {
	if l.conn != nil {
		l.conn.closeBroken()
		l.end()
	}
	return nil
}

func (l *driverConn) Prepare(string) (driver.Stmt, error) {
	return nil, errors.New("the pool prepares statements by itself")
}

func (l *driverConn) Begin() (driver.Tx, error) {
	return l.BeginTx(context.Background(), driver.TxOptions{})
}
