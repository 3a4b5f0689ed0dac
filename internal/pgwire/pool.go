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
	// maxBatch bounds the statements of a batch. 1 turns batching off: see bench/README.md for what it saves.
	maxBatch = 16
	// maxBatches is how many connections run batches before a quick statement waits for one of them, instead of taking an idle
	// connection: in fewer and larger batches a statement costs PostgreSQL and this program a tenth less, see bench/README.md.
	maxBatches = 4
	// maxBatchBytes bounds the bytes of their parameters. The buffers of a socket take more, so that writing a batch never
	// waits for answers to be read.
	maxBatchBytes = 32 << 10
	// maxBatchTime bounds how long they took last time, all in all. Then the last one has its answer before batchRetryAfter.
	maxBatchTime = batchRetryAfter / 2
	// sweepInterval is how often the pool checks the contexts of queued and running statements. A context.AfterFunc for each
	// statement costs more than the sweep of all.
	sweepInterval = 10 * time.Millisecond
)

var errClosed = errors.New("the database is closed")

// Pool holds the connections to PostgreSQL. A waiter that is granted a connection also sends the read-only statements queued
// after its own. All are written at once. Each has its own Sync, so each runs as its own caller, and each goroutine reads and
// cancels its own statement. A statement that finds all connections idle is sent at once.
type Pool struct {
	open     func(ctx context.Context) (*conn, error)
	maxOpen  int
	interval time.Duration // see sweepInterval
	quick    time.Duration // see quickAnswer
	near     time.Duration // see nearAnswer
	batches  int           // see maxBatches

	mu         sync.Mutex
	conns      []*conn
	idle       []*conn   // the last one to become idle is taken first
	count      int       // of connections, with those being opened
	queue      []*waiter // a waiter that is done has left
	yielding   bool      // a goroutine serves the queue in a moment
	sweepArmed bool      // the timer is set
	timer      *time.Timer
	closed     bool
	waits      int64
	waited     time.Duration
	expired    int64
}

// waiter is a statement, or a transaction, that waits for a connection.
type waiter struct {
	ctx   context.Context
	job   *job       // nil if it needs the connection for itself
	known *statement // set when the statement is in a batch
	since time.Time  // when it began to wait; zero if it did not have to
	// ready receives the grant, once. done, under Pool.mu, says that it has.
	ready chan grant
	done  bool
}

// grant is what a waiter receives.
type grant struct {
	// conn is the connection to use. Without it the waiter opens one, or asks again if open is false.
	conn *conn
	open bool
	// known is set if the statement is in a batch, and followers are the rest of the batch.
	known     *statement
	followers []*waiter
	sent      time.Time // when the batch was written; zero if it has to be
}

// acquire waits for a connection, or until ctx ends. A job may be sent in a batch; without a job the connection is exclusive.
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

// acquireOrEnqueue returns a connection if all are idle, else a waiter in the queue.
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

// yield yields the processor once, so that runnable goroutines can queue their statements and share the batch. It takes no
// time where no other goroutine can run.
func (p *Pool) yield() {
	p.yielding = true
	p.mu.Unlock()
	runtime.Gosched()
	p.mu.Lock()
	p.yielding = false
}

// serve grants idle connections, and the right to open more, to the queue. The caller holds mu.
func (p *Pool) serve() {
	for p.peek() != nil && !p.shouldWait() {
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

// shouldWait reports whether the first waiter should be in the next batch of a busy connection rather than take an idle one.
// It should if enough connections run batches, the statement is so quick that one of them is back at once, and no waiter
// has come since that needs a connection for itself. The caller holds mu.
func (p *Pool) shouldWait() bool {
	if len(p.idle) == 0 {
		return false
	}
	idle := p.idle[len(p.idle)-1]
	known := idle.batchable(p.queue[0].job)
	if known == nil || known.fastest > p.near || idle.batchable(p.queue[len(p.queue)-1].job) == nil {
		return false
	}
	running, now := 0, time.Now()
	for _, c := range p.conns {
		if now.Sub(c.batchSentAt) < p.quick {
			running++
		}
	}
	return running >= p.batches
}

// takeIdle returns an idle connection that can be used, or nil. The caller holds mu.
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

// fillBatch grants a connection to the first waiter, with the statements that are sent in its batch. The caller holds mu.
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

// peek returns the first waiter, or nil. The caller holds mu.
func (p *Pool) peek() *waiter {
	for len(p.queue) > 0 && p.queue[0].done {
		p.dropFirst()
	}
	if len(p.queue) == 0 {
		return nil
	}
	return p.queue[0]
}

// pop removes the first waiter. The caller holds mu.
func (p *Pool) pop() *waiter {
	w := p.queue[0]
	p.dropFirst()
	if !w.since.IsZero() {
		p.waited += time.Since(w.since)
	}
	return w
}

// dropFirst shortens the queue, and keeps no reference to its first waiter. The caller holds mu.
func (p *Pool) dropFirst() {
	p.queue[0] = nil
	p.queue = p.queue[1:]
}

// armSweep has the pool swept until no connection is in use. The caller holds mu.
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

// sweep wakes waiters whose context has ended, and followers of a statement that has become slow: these ask for another
// connection.
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
	p.serve()
	p.sweepArmed = p.count > len(p.idle)
	if p.sweepArmed {
		p.timer.Reset(p.interval)
	}
}

// grant gives a waiter its grant. It returns false if the waiter has left.
func (p *Pool) grant(w *waiter, t grant) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return w.grant(t)
}

// grant is Pool.grant for a caller that holds mu.
func (w *waiter) grant(t grant) bool {
	if w.done {
		return false
	}
	w.done = true
	w.ready <- t
	return true
}

// release takes a connection back, and grants it to the next waiter.
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
		p.serve()
	default:
		c.batchSentAt = time.Time{}
		p.idle = append(p.idle, c)
	}
}

// opened counts a connection that was opened. With nil, which was not, the next waiter tries.
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

// drop closes a connection. The caller holds mu.
func (p *Pool) drop(c *conn) {
	p.forget(c)
	if c.old() {
		p.expired++
	}
	go c.Close()
}

// forget counts one connection less. The caller holds mu.
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

// Queued returns the number of waiters, for tests.
func (p *Pool) Queued() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.queue {
		if !w.done {
			n++
		}
	}
	return n
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
