// Package database answers one question: how does SQL run as the caller?
//
// [DB.As] gives a bun.IDB whose statements PostgreSQL runs with the caller's role and claims, so that row-level security
// decides what they see. Role, claims and statement travel together, in one network round trip and one transaction: the
// settings end with it, whatever happens in between.
package database

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"usergraph/internal/dsn"
	"usergraph/internal/pgwire"
)

const (
	// connectTimeout is how long opening a connection may take: TCP, TLS and login. It may be longer or shorter by the
	// connection string's connect_timeout.
	connectTimeout = 5 * time.Second
	// pingTimeout bounds Ping where its context does not.
	pingTimeout = 5 * time.Second
	// connsPerCPU is how many connections a pool has for each CPU, unless told: enough to keep PostgreSQL busy while
	// answers travel.
	connsPerCPU = 4
	// maxResultBytes bounds a result, unless told. Each connection may hold one at a time, and whoever asked for it another.
	maxResultBytes = 4 << 20
	// maxIdleConns is how many connections database/sql thinks it keeps, each a few bytes. The pool has those to PostgreSQL.
	maxIdleConns = 1024
	// closeTimeout is how long saying goodbye to PostgreSQL may take.
	closeTimeout = time.Second
)

// Config says where PostgreSQL is and how much of it may be used.
type Config struct {
	// URL is a PostgreSQL connection string. It should log in as a role that has no rights until it is switched to the
	// caller's: Supabase's authenticator, or better one that can become only anon and authenticated.
	URL string
	// MaxConns is how many connections may be open, and all of them are kept open. 0 means four for each CPU.
	MaxConns int
	// MaxResultBytes is how many bytes the result of one statement may have, names of columns aside. 0 means 4 MiB.
	MaxResultBytes int
	// Observe, if set, hears of each round trip, in the goroutine that waits for it.
	Observe Observer
	// QueryHooks are bun's, and called for each statement of each caller, with the statement as bun writes it: each argument
	// that is text is in it, behind the character U+0001.
	QueryHooks []bun.QueryHook
	// Models are structs that bun has to know before a query names them: the tables between two others of an m2m relation.
	Models []any
	// Replica, if its URL is set, is read by callers who may lag. It has a pool of its own, as large.
	Replica ReplicaConfig

	tuning pgwire.Tuning // of tests
}

// Observer hears of each round trip.
type Observer = pgwire.Observer

// DB is a pool of connections to one PostgreSQL database.
type DB struct {
	bun     *bun.DB
	pool    *pgwire.Pool
	replica *Replica // nil if there is none
}

// Open checks cfg and returns a pool. It opens no connection, so it works while PostgreSQL is down; Ping tells.
// Its errors never contain the password.
func Open(cfg Config) (*DB, error) {
	connConfig, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	if cfg.MaxConns < 0 {
		return nil, fmt.Errorf("at most %d connections make no pool", cfg.MaxConns)
	}
	if cfg.MaxResultBytes < 0 {
		return nil, fmt.Errorf("MaxResultBytes is %d: it cannot be less than zero", cfg.MaxResultBytes)
	}
	if cfg.MaxConns == 0 {
		cfg.MaxConns = connsPerCPU * runtime.GOMAXPROCS(0)
	}
	var replica *Replica
	if cfg.Replica.URL != "" {
		if replica, err = openReplica(cfg); err != nil {
			return nil, err
		}
	}
	db := openPool(connConfig, cfg)
	db.replica = replica
	return db, nil
}

func openPool(connConfig *pgx.ConnConfig, cfg Config) *DB {
	pool := pgwire.Open(pgwire.Config{
		Postgres: connConfig, MaxConns: cfg.MaxConns, MaxResultBytes: cmp.Or(cfg.MaxResultBytes, maxResultBytes), Observe: cfg.Observe,
		Tuning: cfg.tuning,
	})
	conns := sql.OpenDB(pool.Connector())
	conns.SetMaxIdleConns(maxIdleConns)
	db := bun.NewDB(conns, pgwire.Dialect())
	for _, hook := range cfg.QueryHooks {
		db = db.WithQueryHook(hook)
	}
	db.RegisterModel(cfg.Models...)
	return &DB{bun: db, pool: pool}
}

// Ping asks PostgreSQL for an answer, over a connection of the pool.
func (db *DB) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return db.bun.PingContext(ctx)
}

// Stats counts the connections of the pool, and who had to wait for one.
func (db *DB) Stats() sql.DBStats { return db.pool.Stats() }

// Replica is the replica that callers who may lag read from; nil if there is none.
func (db *DB) Replica() *Replica { return db.replica }

// Close closes the pool. Statements that have begun may finish.
func (db *DB) Close() error {
	if db.replica != nil {
		return errors.Join(db.bun.Close(), db.replica.close())
	}
	return db.bun.Close()
}

// parseURL reads a connection string. Its errors quote nothing of it.
func parseURL(url string) (*pgx.ConnConfig, error) {
	config, err := dsn.Postgres(url)
	if err != nil {
		return nil, fmt.Errorf("the connection string %w", err)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "usergraph"
	}
	config.RuntimeParams["client_encoding"] = "UTF8" // Go's strings
	return config, nil
}
