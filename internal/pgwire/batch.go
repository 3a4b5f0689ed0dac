package pgwire

import (
	"context"
	"database/sql/driver"
	"time"
)

const (
	// quickAnswer bounds how long a statement of a batch took last time: its followers wait for it.
	quickAnswer = 10 * time.Millisecond
	// nearAnswer bounds the fastest answer to a statement that waits for a batch while connections are idle. Where PostgreSQL is
	// farther away, the wait would be a round trip.
	nearAnswer = time.Millisecond
	// batchRetryAfter is how long followers wait for the statements before theirs. The next sweep has them ask for another
	// connection.
	batchRetryAfter = 100 * time.Millisecond
	// discardTimeout is how long the statement of a follower that has left may run before it is cancelled. Most have ended
	// by then, and their connection stays in use.
	discardTimeout = 100 * time.Millisecond
)

// query runs a statement on a connection of the pool.
func (p *Pool) query(j *job) (*rows, error) {
	for {
		t, err := p.acquire(j.ctx, j)
		if err != nil {
			return nil, err
		}
		if t.known == nil {
			result, err := p.exclusive(t.conn, j)
			if err == driver.ErrBadConn && j.ctx.Err() == nil {
				continue
			}
			return result, err
		}
		if result, err, again := p.runBatched(t, j); !again {
			return result, err
		}
	}
}

// exclusive runs a statement on a connection that runs nothing else meanwhile.
func (p *Pool) exclusive(c *conn, j *job) (*rows, error) {
	defer p.release(c)
	return c.run(j)
}

// runBatched sends a batch, unless an earlier statement of it has, and reads the answer to its own statement. again says that
// the statement has to run once more: it cannot run the way it was prepared.
func (p *Pool) runBatched(t grant, j *job) (result *rows, err error, again bool) {
	if t.sent.IsZero() {
		t.sent = time.Now()
		t.conn.closeInvalidated()
		t.conn.queueStatement(j, t.known)
		for _, w := range t.followers {
			t.conn.queueStatement(w.job, w.known)
		}
	}
	defer p.handOver(t)
	t.conn.expect(t.known)
	result, err = t.conn.receiveResult(j.ctx, j.text, t.sent)
	return result, err, err == driver.ErrBadConn || t.conn.mustReprepare(j.caller.Role, t.known, err)
}

// handOver passes a connection on to the next follower, and releases it after the last. It does not wait, because its caller
// has an answer to return.
func (p *Pool) handOver(t grant) {
	if t.conn.unfinished != nil {
		go func() {
			t.conn.drain()
			p.handOver(t)
		}()
		return
	}
	for len(t.followers) > 0 {
		w := t.followers[0]
		t.known, t.followers = w.known, t.followers[1:]
		if t.conn.pg.IsClosed() {
			p.grant(w, grant{})
		} else if p.grant(w, t) {
			return
		} else {
			go p.discardNext(t)
			return
		}
	}
	p.release(t.conn)
}

// discardNext reads the answer to a follower that has left.
func (p *Pool) discardNext(t grant) {
	t.conn.discard(t.known)
	p.handOver(t)
}

// size is about how many bytes a statement takes on the wire.
func (j *job) size() int {
	size := 200 + len(j.caller.Claims)
	for _, value := range j.values {
		size += len(value)
	}
	return size
}

// batchable returns how a statement is prepared, or nil if it is not sent in a batch. A batch has statements that only read,
// since they may run once more, and that this connection has run quickly before.
func (c *conn) batchable(j *job) *statement {
	if j == nil || !j.caller.ReadOnly || c.statements == nil || c.stale() || !c.statements.settings[ownKind+readOnlyKind].described {
		return nil
	}
	known := c.statements.entries[statementKey{j.caller.Role, j.text}]
	if known == nil || !known.described || known.took > c.quick {
		return nil
	}
	return known
}

// queueStatement puts a statement, in a transaction of its own, into what is sent next.
func (c *conn) queueStatement(j *job, known *statement) {
	c.sendSettings(j.ctx, j.caller, ownKind)
	c.send(known, j.values)
	c.sync()
	c.sent = c.sent[:0]
}

// expect says that the next answer is that of a statement of a batch. For its settings any will do: they have been described.
func (c *conn) expect(known *statement) {
	c.sent = append(c.sent[:0], &c.statements.settings[ownKind+readOnlyKind], known)
}

// discard reads the answer to a statement whose caller has left.
func (c *conn) discard(known *statement) {
	ctx, cancel := context.WithTimeout(context.Background(), discardTimeout)
	defer cancel()
	c.expect(known)
	_, _ = c.receiveResult(ctx, "", time.Time{})
}
