package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"

	"usergraph/internal/pgwire"
)

const (
	// replicaPoll is the interval at which primary and replica are asked for their positions.
	replicaPoll = 250 * time.Millisecond
	// replicaTimeout bounds the wait for either answer. If the replica exceeds it, waiting reads are repeated on the
	// primary.
	replicaTimeout = 2 * time.Second
)

// ReplicaConfig says where a streaming replica is, and when it is read.
type ReplicaConfig struct {
	// URL is a connection string of one replica, always the same one, with the login role of Config.URL.
	URL string
	// MaxLag bounds the replication lag. A replica with a larger lag is not read.
	MaxLag time.Duration
	// Report, if set, is called with nil when the replica comes into use, and with the reason when it goes out of use.
	Report func(error)
}

// The reasons why a replica is not read.
var (
	errNoReplica     = errors.New("it is no replica: a primary")
	errOtherDatabase = errors.New("it is a replica of another database")
	errLag           = errors.New("it is too far behind the primary")
)

// Replica is a streaming replica of a DB. It answers the reads of callers that may lag, while it is known to have every
// commit older than MaxLag. The primary answers all else.
type Replica struct {
	cfg     ReplicaConfig
	pool    *DB
	primary *pgconn.Config
	replica *pgconn.Config
	cancel  context.CancelFunc
	done    chan struct{}

	began           time.Time
	complete        atomic.Int64 // all earlier commits are on the replica; time since began, 0 if unknown
	reads, repeated atomic.Uint64

	// Used by the goroutine of run: something was reported, and it was nil.
	reportedOnce, reported bool

	mu      sync.Mutex
	reading context.Context // cancelled when the replica goes out of use
	end     context.CancelFunc
}

// openReplica starts to follow a replica. It is not read before it is known to be complete.
func openReplica(cfg Config) (*Replica, error) {
	if cfg.Replica.MaxLag <= 0 {
		return nil, errors.New("a replica needs a largest lag")
	}
	replica, err := parseURL(cfg.Replica.URL)
	if err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	primary, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	if cfg.Replica.Report == nil {
		cfg.Replica.Report = func(error) {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Replica{
		cfg: cfg.Replica, pool: openPool(replica, cfg), primary: &primary.Config, replica: replica.Config.Copy(),
		cancel: cancel, done: make(chan struct{}), began: time.Now(),
	}
	r.reading, r.end = context.WithCancel(context.Background())
	r.primary.RuntimeParams["application_name"] += " replica"
	r.replica.RuntimeParams["application_name"] += " replica"
	go r.run(ctx)
	return r, nil
}

// Lag returns the largest age of what the replica returns now. It is longer than a century if it is unknown.
func (r *Replica) Lag() time.Duration {
	complete := r.complete.Load()
	if complete == 0 {
		return math.MaxInt64
	}
	return time.Since(r.began) - time.Duration(complete)
}

// InUse reports whether callers that may lag read from the replica. It is false for nil.
func (r *Replica) InUse() bool { return r != nil && r.Lag() < r.cfg.MaxLag }

// Reads returns the number of reads that the replica answered, and of those repeated on the primary after it failed.
func (r *Replica) Reads() (answered, repeated uint64) { return r.reads.Load(), r.repeated.Load() }

// Stats returns the statistics of the pool.
func (r *Replica) Stats() sql.DBStats { return r.pool.Stats() }

func (r *Replica) close() error {
	r.cancel()
	<-r.done
	r.end()
	return r.pool.Close()
}

// read runs a query on the replica. It returns false if the primary must run it: the replica is not in use, is gone,
// has cancelled the query to catch up, or lacks a new column. The replica's errors therefore prove nothing.
func (r *Replica) read(ctx context.Context, query func(context.Context, *bun.DB) error) (done bool) {
	reading := r.whileInUse() // before InUse, so that a later end is noticed
	if !r.InUse() {
		return false
	}
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(reading, cancel)
	err := query(within, r.pool.bun)
	if inTime := stop(); err == nil && inTime {
		r.reads.Add(1)
		return true
	}
	if pgwire.Ended(ctx) != nil || errors.Is(err, ErrTimeout) {
		return true // the primary would take as long
	}
	r.repeated.Add(1)
	return false
}

func (r *Replica) whileInUse() context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reading
}

// run follows the replica until ctx ends.
func (r *Replica) run(ctx context.Context) {
	defer close(r.done)
	pause := firstPause
	for {
		began := time.Now()
		err := r.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		r.setState(err)
		if time.Since(began) > lastPause {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + mathrand.N(pause)):
		}
		pause = min(2*pause, lastPause)
	}
}

// milestone is the primary's position at a time.
type milestone struct {
	asked    time.Duration // time since began
	position uint64
}

// follow compares the positions of primary and replica, until one of them no longer answers.
//
// Everything committed before the primary is asked for its position lies before that position. Once the replica has
// reached it, the replica has all of it. Clocks are not compared.
func (r *Replica) follow(ctx context.Context) error {
	primary, err := dial(ctx, r.primary)
	if err != nil {
		return fmt.Errorf("the primary: %w", err)
	}
	defer hangUp(primary)
	replica, err := dial(ctx, r.replica)
	if err != nil {
		r.lost()
		return err
	}
	defer hangUp(replica)
	joined := time.Since(r.began)
	var ahead []milestone // not yet reached by the replica
	for {
		asked := time.Since(r.began)
		at, err := askPosition(ctx, primary, primaryPosition)
		if err != nil {
			return fmt.Errorf("the primary: %w", err)
		}
		replayed, err := askPosition(ctx, replica, replicaPosition)
		switch {
		case err != nil:
		case !replayed.standby:
			err = errNoReplica
		case replayed.database != at.database:
			err = errOtherDatabase
		}
		if err != nil {
			r.lost()
			return err
		}
		ahead = append(ahead, milestone{asked, endOfRecord(at.position)})
		for len(ahead) > 0 && ahead[0].position <= replayed.position {
			r.complete.Store(int64(ahead[0].asked))
			ahead = ahead[1:]
		}
		if len(ahead) > 0 && asked-ahead[0].asked > r.cfg.MaxLag {
			ahead = ahead[1:] // older than MaxLag
		}
		switch {
		case r.InUse():
			r.setState(nil)
		case asked-joined > r.cfg.MaxLag:
			r.setState(errLag)
		}
		// Wait on the connection instead of sleeping. A closed connection must be noticed at once: a restarted replica
		// may be further behind than before.
		if err := waitQuietly(ctx, replica, replicaPoll); err != nil {
			r.lost()
			return err
		}
	}
}

// lost takes the replica out of use.
func (r *Replica) lost() { r.complete.Store(0) }

// setState cancels waiting reads if the replica goes out of use, and reports when it goes out of use or into it. If only
// the primary does not answer, the replica stays in use while its lag is known to be short.
func (r *Replica) setState(err error) {
	if err != nil && r.InUse() {
		return
	}
	if r.reportedOnce && r.reported == (err == nil) {
		return
	}
	r.reportedOnce, r.reported = true, err == nil
	if err != nil {
		r.endReads()
	}
	r.cfg.Report(err)
}

// endReads cancels the running reads. They may wait for an answer that never comes, or for a lock that the replica
// holds until it has caught up.
func (r *Replica) endReads() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end()
	r.reading, r.end = context.WithCancel(context.Background())
}

// position is a server's place in the write-ahead log, and the identity of its database.
type position struct {
	database string
	position uint64
	standby  bool
}

// identity is the system identifier, which all copies of a cluster share, and the database.
const identity = `(select system_identifier from pg_catalog.pg_control_system()) || '/' || pg_catalog.current_database()`

// The queries for a server's position. The primary returns its insert position: commits that are not yet on disk are
// before it.
const (
	primaryPosition = `select ` + identity + `, pg_catalog.pg_current_wal_insert_lsn(), false`
	replicaPosition = `select ` + identity + `, coalesce(pg_catalog.pg_last_wal_replay_lsn(), '0/0'), pg_catalog.pg_is_in_recovery()`
)

func askPosition(ctx context.Context, conn *pgconn.PgConn, question string) (position, error) {
	ctx, cancel := context.WithTimeout(ctx, replicaTimeout)
	defer cancel()
	results, err := conn.Exec(ctx, question).ReadAll()
	if err != nil {
		return position{}, pgwire.Classify(ctx, err)
	}
	row := results[0].Rows[0]
	lsn, err := parseLSN(string(row[1]))
	return position{string(row[0]), lsn, string(row[2]) == "t"}, err
}

// parseLSN parses a position (pg_lsn): two hexadecimal halves of 32 bits.
func parseLSN(text string) (uint64, error) {
	high, low, _ := strings.Cut(text, "/")
	upper, err := strconv.ParseUint(high, 16, 32)
	lower, lowErr := strconv.ParseUint(low, 16, 32)
	if err := errors.Join(err, lowErr); err != nil {
		return 0, fmt.Errorf("position %q: %w", text, err)
	}
	return upper<<32 | lower, nil
}

// endOfRecord returns the end of the last record before an insert position. They differ where a page is full: the next
// record begins after the next page's header, 40 bytes in a new file and 24 otherwise, and the position of a complete
// replica is before that header.
func endOfRecord(insert uint64) uint64 {
	const page = 8192
	if offset := insert % page; offset == 24 || offset == 40 {
		return insert - offset
	}
	return insert
}

func dial(ctx context.Context, config *pgconn.Config) (*pgconn.PgConn, error) {
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, pgwire.Unavailable(ctx, err)
	}
	return conn, nil
}

func hangUp(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}

// waitQuietly returns after limit, or at once with an error if the connection is lost.
func waitQuietly(ctx context.Context, conn *pgconn.PgConn, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		switch err := conn.WaitForNotification(ctx); {
		case err == nil:
		case ctx.Err() != nil && !conn.IsClosed():
			return nil
		default:
			return pgwire.Unavailable(ctx, err)
		}
	}
}
