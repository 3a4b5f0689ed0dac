package pgwire

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	// cancelTimeout is how long PostgreSQL may take to answer once the context of a statement has ended and the statement
	// was cancelled.
	cancelTimeout = 2 * time.Second
	// cancelAgain is when to cancel once more. A cancellation that overtakes its statement is lost.
	cancelAgain = 200 * time.Millisecond
	// keepBytes is the size of a buffer that is worth keeping for what is written next.
	keepBytes = 64 << 10
)

// errCopy ends a connection: COPY FROM STDIN waits for data that nobody sends.
var errCopy = errors.New("COPY FROM STDIN does not work here")

// stmtError is where in a round trip PostgreSQL refused to go on. It ran nothing after that, and undid what was before.
type stmtError struct {
	*pgconn.PgError
	// statement is the one refused; nil means the commit after the last.
	statement *statement
	// bound says that PostgreSQL had accepted its parameters.
	bound bool
}

func (f *stmtError) Unwrap() error { return f.PgError }

// send puts a statement into the next round trip. Values and results are in PostgreSQL's text format.
func (c *conn) send(s *statement, values [][]byte) {
	if !s.parsed {
		c.appendMessage((&pgproto3.Parse{Name: s.name, Query: s.text}).Encode(c.out))
	}
	c.appendMessage((&pgproto3.Bind{PreparedStatement: s.name, Parameters: values}).Encode(c.out))
	if !s.described {
		c.appendMessage((&pgproto3.Describe{ObjectType: 'P'}).Encode(c.out))
	}
	c.appendMessage((&pgproto3.Execute{}).Encode(c.out))
	c.sent = append(c.sent, s)
}

// sync ends what is one transaction.
func (c *conn) sync() {
	c.appendMessage((&pgproto3.Sync{}).Encode(c.out))
	c.pendingSyncs++
}

// appendMessage takes what a message's Encode returns: what waits to be written, now with the message.
func (c *conn) appendMessage(out []byte, err error) {
	c.out, c.unwritable = out, errors.Join(c.unwritable, err)
}

// flush writes what waits to be written.
func (c *conn) flush() error {
	if err := c.unwritable; err != nil {
		return err
	}
	if len(c.out) == 0 {
		return nil
	}
	_, c.unwritable = c.pg.Conn().Write(c.out)
	c.out = c.out[:0]
	if cap(c.out) > keepBytes {
		c.out = nil
	}
	return c.unwritable
}

// roundTrip sends a statement in one round trip, after the settings of its caller unless they hold already. Outside of BEGIN
// and COMMIT all that PostgreSQL gets before a Sync is one transaction.
// https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
func (c *conn) roundTrip(ctx context.Context, caller *Caller, s *statement, values [][]byte, observed string) (*rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.closeInvalidated()
	if caller != nil && c.tx == nil {
		c.sendSettings(ctx, caller, c.settingsKind())
	}
	c.send(s, values)
	return c.syncAndReceive(ctx, observed)
}

// closeInvalidated tells PostgreSQL which statements it need no longer keep.
func (c *conn) closeInvalidated() {
	if c.statements == nil {
		return
	}
	for _, name := range c.statements.takeInvalidated() {
		c.appendMessage((&pgproto3.Close{ObjectType: 'S', Name: name}).Encode(c.out))
	}
}

// syncAndReceive makes a round trip of what was sent, and returns the result of the last statement.
func (c *conn) syncAndReceive(ctx context.Context, observed string) (*rows, error) {
	c.sync()
	return c.receiveResult(ctx, observed, time.Now())
}

// errLeft says that nobody waits for an answer any more.
var errLeft = errors.New("PostgreSQL has not answered")

// receiveResult waits for what was sent, and returns the result of the last statement before the next Sync.
//
// When ctx has ended, look wakes it, and it returns at once, whatever PostgreSQL does. Then left is set: whoever has the
// connection has finish called by another goroutine.
func (c *conn) receiveResult(ctx context.Context, observed string, since time.Time) (result *rows, err error) {
	asked := c.sent[len(c.sent)-1]
	began := time.Now()
	c.watchContext(ctx)
	r := &pending{sent: c.sent, result: new(rows)}
	lost := c.flush()
	if lost == nil {
		lost = c.receive(r)
	}
	took := time.Since(since)
	asked.took = time.Since(began)
	asked.fastest = min(cmp.Or(asked.fastest, asked.took), asked.took)
	if c.observe != nil && observed != "" {
		defer func() {
			affected := int64(0)
			if err == nil {
				affected = result.affected
			}
			c.observe(ctx, observed, took, affected, err)
		}()
	}
	woken := c.unwatch()
	switch {
	case woken && isTimeout(lost) && c.unwritable == nil:
		r.result = nil
		c.unfinished = r
		return nil, Unavailable(ctx, errLeft)
	case woken && lost == nil:
		lost = c.pg.Conn().SetDeadline(time.Time{})
	}
	c.sent = c.sent[:0]
	if lost != nil {
		c.closeBroken()
	}
	refused := r.refused
	switch {
	case refused != nil && refused.Code == "26000" && c.tx == nil && !refused.bound:
		// Somebody has deallocated what this connection had prepared. Nothing ran: the pool may try another connection.
		c.closeBroken()
		return nil, driver.ErrBadConn
	case refused != nil && refused.statement != nil && isSettings(refused.statement.text) && !strings.HasPrefix(refused.Code, "57"):
		if refused.Code == notFresh {
			return nil, c.notFresh(refused)
		}
		// Not the caller's fault, so it has no kind.
		return nil, fmt.Errorf("switch to the caller's role: %w", refused)
	case refused != nil:
		return nil, Classify(ctx, refused)
	case lost == ErrTooLarge:
		return nil, &Error{Message: fmt.Sprintf("a result has more than %d bytes", c.maxResult), kind: ErrTooLarge, cause: errors.New("the connection was closed")}
	case lost != nil:
		return nil, Classify(ctx, lost)
	}
	return r.result, c.afterStatement(asked, r.result.tag)
}

// drain has a statement cancelled that nobody waits for any more, and reads the rest of its answer.
//
// The connection stays in use if PostgreSQL said that it cancelled this statement and has nothing else to run; else the
// cancellation might still hit the next one, and the connection is closed. PostgreSQL may signal a process twice, as itself
// and as part of its group.
func (c *conn) drain() {
	r := c.unfinished
	c.unfinished, c.sent = nil, c.sent[:0]
	deadline := time.Now().Add(c.timeout)
	_ = c.pg.Conn().SetDeadline(deadline)
	answered, requests := make(chan struct{}), make(chan int, 1)
	go func() { requests <- c.cancel(answered, deadline) }()
	lost := c.receive(r)
	close(answered)
	hit := <-requests == 1 && lost == nil && c.pendingSyncs == 0 && r.refused != nil && strings.Contains(r.refused.Message, "due to user request")
	if !hit || c.pg.Conn().SetDeadline(time.Time{}) != nil {
		c.closeBroken()
	}
}

// pending is how far the answer to a round trip has been read.
type pending struct {
	sent    []*statement
	index   int  // of the one that is answered
	bound   bool // PostgreSQL has accepted its parameters
	refused *stmtError
	result  *rows // nil if nobody wants it
}

// receive reads answers up to that to the next Sync. After a timeout it may be called again. An error means that the
// connection is lost.
func (c *conn) receive(r *pending) error {
	for {
		message, err := c.pg.ReceiveMessage(context.Background())
		if err != nil {
			return tooLargeOr(err)
		}
		last := r.index == len(r.sent)-1
		switch message := message.(type) {
		case *pgproto3.ParseComplete:
			r.sent[r.index].parsed = r.sent[r.index].name != ""
		case *pgproto3.BindComplete:
			r.bound = true
		case *pgproto3.RowDescription:
			r.sent[r.index].describe(message.Fields)
		case *pgproto3.NoData:
			r.sent[r.index].describe(nil)
		case *pgproto3.DataRow:
			if last && r.result != nil {
				r.result.add(message.Values, r.sent[r.index].last)
				if r.result.size > c.maxResult {
					return ErrTooLarge
				}
			}
		case *pgproto3.CommandComplete:
			if last && r.result != nil {
				r.result.finish(r.sent[r.index].columns, string(message.CommandTag))
				r.sent[r.index].last = r.result.extent()
			}
			r.index, r.bound = r.index+1, false
		case *pgproto3.EmptyQueryResponse:
			r.index, r.bound = r.index+1, false
		case *pgproto3.ErrorResponse:
			if r.refused == nil {
				r.refused = &stmtError{PgError: pgconn.ErrorResponseToPgError(message), bound: r.bound}
				if r.index < len(r.sent) {
					r.refused.statement = r.sent[r.index]
				}
			}
		case *pgproto3.CopyInResponse:
			return errCopy
		case *pgproto3.ParameterStatus:
			c.report(message.Name, message.Value)
		case *pgproto3.ReadyForQuery:
			c.pendingSyncs--
			return nil
		}
	}
}

// tooLargeOr returns ErrTooLarge if a message is longer than a result may be, else err.
func tooLargeOr(err error) error {
	if tooLong := (*pgproto3.ExceededMaxBodyLenErr)(nil); errors.As(err, &tooLong) {
		return ErrTooLarge
	}
	return err
}

// isTimeout reports whether the deadline of the connection has passed.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// contextWatcher is who waits for an answer.
type contextWatcher struct {
	mu    sync.Mutex
	ctx   context.Context // nil if nobody does
	woken bool            // because ctx has ended
}

// watchContext lets look see the context of who waits for an answer.
func (c *conn) watchContext(ctx context.Context) {
	c.watcher.mu.Lock()
	c.watcher.ctx = ctx
	c.watcher.mu.Unlock()
}

// longAgo is a deadline that ends what waits for the connection.
var longAgo = time.Unix(1, 0)

// wakeIfDone wakes who waits for an answer if the context has ended.
func (c *conn) wakeIfDone() {
	w := &c.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx != nil && !w.woken && w.ctx.Err() != nil {
		w.woken = true
		_ = c.pg.Conn().SetDeadline(longAgo)
	}
}

// unwatch is called when nobody waits any more. It reports whether look has woken who did.
func (c *conn) unwatch() bool {
	w := &c.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	woken := w.woken
	w.ctx, w.woken = nil, false
	return woken
}

// cancel asks PostgreSQL, over connections of their own, to cancel what runs on this connection, until it has answered or
// the deadline is over. It returns how often it has asked.
func (c *conn) cancel(answered <-chan struct{}, deadline time.Time) (requests int) {
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	for {
		_ = c.pg.CancelRequest(ctx)
		requests++
		select {
		case <-answered:
			return requests
		case <-ctx.Done():
			return requests
		case <-time.After(cancelAgain):
		}
	}
}
