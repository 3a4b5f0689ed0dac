package pgwire

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"usergraph/internal/peek"
)

const (
	// maxBatch is how many statements travel in one write, at most.
	maxBatch = 16
	// maxBatchBytes is how many bytes of parameters do: fewer than the buffers of a socket take, so that writing never
	// waits for answers to be read.
	maxBatchBytes = 32 << 10
	// maxBatchTime is how long they took last time, all in all: the last one should have its answer before it hurries.
	maxBatchTime = batchRetryAfter / 2
	// sweepInterval is how often the pool looks whether those who wait still do: a context that has ended ends its statement
	// so much later, and until then one that only reads may still be sent. To hear of it at once costs each statement more
	// than this costs all of them.
	sweepInterval = 10 * time.Millisecond
)

var errClosed = errors.New("the database is closed")

// Pool holds the connections to PostgreSQL. Whoever gets one takes along those next in line who only read: the statements
// travel in one write, each with its own caller's settings in a transaction of its own, and each is waited for, and
// cancelled if need be, by who sent it. So a busy server makes fewer system calls, and a lone statement goes at once.
type Pool struct {
	open     func(ctx context.Context) (*conn, error)
	maxOpen  int
	interval time.Duration // see lookEvery

	mu         sync.Mutex
	conns      []*conn
	idle       []*conn   // the last one to become idle is taken first
	count      int       // connections, those being opened included
	queue      []*waiter // settled ones among them have left
	yielding   bool      // somebody will serve the line in a moment
	sweepArmed bool      // the timer is set
	timer      *time.Timer
	closed     bool
	waits      int64
	waited     time.Duration
	expired    int64
}

// waiter stands in line for a connection.
type waiter struct {
	ctx   context.Context
	job   *job       // nil for who needs the connection alone
	known *statement // set when the statement travels with that of another
	since time.Time  // when it began to wait; zero if it did not have to
	// ready gets what it waits for, once; settled, under pool.mu, says that it has.
	ready chan grant
	done  bool
}

// grant is what comes to those who stand in line.
type grant struct {
	// conn is a connection that one may use now. If it is nil, one may be opened, or open is false: then ask again.
	conn *conn
	open bool
	// known is set if the statement travels with others: behind are those that follow it.
	known     *statement
	followers []*waiter
	sent      time.Time // when they were; zero if they have to be
}

// acquire waits for a connection, or until ctx ends. A job may travel with others; without one the connection is for
// whoever asks, alone.
func (p *Pool) acquire(ctx context.Context, j *job) (grant, error) {
	for {
		if err := ctx.Err(); err != nil {
			return grant{}, err
		}
		t, w, err := p.acquireOrEnqueue(ctx, j)
		if err != nil {
			return grant{}, err
		}
		if w != nil {
			t = <-w.ready
		}
		if t.open {
			c, err := p.open(ctx)
			p.opened(c)
			if err != nil {
				return grant{}, err
			}
			t.conn = c
		}
		if t.conn != nil {
			if t.known == nil && t.conn.stale() {
				if err := t.conn.refresh(ctx); err != nil {
					lost := t.conn.pg.IsClosed()
					p.release(t.conn)
					if lost && ctx.Err() == nil {
						continue
					}
					return grant{}, err
				}
			}
			return t, nil
		}
	}
}

// acquireOrEnqueue returns a connection if all are idle, else a place in line.
func (p *Pool) acquireOrEnqueue(ctx context.Context, j *job) (grant, *waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return grant{}, nil, errClosed
	}
	p.armSweep()
	if p.count == len(p.idle) && p.peek() == nil {
		if c := p.takeIdle(); c != nil {
			return grant{conn: c}, nil, nil
		}
	}
	w := &waiter{ctx: ctx, job: j, ready: make(chan grant, 1)}
	p.queue = append(p.queue, w)
	if !p.yielding {
		p.yield()
		p.serve()
	}
	if !w.done && len(p.idle) == 0 && p.count == p.maxOpen {
		w.since = time.Now()
		p.waits++
	}
	return grant{}, w, nil
}

// yield lets others go on who can, and perhaps stand in line: on a busy machine their statements then travel together.
// Where nobody else can run it takes no time.
func (p *Pool) yield() {
	p.yielding = true
	p.mu.Unlock()
	runtime.Gosched()
	p.mu.Lock()
	p.yielding = false
}

// serve gives those in line what there is, under mu.
func (p *Pool) serve() {
	for p.peek() != nil {
		if c := p.takeIdle(); c != nil {
			p.fillBatch(c)
		} else if p.count < p.maxOpen && !p.closed {
			p.count++
			p.pop().grant(grant{open: true})
		} else {
			return
		}
	}
}

// takeIdle returns an idle connection that can be used, under mu, or nil.
func (p *Pool) takeIdle() *conn {
	for len(p.idle) > 0 {
		last := len(p.idle) - 1
		c := p.idle[last]
		p.idle = p.idle[:last]
		if c.reusable() && peek.Quiet(c.socket) {
			return c
		}
		p.drop(c)
	}
	return nil
}

// fillBatch gives a connection to the first in line, under mu, with those whose statements travel with the first one's.
func (p *Pool) fillBatch(c *conn) {
	first := p.pop()
	t := grant{conn: c, known: c.batchable(first.job)}
	if t.known != nil {
		bytes, took := first.job.size(), t.known.took
		for w := p.peek(); w != nil && len(t.followers) < maxBatch-1; w = p.peek() {
			known := c.batchable(w.job)
			if known == nil {
				break
			}
			bytes += w.job.size()
			took += known.took
			if bytes > maxBatchBytes || took > maxBatchTime {
				break
			}
			w.known = known
			t.followers = append(t.followers, p.pop())
		}
		c.batchSentAt = time.Now()
	}
	if len(t.followers) == 0 {
		t.known = nil
	}
	c.followers = t.followers
	first.grant(t)
}

// peek returns the first in line, under mu, or nil.
func (p *Pool) peek() *waiter {
	for len(p.queue) > 0 && p.queue[0].done {
		p.dropFirst()
	}
	if len(p.queue) == 0 {
		return nil
	}
	return p.queue[0]
}

// pop takes the first out of the line, under mu.
func (p *Pool) pop() *waiter {
	w := p.queue[0]
	p.dropFirst()
	if !w.since.IsZero() {
		p.waited += time.Since(w.since)
	}
	return w
}

// dropFirst moves the line up, under mu, and keeps nothing of who was the first.
func (p *Pool) dropFirst() {
	p.queue[0] = nil
	p.queue = p.queue[1:]
}

// armSweep has somebody look at those who wait, under mu, from now until no connection is in use.
func (p *Pool) armSweep() {
	switch {
	case p.sweepArmed:
		return
	case p.timer == nil:
		p.timer = time.AfterFunc(p.interval, p.sweep)
	default:
		p.timer.Reset(p.interval)
	}
	p.sweepArmed = true
}

// sweep has those go whose context has ended. Those behind a statement that has become slow ask for another connection.
func (p *Pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.queue {
		if !w.done && w.ctx.Err() != nil {
			w.grant(grant{})
		}
	}
	for _, c := range p.conns {
		late := time.Since(c.batchSentAt) > batchRetryAfter
		for _, w := range c.followers {
			if !w.done && (late || w.ctx.Err() != nil) {
				w.grant(grant{})
			}
		}
		c.wakeIfDone()
	}
	p.sweepArmed = p.count > len(p.idle)
	if p.sweepArmed {
		p.timer.Reset(p.interval)
	}
}

// grant hands a waiter its turn. It returns false if it has had one: it has left.
func (p *Pool) grant(w *waiter, t grant) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return w.grant(t)
}

// grant is Pool.give under mu.
func (w *waiter) grant(t grant) bool {
	if w.done {
		return false
	}
	w.done = true
	w.ready <- t
	return true
}

// release takes a connection back, and gives it to the next in line.
func (p *Pool) release(c *conn) {
	if c.unfinished != nil {
		go func() {
			c.drain()
			p.release(c)
		}()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c.followers = nil
	switch {
	case p.closed || !c.reusable():
		p.drop(c)
		p.serve()
	case p.peek() != nil:
		p.fillBatch(c)
	default:
		p.idle = append(p.idle, c)
	}
}

// opened counts a connection that could be opened. nil could not be, and lets the next in line try.
func (p *Pool) opened(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c != nil {
		p.conns = append(p.conns, c)
		return
	}
	p.count--
	p.serve()
}

// drop closes a connection that is of no more use, under mu.
func (p *Pool) drop(c *conn) {
	p.forget(c)
	if c.old() {
		p.expired++
	}
	go c.Close()
}

// forget counts one connection less, under mu.
func (p *Pool) forget(c *conn) {
	p.count--
	last := len(p.conns) - 1
	p.conns[slices.Index(p.conns, c)] = p.conns[last]
	p.conns[last] = nil
	p.conns = p.conns[:last]
}

// close closes what is idle. What is in use is closed when it comes back.
func (p *Pool) close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	for _, c := range idle {
		p.forget(c)
	}
	p.idle = nil
	for p.peek() != nil {
		p.pop().grant(grant{})
	}
	p.mu.Unlock()
	var closing sync.WaitGroup
	for _, c := range idle {
		closing.Go(func() { c.Close() })
	}
	closing.Wait()
}

// Stats counts the connections, and who had to wait for one.
func (p *Pool) Stats() sql.DBStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return sql.DBStats{
		MaxOpenConnections: p.maxOpen,
		OpenConnections:    p.count,
		InUse:              p.count - len(p.idle),
		Idle:               len(p.idle),
		WaitCount:          p.waits,
		WaitDuration:       p.waited,
		MaxLifetimeClosed:  p.expired,
	}
}

// Inspect gives tests so many connections at the same time, past all callers.
func (p *Pool) Inspect(ctx context.Context, n int, look func(pg *pgconn.PgConn, behindPooler bool) error) error {
	for range n {
		t, err := p.acquire(ctx, nil)
		if err != nil {
			return err
		}
		defer p.release(t.conn)
		if err := look(t.conn.pg, t.conn.statements == nil); err != nil {
			return err
		}
	}
	return nil
}
