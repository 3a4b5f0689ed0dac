// Package database answers one question: how does SQL run as the caller?
//
// There is one way to run a statement, (*DB).As: role and claims are set for that statement alone, in the same network
// round trip, so that row-level security decides. A statement without a caller is refused before it is sent.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

const (
	connectTimeout = 5 * time.Second
	// connLifetime lets a pool find its way to new servers after a failover.
	connLifetime = 30 * time.Minute
)

// Config says where the database is.
type Config struct {
	URL      string // postgres://authenticator:…@host/db
	MaxConns int    // connections at most; all are kept open
}

// DB is a pool of connections.
type DB struct{ bun *bun.DB }

// Open prepares a pool. It does not connect: a database that is down now may be up later.
func Open(cfg Config) (*DB, error) {
	parsed, err := pgx.ParseConfig(cfg.URL)
	if err != nil {
		// The cause quotes parts of the URL, which holds a password.
		return nil, errors.New("DATABASE_URL is not a PostgreSQL connection URL")
	}
	if cfg.MaxConns < 1 {
		return nil, fmt.Errorf("a pool of %d connections is not possible", cfg.MaxConns)
	}
	parsed.ConnectTimeout = connectTimeout
	// bun writes arguments into the SQL, so that preparing statements would prepare each text. This mode also suits
	// poolers in transaction mode.
	parsed.DefaultQueryExecMode = pgx.QueryExecModeExec
	pool := sql.OpenDB(connector{stdlib.GetConnector(*parsed)})
	pool.SetMaxOpenConns(cfg.MaxConns)
	pool.SetMaxIdleConns(cfg.MaxConns)
	pool.SetConnMaxLifetime(connLifetime)
	return &DB{bun.NewDB(pool, pgdialect.New())}, nil
}

// Ping tells whether the database can be reached.
func (db *DB) Ping(ctx context.Context) error { return db.bun.PingContext(ctx) }

// Close closes all connections.
func (db *DB) Close() error { return db.bun.Close() }
