package pgwire

import (
	"cmp"
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/schema"
)

// Config says where PostgreSQL is and how much of it may be used.
type Config struct {
	Postgres       *pgx.ConnConfig
	MaxConns       int
	MaxResultBytes int
	Observe        Observer // may be nil
	Tuning         Tuning
}

// Tuning has the times that only tests change. Zero is the constant of the same meaning.
type Tuning struct {
	Quick    time.Duration // quickAnswer
	Look     time.Duration // lookEvery
	Refresh  time.Duration // refreshEvery
	Patience time.Duration // cancelPatience
}

// Observer is told the text of a statement, with $1 in place of its arguments; how long the round trip took; and how it
// ended. It runs in the goroutine that waits for the round trip. ctx is the statement's own.
type Observer func(ctx context.Context, statement string, took time.Duration, err error)

// Open returns a pool. It opens no connection.
func Open(cfg Config) *Pool {
	return &Pool{open: (&dialer{cfg}).open, maxOpen: cfg.MaxConns, interval: cmp.Or(cfg.Tuning.Look, sweepInterval)}
}

// Dialect is bun's for statements that this driver runs.
func Dialect() schema.Dialect { return dialect{pgdialect.New()} }
