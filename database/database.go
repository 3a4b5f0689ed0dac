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
	"usergraph/internal/sqltext"
)

const (
	// connectTimeout bounds opening a connection: TCP, TLS and login. connect_timeout in the connection string
	// overrides it.
	connectTimeout = 5 * time.Second
	// pingTimeout bounds Ping. Its context may end earlier.
	pingTimeout = 5 * time.Second
	// connsPerCPU is the default number of connections for each CPU. It keeps PostgreSQL busy while answers travel.
	connsPerCPU = 4
	// maxResultBytes is the default bound of a result. Each connection may hold one result at a time, and its caller
	// another.
	maxResultBytes = 4 << 20
	// maxIdleConns bounds the idle connections of database/sql, a few bytes each. The pool holds the connections to
	// PostgreSQL.
	maxIdleConns = 1024
	// closeTimeout bounds the close of a connection.
	closeTimeout = time.Second
)

// Config says where PostgreSQL is and which resources the pool may use.
type Config struct {
	// URL is a PostgreSQL connection string. Its login role should have no privileges before it is switched to the
	// caller's role: Supabase's authenticator, or better a role that can become only anon and authenticated.
	URL string
	// MaxConns bounds the open connections. Idle ones stay open. Defaults to four for each CPU.
	MaxConns int
	// MaxResultBytes bounds the result of one statement, without the names of columns. Defaults to 4 MiB.
	MaxResultBytes int
	// Observe, if set, is called after each round trip, in the goroutine that waits for it.
	Observe Observer
	// QueryHooks are bun's, called for each statement of each caller. The statement is as bun formats it: each text
	// argument is in it, after the character U+0001.
	QueryHooks []bun.QueryHook
	// Models are structs that bun must know before a query names them: the join tables of m2m relations.
	Models []any
	// Replica, if its URL is set, answers reads of callers that may lag. It has its own pool, of the same size.
	Replica ReplicaConfig

	tuning pgwire.Tuning // for tests
}

// Observer is called after each round trip.
type Observer = pgwire.Observer

// DB is a pool of connections to one PostgreSQL database.
type DB struct {
	bun     *bun.DB
	pool    *pgwire.Pool
	replica *Replica // nil if there is none
}

// Open checks cfg and returns a pool. It opens no connection, so it succeeds while PostgreSQL is down; Ping connects.
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
	db := bun.NewDB(conns, sqltext.Dialect())
	for _, hook := range cfg.QueryHooks {
		db = db.WithQueryHook(hook)
	}
	db.RegisterModel(cfg.Models...)
	return &DB{bun: db, pool: pool}
}

// Ping checks that PostgreSQL answers over a connection of the pool.
func (db *DB) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return db.bun.PingContext(ctx)
}

// Stats returns the statistics of the pool: its connections, and the waits for one.
func (db *DB) Stats() sql.DBStats { return db.pool.Stats() }

// Replica returns the replica that callers that may lag read from, or nil.
func (db *DB) Replica() *Replica { return db.replica }

// Close closes the pool. Running statements may finish.
func (db *DB) Close() error {
	if db.replica != nil {
		return errors.Join(db.bun.Close(), db.replica.close())
	}
	return db.bun.Close()
}

// parseURL parses a connection string. Its errors do not quote it.
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
