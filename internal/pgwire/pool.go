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
	// maxTogether is how many statements travel in one write, at most.
	maxTogether = 16
	// maxTogetherBytes is how many bytes of parameters do: fewer than the buffers of a socket take, so that writing never
	// waits for answers to be read.
	maxTogetherBytes = 32 << 10
	// maxTogetherTime is how long they took last time, all in all: the last one should have its answer before it hurries.
	maxTogetherTime = hurryAfter / 2
	// lookEvery is how often the pool looks whether those who wait still do: a context that has ended ends its statement
	// so much later, and until then one that only reads may still be sent. To hear of it at once costs each statement more
	// than this costs all of them.
	lookEvery = 10 * time.Millisecond
)

var errClosed = errors.New("the database is closed")

// Pool holds the connections to PostgreSQL. Whoever gets one takes along those next in line who only read: the statements
// travel in one write, each with its own caller's settings in a transaction of its own, and each is waited for, and
// cancelled if need be, by who sent it. So a busy server makes fewer system calls, and a lone statement goes at once.
type Pool struct {
	open    func(ctx context.Context) (*conn, error)
	maxOpen int
	every   time.Duration // see lookEvery

	mu        sync.Mutex
	conns     []*conn
	idle      []*conn   // the last one to become idle is taken first
	count     int       // connections, those being opened included
	line      []*waiter // settled ones among them have left
	gathering bool      // somebody will serve the line in a moment
	looking   bool      // the timer is set
	timer     *time.Timer
	closed    bool
	waits     int64
	waited    time.Duration
	expired   int64
}

// waiter stands in line for a connection.
type waiter struct {
	ctx   context.Context
	job   *job       // nil for who needs the connection alone
	known *statement // set when the statement travels with that of another
	since time.Time  // when it began to wait; zero if it did not have to
	// turn gets what it waits for, once; settled, under pool.mu, says that it has.
	turn    chan turn
	settled bool
}

// turn is what comes to those who stand in line.
type turn struct {
	// conn is a connection that one may use now. If it is nil, one may be opened, or open is false: then ask again.
	conn *conn
	open bool
	// known is set if the statement travels with others: behind are those that follow it.
	known  *statement
	behind []*waiter
	sent   time.Time // when they were; zero if they have to be
}

// take waits for a connection, or until ctx ends. A job may travel with others; without one the connection is for
// whoever asks, alone.
func (p *Pool) take(ctx context.Context, j *job) (turn, error) {
	for {
		if err := ctx.Err(); err != nil {
			return turn{}, err
		}
		t, w, err := p.ask(ctx, j)
		if err != nil {
			return turn{}, err
		}
		if w != nil {
			t = <-w.turn
		}
		if t.open {
			c, err := p.open(ctx)
			p.opened(c)
			if err != nil {
				return turn{}, err
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
					return turn{}, err
				}
			}
			return t, nil
		}
	}
}

// ask returns a connection if all are idle, else a place in line.
func (p *Pool) ask(ctx context.Context, j *job) (turn, *waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return turn{}, nil, errClosed
	}
	p.watch()
	if p.count == len(p.idle) && p.front() == nil {
		if c := p.takeIdle(); c != nil {
			return turn{conn: c}, nil, nil
		}
	}
	w := &waiter{ctx: ctx, job: j, turn: make(chan turn, 1)}
	p.line = append(p.line, w)
	if !p.gathering {
		p.gather()
		p.serve()
	}
	if !w.settled && len(p.idle) == 0 && p.count == p.maxOpen {
		w.since = time.Now()
		p.waits++
	}
	return turn{}, w, nil
}

// gather lets others go on who can, and perhaps stand in line: on a busy machine their statements then travel together.
// Where nobody else can run it takes no time.
func (p *Pool) gather() {
	p.gathering = true
	p.mu.Unlock()
	runtime.Gosched()
	p.mu.Lock()
	p.gathering = false
}

// serve gives those in line what there is, under mu.
func (p *Pool) serve() {
	for p.front() != nil {
		if c := p.takeIdle(); c != nil {
			p.company(c)
		} else if p.count < p.maxOpen && !p.closed {
			p.count++
			p.next().give(turn{open: true})
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
		if c.usable() && peek.Quiet(c.socket) {
			return c
		}
		p.drop(c)
	}
	return nil
}

// company gives a connection to the first in line, under mu, with those whose statements travel with the first one's.
func (p *Pool) company(c *conn) {
	first := p.next()
	t := turn{conn: c, known: c.shareable(first.job)}
	if t.known != nil {
		bytes, took := first.job.size(), t.known.took
		for w := p.front(); w != nil && len(t.behind) < maxTogether-1; w = p.front() {
			known := c.shareable(w.job)
			if known == nil {
				break
			}
			bytes += w.job.size()
			took += known.took
			if bytes > maxTogetherBytes || took > maxTogetherTime {
				break
			}
			w.known = known
			t.behind = append(t.behind, p.next())
		}
		c.since = time.Now()
	}
	if len(t.behind) == 0 {
		t.known = nil
	}
	c.behind = t.behind
	first.give(t)
}

// front returns the first in line, under mu, or nil.
func (p *Pool) front() *waiter {
	for len(p.line) > 0 && p.line[0].settled {
		p.shift()
	}
	if len(p.line) == 0 {
		return nil
	}
	return p.line[0]
}

// next takes the first out of the line, under mu.
func (p *Pool) next() *waiter {
	w := p.line[0]
	p.shift()
	if !w.since.IsZero() {
		p.waited += time.Since(w.since)
	}
	return w
}

// shift moves the line up, under mu, and keeps nothing of who was the first.
func (p *Pool) shift() {
	p.line[0] = nil
	p.line = p.line[1:]
}

// watch has somebody look at those who wait, under mu, from now until no connection is in use.
func (p *Pool) watch() {
	switch {
	case p.looking:
		return
	case p.timer == nil:
		p.timer = time.AfterFunc(p.every, p.look)
	default:
		p.timer.Reset(p.every)
	}
	p.looking = true
}

// look has those go whose context has ended. Those behind a statement that has become slow ask for another connection.
func (p *Pool) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.line {
		if !w.settled && w.ctx.Err() != nil {
			w.give(turn{})
		}
	}
	for _, c := range p.conns {
		late := time.Since(c.since) > hurryAfter
		for _, w := range c.behind {
			if !w.settled && (late || w.ctx.Err() != nil) {
				w.give(turn{})
			}
		}
		c.look()
	}
	p.looking = p.count > len(p.idle)
	if p.looking {
		p.timer.Reset(p.every)
	}
}

// give hands a waiter its turn. It returns false if it has had one: it has left.
func (p *Pool) give(w *waiter, t turn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return w.give(t)
}

// give is Pool.give under mu.
func (w *waiter) give(t turn) bool {
	if w.settled {
		return false
	}
	w.settled = true
	w.turn <- t
	return true
}

// release takes a connection back, and gives it to the next in line.
func (p *Pool) release(c *conn) {
	if c.left != nil {
		go func() {
			c.finish()
			p.release(c)
		}()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c.behind = nil
	switch {
	case p.closed || !c.usable():
		p.drop(c)
		p.serve()
	case p.front() != nil:
		p.company(c)
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
	for p.front() != nil {
		p.next().give(turn{})
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
		t, err := p.take(ctx, nil)
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
