package pgwire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"usergraph/internal/peek"
	"usergraph/internal/sqltext"
)

const (
	// connLifetime is about when a connection is replaced, give or take a quarter, so that pools follow a changed DNS name
	// or a failover, and not all connections at once.
	connLifetime = time.Hour
	// closeTimeout is how long saying goodbye to PostgreSQL may take.
	closeTimeout = time.Second
)

// dialer opens connections of the pool.
type dialer struct{ Config }

// open logs in and finds out what the connection is capable of.
func (c *dialer) open(ctx context.Context) (*conn, error) {
	pg, err := pgconn.ConnectConfig(ctx, &c.Postgres.Config)
	if err != nil {
		return nil, Unavailable(ctx, err)
	}
	conn := &conn{
		pg:      pg,
		socket:  peek.At(pg.Conn()),
		observe: c.Observe,
		expires: time.Now().Add(connLifetime*3/4 + rand.N(connLifetime/2)),

		quick:        cmp.Or(c.Tuning.Quick, quickAnswer),
		refreshEvery: cmp.Or(c.Tuning.Refresh, refreshEvery),
		timeout:      cmp.Or(c.Tuning.CancelTimeout, cancelTimeout),
		maxResult:    c.MaxResultBytes,
	}
	pg.Frontend().SetMaxBodyLen(c.MaxResultBytes + keepBytes) // or one row would be read whole, however large
	if err := conn.init(ctx, c.Postgres.DefaultQueryExecMode); err != nil {
		conn.Close()
		return nil, Unavailable(ctx, err)
	}
	return conn, nil
}

// conn is a connection of the pool. It runs statements only for a caller.
type conn struct {
	pg     *pgconn.PgConn
	socket syscall.RawConn // see peek.At
	// out is what waits to be written; unwritable is why it cannot be.
	out        []byte
	unwritable error
	observe    Observer
	quick      time.Duration // see Tuning
	expires    time.Time
	// statements is nil behind a pooler, which may give every transaction another session of PostgreSQL.
	statements *stmtCache
	// sent are the statements of the next round trip.
	sent []*statement
	// pendingSyncs counts the transactions that PostgreSQL was sent and has not answered.
	pendingSyncs int
	// tx is set while a caller's transaction is open.
	tx *transaction
	// unfinished is set when a context ended before the answer did: the connection is drained before its next use.
	unfinished *pending
	// watcher has the context of the running statement.
	watcher contextWatcher
	// Under Pool.mu: when a batch was granted, and the waiters of its statements but the first.
	batchSentAt time.Time
	followers   []*waiter
	// sessionDirty says that a statement may have left something behind in the session, such as SET or LISTEN.
	sessionDirty bool
	// provenFresh says that the session was fresh when it was opened.
	provenFresh bool
	// began are the reported settings as they were when the connection was opened, changed those that are not so now.
	began   map[string]string
	changed map[string]struct{}
	// defaults are read every refreshEvery.
	defaults     defaults
	refreshEvery time.Duration
	// maxResult is Config.MaxResultBytes.
	maxResult int
	// timeout is cancelTimeout.
	timeout time.Duration
}

// transaction is one that a caller has begun.
type transaction struct {
	ctx    context.Context
	caller *Caller
}

// language are the settings that rows.go and params.go rely on.
var language = []struct{ parameter, value string }{
	{"client_encoding", "UTF8"},
	{"DateStyle", "ISO"},
	{"standard_conforming_strings", "on"},
}

// noticeClosing has PostgreSQL look once a second, while a statement runs, whether the client is still there.
// https://www.postgresql.org/docs/current/runtime-config-connection.html
const noticeClosing = "set client_connection_check_interval = '1s'"

// init checks how PostgreSQL speaks, and whether statements can be prepared. A pooler is known by the process id it
// tells: it is not the one of the session behind it.
func (c *conn) init(ctx context.Context, mode pgx.QueryExecMode) error {
	for _, want := range language {
		if value := c.pg.ParameterStatus(want.parameter); !strings.HasPrefix(value, want.value) {
			return fmt.Errorf("%s is %q: add %[1]s=%[3]s to the connection string", want.parameter, value, want.value)
		}
	}
	c.began = map[string]string{}
	for _, name := range reported {
		c.began[name] = c.pg.ParameterStatus(name)
	}
	if mode == pgx.QueryExecModeCacheStatement {
		results, err := c.pg.Exec(ctx, "select pg_catalog.pg_backend_pid()").ReadAll()
		if err != nil {
			return err
		}
		if string(results[0].Rows[0][0]) == strconv.FormatUint(uint64(c.pg.PID()), 10) {
			c.statements = newStmtCache()
		}
	}
	return c.refresh(ctx)
}

// job is a statement on its way to PostgreSQL.
type job struct {
	ctx     context.Context
	caller  *Caller
	written string // as bun wrote it
	text    string // with $1 in place of what became values
	values  [][]byte
}

// reading are the first words of statements that a read-only caller may send. PostgreSQL still refuses those that write.
var reading = []string{"SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "SAVEPOINT", "RELEASE", "ROLLBACK"}

var errReads = errors.New("this caller only reads")

func newJob(ctx context.Context, caller *Caller, text string) (*job, error) {
	if caller.ReadOnly && !slices.Contains(reading, sqltext.FirstWord(text)) {
		return nil, &Error{Message: "a caller who only reads sends a statement that does not", kind: ErrForbidden, cause: errReads}
	}
	lifted, values, err := sqltext.Parameterize(text)
	if err != nil {
		return nil, argumentError(err)
	}
	return &job{ctx, caller, text, lifted, values}, nil
}

// run runs a statement in one round trip: with the caller's settings, or as it is inside a transaction, which has them.
func (c *conn) run(j *job) (*rows, error) {
	known := c.lookup(j.caller.Role, j.text, len(j.values))
	if known != nil {
		result, err := c.roundTrip(j.ctx, j.caller, known, j.values, j.text)
		if !c.mustReprepare(j.caller.Role, known, err) {
			return result, err
		}
	}
	inline, err := sqltext.Inline(j.written)
	if err != nil {
		return nil, argumentError(err)
	}
	s := &statement{text: inline, leaves: leavesSomething(j.text)}
	result, err := c.roundTrip(j.ctx, j.caller, s, nil, j.text)
	if err == errTemporary {
		c.send(&statement{text: discardTemporary}, nil)
		c.sendSettings(j.ctx, j.caller, discardedKind)
		c.send(s, nil)
		result, err = c.syncAndReceive(j.ctx, j.text)
	}
	if known != nil && err == nil && !known.parsed {
		known.unparameterizable = true
	}
	return result, err
}

// lookup returns the statement to prepare, or already prepared, for a text. It is nil if the text is to be sent as bun
// wrote it.
func (c *conn) lookup(role, lifted string, parameters int) *statement {
	if c.statements == nil {
		return nil
	}
	known := c.statements.find(role, lifted)
	if c.tx != nil && known != nil && !known.parsed && parameters > 0 {
		// PostgreSQL may refuse a parameter where it takes a literal, and a transaction has no second try.
		return nil
	}
	return known
}

// mustReprepare says that PostgreSQL refuses a statement only because of how it was prepared, before running it: it takes no
// parameter where bun wrote a literal, or the tables have changed. The same text may be right as bun wrote it.
func (c *conn) mustReprepare(role string, known *statement, err error) bool {
	var refused *stmtError
	if !errors.As(err, &refused) || refused.statement != known || refused.bound {
		return false
	}
	code := refused.Code
	// Not insufficient privilege, but feature not supported, and a utility statement that knows of no parameter.
	if code == "42501" || !strings.HasPrefix(code, "42") && code != "0A000" && code != "08P01" {
		return false
	}
	if known.parsed {
		c.statements.invalidate(role, known)
	}
	return c.tx == nil
}

// begin starts a transaction and makes it the caller's, in one round trip.
func (c *conn) begin(ctx context.Context, caller *Caller, text string) error {
	c.send(&statement{text: text}, nil)
	c.sendSettings(ctx, caller, c.settingsKind())
	_, err := c.syncAndReceive(ctx, text)
	if err == errTemporary {
		if _, err := c.roundTrip(ctx, nil, &statement{text: "rollback"}, nil, ""); err != nil {
			return err
		}
		c.send(&statement{text: text}, nil)
		c.send(&statement{text: discardTemporary}, nil)
		c.sendSettings(ctx, caller, discardedKind)
		_, err = c.syncAndReceive(ctx, text)
	}
	if err != nil {
		return err // and the pool closes the connection: usable sees the failed transaction
	}
	c.tx = &transaction{ctx, caller}
	return nil
}

// commit ends the transaction. A transaction that had failed is rolled back instead, and that is an error.
func (c *conn) commit() error {
	result, err := c.end(c.tx.ctx, "commit")
	if err == nil && result.tag != "COMMIT" {
		return errors.New("the transaction had failed and was rolled back")
	}
	return err
}

// rollback ends the transaction.
func (c *conn) rollback(ctx context.Context) error {
	_, err := c.end(ctx, "rollback")
	return err
}

func (c *conn) end(ctx context.Context, text string) (*rows, error) {
	c.tx = nil
	return c.roundTrip(ctx, nil, &statement{text: text}, nil, text)
}

// ping asks PostgreSQL for an answer.
func (c *conn) ping(ctx context.Context) error {
	if err := c.pg.Ping(ctx); err != nil {
		return Unavailable(ctx, err)
	}
	return nil
}

// cleanTags are the first words of the tags of statements that leave nothing behind in a session, unless they call a
// function that does.
var cleanTags = []string{"", "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "SHOW", "BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT"}

// afterStatement looks at what a statement has done to the session and to the transaction around it.
func (c *conn) afterStatement(s *statement, tag string) error {
	word, _, _ := strings.Cut(tag, " ")
	c.sessionDirty = c.sessionDirty || s.leaves || !slices.Contains(cleanTags, word)
	c.provenFresh = true
	// COMMIT AND CHAIN and ROLLBACK AND CHAIN begin another transaction at once, without the caller's settings.
	ended := c.pg.TxStatus() == 'I' || word == "COMMIT" || word == "ROLLBACK" && strings.Contains(strings.ToLower(s.text), "chain")
	if c.tx != nil && ended {
		c.closeBroken()
		return errors.New("a statement has ended the transaction around it: return from RunInTx, or call Commit or Rollback")
	}
	return nil
}

// reusable says whether the connection may go back to the pool: only if nothing is left on it.
func (c *conn) reusable() bool {
	return !c.pg.IsClosed() && !c.sessionDirty && len(c.changed) == 0 && c.pg.TxStatus() == 'I' && !c.old()
}

func (c *conn) old() bool { return time.Now().After(c.expires) }

// Close says goodbye to PostgreSQL.
func (c *conn) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return c.pg.Close(ctx)
}

// closeBroken closes a connection whose state is in doubt, without waiting for PostgreSQL; the pool throws it away.
func (c *conn) closeBroken() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = c.pg.Close(ctx)
}
