package database

import (
	"context"
	"math"
	"sync/atomic"
	"syscall"
	"time"
)

// MaxTogetherTime is how long all statements that travel together may have taken last time.
const MaxTogetherTime = maxTogetherTime

// Leftovers looks at n connections of the pool at once, past the callers, and returns what is set on each beyond a
// fresh session: nothing, if all is well.
func (db *DB) Leftovers(ctx context.Context, n int) (found []string, err error) {
	for range n {
		held, err := db.pool.take(ctx, nil)
		if err != nil {
			return nil, err
		}
		defer db.pool.release(held.conn)
		results, err := held.conn.pg.Exec(ctx, `select concat_ws(' ', nullif(current_setting('role'), 'none'),
			nullif(session_user, current_user), nullif(current_setting('request.jwt.claims', true), ''), nullif(current_setting('request.jwt.claim.sub', true), ''),
			nullif(current_setting('transaction_read_only'), 'off'), nullif(current_setting('statement_timeout'), '0'))`).ReadAll()
		if err != nil {
			return nil, err
		}
		if left := string(results[0].Rows[0][0]); left != "" {
			found = append(found, left)
		}
	}
	return found, nil
}

// Pooled says whether the pool has noticed a pooler between it and PostgreSQL.
func (db *DB) Pooled(ctx context.Context) (pooled bool, err error) {
	held, err := db.pool.take(ctx, nil)
	if err != nil {
		return false, err
	}
	defer db.pool.release(held.conn)
	return held.conn.statements == nil, nil
}

// Patient takes every statement for a quick one, however busy the machine is that runs the tests, and holds none.
func (cfg Config) Patient() Config {
	cfg.quick, cfg.enough = time.Hour, math.MaxInt
	return cfg
}

// Enough holds others while so many connections are at work.
func (cfg Config) Enough(conns int) Config {
	cfg.enough = conns
	return cfg
}

// Watchful hears within a moment of contexts that have ended.
func (cfg Config) Watchful() Config {
	cfg.every = 100 * time.Microsecond
	return cfg
}

// Resting says that nobody looks at the pool.
func (db *DB) Resting() bool {
	db.pool.mu.Lock()
	defer db.pool.mu.Unlock()
	return !db.pool.looking
}

// Waiting counts those who stand in line.
func (db *DB) Waiting() (n int) {
	db.pool.mu.Lock()
	defer db.pool.mu.Unlock()
	for _, w := range db.pool.line {
		if !w.settled {
			n++
		}
	}
	return n
}

// Lone says whether the next statement would be waited for awake. It counts as one.
func (db *DB) Lone(ctx context.Context) (lone bool, err error) {
	held, err := db.pool.take(ctx, &job{caller: new(session)})
	if err != nil {
		return false, err
	}
	defer db.pool.release(held.conn)
	return held.conn.lone, nil
}

// Near takes PostgreSQL for one on the same machine, however busy that is.
func (cfg Config) Near() Config {
	cfg.soon = time.Hour
	return cfg
}

// Far takes PostgreSQL for one that is far away.
func (cfg Config) Far() Config {
	cfg.soon = 1
	return cfg
}

// CountLooks counts how often the pool, which has one connection, looks at its socket.
func (db *DB) CountLooks(ctx context.Context) (*atomic.Int64, error) {
	held, err := db.pool.take(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer db.pool.release(held.conn)
	counted := &countedSocket{RawConn: held.conn.socket}
	held.conn.socket = counted
	return &counted.looks, nil
}

type countedSocket struct {
	syscall.RawConn
	looks atomic.Int64
}

func (s *countedSocket) Read(look func(fd uintptr) bool) error {
	s.looks.Add(1)
	return s.RawConn.Read(look)
}

// RefreshEvery refreshes connections as often.
func (cfg Config) RefreshEvery(every time.Duration) Config {
	cfg.refresh = every
	return cfg
}
