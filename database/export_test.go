package database

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Leftovers checks n connections of the pool at once, outside any caller. It returns what is set on each beyond a new
// session: normally nothing.
func (db *DB) Leftovers(ctx context.Context, n int) (found []string, err error) {
	err = db.pool.Inspect(ctx, n, func(pg *pgconn.PgConn, _ bool) error {
		results, err := pg.Exec(ctx, `select concat_ws(' ', nullif(current_setting('role'), 'none'),
			nullif(session_user, current_user), nullif(current_setting('request.jwt.claims', true), ''), nullif(current_setting('request.jwt.claim.sub', true), ''),
			nullif(current_setting('transaction_read_only'), 'off'), nullif(current_setting('statement_timeout'), '0'))`).ReadAll()
		if err != nil {
			return err
		}
		if left := string(results[0].Rows[0][0]); left != "" {
			found = append(found, left)
		}
		return nil
	})
	return found, err
}

// Pooled reports whether the pool has detected a pooler between it and PostgreSQL.
func (db *DB) Pooled(ctx context.Context) (pooled bool, err error) {
	err = db.pool.Inspect(ctx, 1, func(_ *pgconn.PgConn, behind bool) error {
		pooled = behind
		return nil
	})
	return pooled, err
}

// Patient treats every statement as quick, even on a busy machine.
func (cfg Config) Patient() Config {
	cfg.tuning.Quick = time.Hour
	return cfg
}

// Watchful checks ended contexts within a moment.
func (cfg Config) Watchful() Config {
	cfg.tuning.Look = 100 * time.Microsecond
	return cfg
}

// RefreshEvery sets how often connections are refreshed.
func (cfg Config) RefreshEvery(every time.Duration) Config {
	cfg.tuning.Refresh = every
	return cfg
}

// Forbearing waits very long for the end of a cancelled statement.
func (cfg Config) Forbearing() Config {
	cfg.tuning.CancelTimeout = time.Hour
	return cfg
}

// Near treats PostgreSQL as near if its fastest answer took less.
func (cfg Config) Near(fastest time.Duration) Config {
	cfg.tuning.Near = fastest
	return cfg
}

// Batches lets a quick statement wait while so many connections run batches.
func (cfg Config) Batches(running int) Config {
	cfg.tuning.Batches = running
	return cfg
}

// Queued returns the number of statements that wait for a connection or a batch.
func (db *DB) Queued() int { return db.pool.Queued() }
