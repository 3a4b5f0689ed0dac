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
	// replicaPoll is how often primary and replica are asked how far they are.
	replicaPoll = 250 * time.Millisecond
	// replicaPatience is how long either may take to tell. Reads that wait for a replica which does not are repeated on
	// the primary.
	replicaPatience = 2 * time.Second
)

// ReplicaConfig says where a streaming replica of the database is, and how it is used.
type ReplicaConfig struct {
	// URL is a connection string that leads to one replica, always the same, and logs in like Config.URL.
	URL string
	// MaxLag is how old at most may be what is read there. A replica that is further behind is not read.
	MaxLag time.Duration
	// Report, if set, is told nil when the replica begins to be read, and the reason when it no longer is.
	Report func(error)
}

// Why a replica is not read.
var (
	errNoReplica     = errors.New("it is no replica: a primary")
	errOtherDatabase = errors.New("it is a replica of another database")
	errLag           = errors.New("it is too far behind the primary")
)

// Replica is a streaming replica of a DB. It answers the reads of callers who may lag, as long as it is known to have
// everything that was committed MaxLag ago. Whatever it cannot answer, the primary does.
type Replica struct {
	cfg     ReplicaConfig
	pool    *DB
	primary *pgconn.Config
	replica *pgconn.Config
	cancel  context.CancelFunc
	done    chan struct{}

	began           time.Time
	complete        atomic.Int64 // everything committed before is there; time since began, 0 for unknown
	reads, repeated atomic.Uint64

	// Of the goroutine that follows: whether anything was reported yet, and whether that was good.
	settled, reported bool

	mu      sync.Mutex
	reading context.Context // ends when the replica goes out of use
	end     context.CancelFunc
}

// openReplica begins to follow a replica. Until it is known to be complete nobody reads there.
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

// Lag is how old at most is what is read from the replica now. It is longer than a century if nobody knows.
func (r *Replica) Lag() time.Duration {
	complete := r.complete.Load()
	if complete == 0 {
		return math.MaxInt64
	}
	return time.Since(r.began) - time.Duration(complete)
}

// InUse says whether callers who may lag read from the replica. No replica is not in use.
func (r *Replica) InUse() bool { return r != nil && r.Lag() < r.cfg.MaxLag }

// Reads counts what the replica has answered, and what was asked of the primary after the replica had failed.
func (r *Replica) Reads() (answered, repeated uint64) { return r.reads.Load(), r.repeated.Load() }

// Stats counts the connections of the pool.
func (r *Replica) Stats() sql.DBStats { return r.pool.Stats() }

func (r *Replica) close() error {
	r.cancel()
	<-r.done
	r.end()
	return r.pool.Close()
}

// read has a query run on the replica. It returns false if the primary is to be asked: the replica is not in use, has
// gone, has cancelled the query to catch up, or has not heard of a new column yet. So what it refuses proves nothing.
func (r *Replica) read(ctx context.Context, query func(context.Context, *bun.DB) error) (done bool) {
	reading := r.whileInUse() // before InUse: what ends afterwards is noticed
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
		r.settle(err)
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

// milestone is where the primary was at a time.
type milestone struct {
	asked    time.Duration // since began
	position uint64
}

// follow compares how far primary and replica are, until one of them can no longer be asked.
//
// What was committed before the primary is asked for its position lies before that position; so once the replica has
// got there, it has all of it. Clocks are not compared.
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
	var ahead []milestone // where the replica has not been seen yet
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
			ahead = ahead[1:] // too old to be of use
		}
		switch {
		case r.InUse():
			r.settle(nil)
		case asked-joined > r.cfg.MaxLag:
			r.settle(errLag)
		}
		// Not asleep: a replica that restarts may begin earlier than it was, so its end is noticed at once.
		if err := waitQuietly(ctx, replica, replicaPoll); err != nil {
			r.lost()
			return err
		}
	}
}

// lost takes the replica out of use.
func (r *Replica) lost() { r.complete.Store(0) }

// settle ends the reads that wait for a replica which has gone out of use, and reports that it goes out of use or into it.
// While only the primary cannot be asked, the replica stays in use for as long as its lag is known to be short.
func (r *Replica) settle(err error) {
	if err != nil && r.InUse() {
		return
	}
	if r.settled && r.reported == (err == nil) {
		return
	}
	r.settled, r.reported = true, err == nil
	if err != nil {
		r.endReads()
	}
	r.cfg.Report(err)
}

// endReads ends those that have begun: they may wait for an answer that never comes, or for a lock that the replica will
// hold until it has caught up.
func (r *Replica) endReads() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end()
	r.reading, r.end = context.WithCancel(context.Background())
}

// position is how far a server is in the write-ahead log, and of which database.
type position struct {
	database string
	position uint64
	standby  bool
}

// All copies of a cluster have its system identifier.
const identity = `(select system_identifier from pg_catalog.pg_control_system()) || '/' || pg_catalog.current_database()`

// What a server is asked for its position. The primary tells where it writes next: a commit that the disk is still to get is before that.
const (
	primaryPosition = `select ` + identity + `, pg_catalog.pg_current_wal_insert_lsn(), false`
	replicaPosition = `select ` + identity + `, coalesce(pg_catalog.pg_last_wal_replay_lsn(), '0/0'), pg_catalog.pg_is_in_recovery()`
)

func askPosition(ctx context.Context, conn *pgconn.PgConn, question string) (position, error) {
	ctx, cancel := context.WithTimeout(ctx, replicaPatience)
	defer cancel()
	results, err := conn.Exec(ctx, question).ReadAll()
	if err != nil {
		return position{}, pgwire.Classify(ctx, err)
	}
	row := results[0].Rows[0]
	lsn, err := parseLSN(string(row[1]))
	return position{string(row[0]), lsn, string(row[2]) == "t"}, err
}

// parseLSN reads a position as PostgreSQL writes it: two halves of 32 bits, in hexadecimal.
func parseLSN(text string) (uint64, error) {
	high, low, _ := strings.Cut(text, "/")
	upper, err := strconv.ParseUint(high, 16, 32)
	lower, lowErr := strconv.ParseUint(low, 16, 32)
	if err := errors.Join(err, lowErr); err != nil {
		return 0, fmt.Errorf("position %q: %w", text, err)
	}
	return upper<<32 | lower, nil
}

// endOfRecord is where the last record before an insert position has ended. The two differ where a page is full: the
// next record comes after the header of the next page, 40 bytes in a new file and 24 else, and a replica that has
// everything stays before it.
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

// waitQuietly returns after limit, or at once with an error when the connection is lost.
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
