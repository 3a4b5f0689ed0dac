// Package pgwire is a PostgreSQL driver for database/sql, under package database, whose statements each run as a caller.
//
// # The invariant
//
// A statement is sent only for a [Caller]. The settings that make PostgreSQL act as that caller (role, claims, timeout) are
// sent right before it, and both before one Sync: they are one implicit transaction, and the settings end with it. A
// connection goes back to the pool only if nothing is left in its session, as far as that can be known: see settings.go.
//
// # The states of a statement
//
//	queued     it waits for a connection: acquireOrEnqueue
//	granted    it has one, exclusively or as the first of a batch: serve, fillBatch
//	sent       it was written, alone or in the batch of another: roundTrip, runBatched
//	answered   its goroutine has read its result: receiveResult. The connection goes to the next follower of the batch, or
//	           back to the pool: handOver, release
//	left       its context has ended first: sweep wakes its goroutine, which returns at once. The statement is cancelled, and
//	           the rest of its answer read, by another goroutine: drain
//
// A statement of a transaction is sent at once, on the connection that driverConn holds.
//
// # Files
//
//	driver.go      what database/sql calls: driverConn, transactions
//	caller.go      the caller of a statement, and the context that brings it here
//	pool.go        Pool: connections, the queue, the sweep
//	batch.go       statements of several callers in one write
//	conn.go        a connection: opened, checked, prepared or not, closed
//	protocol.go    the extended query protocol: a round trip, its answer, cancellation
//	settings.go    what is set, checked and taken back in a session; timeouts
//	stmtcache.go   prepared statements, by role and text
//	rows.go        results, bounded, in memory
//	scan.go        results for a reader who needs no database/sql
//	errors.go      SQLSTATEs and their kinds
package pgwire

import (
	"cmp"
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Config says where PostgreSQL is and how much of it may be used.
type Config struct {
	Postgres       *pgx.ConnConfig
	MaxConns       int
	MaxResultBytes int
	Observe        Observer // may be nil
	Tuning         Tuning
}

// Tuning has the times and numbers that only tests change. Zero is the constant of the same meaning.
type Tuning struct {
	Quick         time.Duration // quickAnswer
	Look          time.Duration // lookEvery
	Refresh       time.Duration // refreshEvery
	CancelTimeout time.Duration // cancelTimeout
	Near          time.Duration // nearAnswer
	Batches       int           // maxBatches
}

// Observer is told the text of a statement, with $1 in place of its arguments; how long the round trip took; how many rows
// the statement returned or changed; and how it ended. It runs in the goroutine that waits for the round trip. ctx is the
// statement's own.
type Observer func(ctx context.Context, statement string, took time.Duration, rows int64, err error)

// Open returns a pool. It opens no connection.
func Open(cfg Config) *Pool {
	return &Pool{
		open: (&dialer{cfg}).open, maxOpen: cfg.MaxConns, interval: cmp.Or(cfg.Tuning.Look, sweepInterval),
		quick: cmp.Or(cfg.Tuning.Quick, quickAnswer), near: cmp.Or(cfg.Tuning.Near, nearAnswer), batches: cmp.Or(cfg.Tuning.Batches, maxBatches),
	}
}
