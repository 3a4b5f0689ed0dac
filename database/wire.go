package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	// cancelPatience is how long PostgreSQL may take to answer once the context of a statement has ended and the statement
	// was cancelled.
	cancelPatience = 2 * time.Second
	// cancelAgain is when to cancel once more. A cancellation that overtakes its statement is lost.
	cancelAgain = 200 * time.Millisecond
	// soonAnswer is how soon the last answer must have come for the next one to be waited for awake: PostgreSQL is on the
	// same machine, or next to it. Going to sleep and being woken takes about as much CPU then, and longer.
	soonAnswer = 300 * time.Microsecond
	// keepBytes is the size of a buffer that is worth keeping for what is written next.
	keepBytes = 64 << 10
)

// errCopy ends a connection: COPY FROM STDIN waits for data that nobody sends.
var errCopy = errors.New("COPY FROM STDIN does not work here")

// failure is where in a round trip PostgreSQL refused to go on. It ran nothing after that, and undid what was before.
type failure struct {
	*pgconn.PgError
	// statement is the one refused; nil means the commit after the last.
	statement *statement
	// begun says that PostgreSQL had accepted its parameters.
	begun bool
}

func (f *failure) Unwrap() error { return f.PgError }

// send puts a statement into the next round trip. Values and results are in PostgreSQL's text format.
func (c *conn) send(s *statement, values [][]byte) {
	if !s.parsed {
		c.put((&pgproto3.Parse{Name: s.name, Query: s.text}).Encode(c.out))
	}
	c.put((&pgproto3.Bind{PreparedStatement: s.name, Parameters: values}).Encode(c.out))
	if !s.described {
		c.put((&pgproto3.Describe{ObjectType: 'P'}).Encode(c.out))
	}
	c.put((&pgproto3.Execute{}).Encode(c.out))
	c.sent = append(c.sent, s)
}

// sync ends what is one transaction.
func (c *conn) sync() {
	c.put((&pgproto3.Sync{}).Encode(c.out))
	c.ahead++
}

// put takes what a message's Encode returns: what waits to be written, now with the message.
func (c *conn) put(out []byte, err error) { c.out, c.unwritable = out, errors.Join(c.unwritable, err) }

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

// trip sends a statement in one round trip, after the settings of its caller unless they hold already. Outside of BEGIN
// and COMMIT all that PostgreSQL gets before a Sync is one transaction.
// https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
func (c *conn) trip(ctx context.Context, caller *session, s *statement, values [][]byte, observed string) (*rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.sendForgotten()
	if caller != nil && c.tx == nil {
		c.sendSettings(ctx, caller, c.settingsKind())
	}
	c.send(s, values)
	return c.exchange(ctx, observed)
}

// sendForgotten tells PostgreSQL which statements it need no longer keep.
func (c *conn) sendForgotten() {
	if c.statements == nil {
		return
	}
	for _, name := range c.statements.takeForgotten() {
		c.put((&pgproto3.Close{ObjectType: 'S', Name: name}).Encode(c.out))
	}
}

// exchange makes a round trip of what was sent, and returns the result of the last statement.
func (c *conn) exchange(ctx context.Context, observed string) (*rows, error) {
	c.sync()
	return c.answer(ctx, observed, time.Now())
}

// answer waits for what was sent, and returns the result of the last statement before the next Sync.
//
// When ctx has ended, look has the statement cancelled in PostgreSQL. The connection stays in use if PostgreSQL said that
// it cancelled this statement and has nothing else to run; else the cancellation might still hit the next one, and the
// connection is closed. PostgreSQL may signal a process twice, as itself and as part of its group.
func (c *conn) answer(ctx context.Context, observed string, since time.Time) (result *rows, err error) {
	asked, began := c.sent[len(c.sent)-1], time.Now()
	c.watch(ctx)
	result = new(rows)
	if c.lone && c.took < c.soon && asked.took < c.soon && c.flush() == nil {
		waitAwake(c.socket, c.soon)
	}
	refused, lost := c.receive(result)
	took := time.Since(since)
	c.took, c.away = time.Since(began), took
	asked.measure(c.took)
	if c.observe != nil && observed != "" {
		defer func() { c.observe(ctx, observed, took, err) }()
	}
	requests := c.unwatch()
	if lost != nil {
		c.abandon()
	}
	if requests > 0 {
		hit := requests == 1 && c.ahead == 0 && refused != nil && strings.Contains(refused.Message, "due to user request")
		if !hit || c.pg.Conn().SetDeadline(time.Time{}) != nil {
			c.abandon()
		}
	}
	switch {
	case refused != nil && refused.Code == "26000" && c.tx == nil && !refused.begun:
		// Somebody has deallocated what this connection had prepared. Nothing ran: the pool may try another connection.
		c.abandon()
		return nil, driver.ErrBadConn
	case refused != nil && refused.statement != nil && isSettings(refused.statement.text) && !strings.HasPrefix(refused.Code, "57"):
		if refused.Code == notFresh {
			return nil, c.notFresh(refused)
		}
		// Not the caller's fault, so it has no kind.
		return nil, fmt.Errorf("switch to the caller's role: %w", refused)
	case refused != nil:
		return nil, classify(ctx, refused)
	case lost == ErrTooLarge:
		return nil, &Error{Message: fmt.Sprintf("a result has more than %d bytes", c.maxResult), kind: ErrTooLarge, cause: errors.New("the connection was closed")}
	case lost != nil:
		return nil, classify(ctx, lost)
	}
	return result, c.settle(asked, result.tag)
}

// receive sends what waits to be sent and reads all answers. refused is what PostgreSQL says is wrong; err means that the
// connection is lost.
func (c *conn) receive(result *rows) (refused *failure, lost error) {
	sent := c.sent
	c.sent = c.sent[:0]
	if err := c.flush(); err != nil {
		return nil, err
	}
	var index int
	var begun bool
	for {
		message, err := c.pg.ReceiveMessage(context.Background())
		if tooLong := (*pgproto3.ExceededMaxBodyLenErr)(nil); errors.As(err, &tooLong) {
			return refused, ErrTooLarge
		}
		if err != nil {
			return refused, err
		}
		switch message := message.(type) {
		case *pgproto3.ParseComplete:
			sent[index].parsed = sent[index].name != ""
		case *pgproto3.BindComplete:
			begun = true
		case *pgproto3.RowDescription:
			sent[index].describe(message.Fields)
		case *pgproto3.NoData:
			sent[index].describe(nil)
		case *pgproto3.DataRow:
			if index == len(sent)-1 {
				result.add(message.Values)
				if result.size > c.maxResult {
					return refused, ErrTooLarge
				}
			}
		case *pgproto3.CommandComplete:
			if index == len(sent)-1 {
				result.finish(sent[index].columns, string(message.CommandTag))
			}
			index, begun = index+1, false
		case *pgproto3.EmptyQueryResponse:
			index, begun = index+1, false
		case *pgproto3.ErrorResponse:
			if refused == nil {
				refused = &failure{PgError: pgconn.ErrorResponseToPgError(message), begun: begun}
				if index < len(sent) {
					refused.statement = sent[index]
				}
			}
		case *pgproto3.CopyInResponse:
			return refused, errCopy
		case *pgproto3.ParameterStatus:
			c.report(message.Name, message.Value)
		case *pgproto3.ReadyForQuery:
			c.ahead--
			return refused, nil
		}
	}
}

// watched is who waits for an answer.
type watched struct {
	mu  sync.Mutex
	ctx context.Context // nil if nobody does
	// answered and requests are set once ctx has ended and the statement is being cancelled.
	answered chan struct{}
	requests chan int
}

// watch lets look see the context of who waits for an answer.
func (c *conn) watch(ctx context.Context) {
	c.watched.mu.Lock()
	c.watched.ctx = ctx
	c.watched.mu.Unlock()
}

// look cancels the statement if its context has ended.
func (c *conn) look() {
	w := &c.watched
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx == nil || w.answered != nil || w.ctx.Err() == nil {
		return
	}
	answered, requests := make(chan struct{}), make(chan int, 1)
	w.answered, w.requests = answered, requests
	go func() { requests <- c.cancel(answered) }()
}

// unwatch is called when the answer is there. It returns how often PostgreSQL was asked to cancel the statement.
func (c *conn) unwatch() (requests int) {
	c.watched.mu.Lock()
	ended := c.watched.requests
	if ended != nil {
		close(c.watched.answered)
	}
	c.watched.ctx, c.watched.answered, c.watched.requests = nil, nil, nil
	c.watched.mu.Unlock()
	if ended == nil {
		return 0
	}
	return <-ended
}

// cancel asks PostgreSQL, over connections of their own, to cancel what runs on this connection, until it has answered or
// cancelPatience is over. It returns how often it has asked.
func (c *conn) cancel(answered <-chan struct{}) (requests int) {
	deadline := time.Now().Add(cancelPatience)
	_ = c.pg.Conn().SetDeadline(deadline)
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
