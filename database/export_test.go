package database

import (
	"context"
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

// Patient takes every statement for a quick one, however busy the machine is that runs the tests.
func (cfg Config) Patient() Config {
	cfg.quick = time.Hour
	return cfg
}

// Watchful hears within a moment of contexts that have ended.
func (cfg Config) Watchful() Config {
	cfg.every = 100 * time.Microsecond
	return cfg
}

// RefreshEvery refreshes connections as often.
func (cfg Config) RefreshEvery(every time.Duration) Config {
	cfg.refresh = every
	return cfg
}

// Forbearing waits very long for PostgreSQL's last word on what was cancelled.
func (cfg Config) Forbearing() Config {
	cfg.patience = time.Hour
	return cfg
}
