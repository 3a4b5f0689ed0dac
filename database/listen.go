package database

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"usergraph/internal/pgwire"
)

// ErrNotAnnounced means that no changes arrive until a setting is corrected or a migration applied.
var ErrNotAnnounced = errors.New("changes are not announced")

const (
	// changesChannel is the channel of announcements. A payload is the JSON array
	// ["schema.table", "key", "owner"]. A null key means that many rows of the table have changed.
	changesChannel = "usergraph"
	// probePrefix begins the payload of a probe, which proves that notifications arrive. No table has that name.
	probePrefix = "?"
	// probeTimeout bounds the wait for a probe. Without a pooler it takes no longer than a statement.
	probeTimeout = 5 * time.Second
	// quietTimeout is how long the connection may be silent before it is checked.
	quietTimeout = 30 * time.Second
	// The pauses before a lost connection is opened again: the first, doubled each time up to the last. Each varies by
	// half, so that many servers do not reconnect at once.
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
)

// Changes reports changed rows of the announced tables, over a connection of its own.
type Changes struct {
	config *pgconn.Config
	report func(error)
	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	watchers map[Row][]*watcher
	err      error
	probe    string // the payload of the last probe
	heard    bool   // it has arrived
}

// Row names a row by its table, such as public.users, and its primary key.
type Row struct{ Table, ID string }

// watcher is a subscriber to the changes of a row.
type watcher struct{ changed func() }

// Listen starts to report changes, until Close. It opens a lost connection again.
//
// url is a connection string that reaches PostgreSQL directly or through a pooler in session mode. A pooler in
// transaction mode loses notifications; Listen detects that, and Err is ErrNotAnnounced. report, if set, is called with
// nil when changes begin to arrive, and with the reason when they stop.
func Listen(url string, report func(error)) (*Changes, error) {
	config, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	if report == nil {
		report = func(error) {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Changes{
		config:   &config.Config,
		report:   report,
		cancel:   cancel,
		done:     make(chan struct{}),
		watchers: map[Row][]*watcher{},
		err:      fmt.Errorf("%w: not connected yet", ErrUnavailable),
	}
	c.config.RuntimeParams["application_name"] += " listen"
	c.config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { c.hear(n.Payload) }
	go c.run(ctx)
	return c, nil
}

// Watch calls changed after each change of a row, and also when a change may have been missed. changed runs on the
// listening goroutine, so it must not block. It may run once more after stop.
func (c *Changes) Watch(row Row, changed func()) (stop func()) {
	w := &watcher{changed}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchers[row] = append(c.watchers[row], w)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		rest := slices.DeleteFunc(c.watchers[row], func(other *watcher) bool { return other == w })
		if len(rest) == 0 {
			delete(c.watchers, row)
			return
		}
		c.watchers[row] = rest
	}
}

// Err is nil while changes arrive. ErrUnavailable is temporary: the connection is being opened again, and missed
// changes are reported then. ErrNotAnnounced is permanent.
func (c *Changes) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close closes the connection.
func (c *Changes) Close() {
	c.cancel()
	<-c.done
}

// run keeps a connection open until ctx ends.
func (c *Changes) run(ctx context.Context) {
	defer close(c.done)
	pause := firstPause
	for {
		if c.listen(ctx) {
			pause = firstPause
		}
		if ctx.Err() != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + mathrand.N(pause)):
		}
		pause = min(2*pause, lastPause)
	}
}

// listen opens the connection and reports changes until it is lost. arrived reports whether any could arrive.
func (c *Changes) listen(ctx context.Context) (arrived bool) {
	conn, err := pgconn.ConnectConfig(ctx, c.config)
	if err != nil {
		c.settle(ctx, pgwire.Unavailable(ctx, err))
		return false
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if err := c.begin(ctx, conn); err != nil {
		c.settle(ctx, err)
		return false
	}
	c.missed() // before reporting that changes arrive, so that no watcher relies on the time in between
	c.settle(ctx, nil)
	for {
		err := c.wait(ctx, conn, quietTimeout)
		if errors.Is(err, context.DeadlineExceeded) {
			err = c.ask(ctx, conn)
		}
		if err != nil {
			c.settle(ctx, pgwire.Unavailable(ctx, err))
			return true
		}
	}
}

// begin subscribes to the channel and proves that notifications arrive.
func (c *Changes) begin(ctx context.Context, conn *pgconn.PgConn) error {
	results, err := conn.Exec(ctx, "listen "+changesChannel+"; select exists (select from pg_catalog.pg_proc p "+
		"join pg_catalog.pg_namespace n on n.oid = p.pronamespace where nspname = 'usergraph' and proname = 'announce_changes')").ReadAll()
	if err != nil {
		return pgwire.Classify(ctx, err)
	}
	if string(results[1].Rows[0][0]) != "t" {
		return fmt.Errorf("%w: the database has no function for it, run usergraph migrate", ErrNotAnnounced)
	}
	if err := c.sendProbe(ctx); err != nil {
		return err
	}
	deadline := time.Now().Add(probeTimeout)
	for !c.probed() {
		err := c.wait(ctx, conn, time.Until(deadline))
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return fmt.Errorf("%w: notifications do not arrive through a pooler in transaction mode, set DATABASE_LISTEN_URL to a direct connection or one in session mode", ErrNotAnnounced)
		}
		if err != nil {
			return pgwire.Unavailable(ctx, err)
		}
	}
	return nil
}

// sendProbe notifies from another session: a pooler may pass on only notifications of the same session.
func (c *Changes) sendProbe(ctx context.Context) error {
	c.mu.Lock()
	c.probe, c.heard = probePrefix+rand.Text(), false
	payload := c.probe
	c.mu.Unlock()
	config := c.config.Copy()
	config.OnNotification = nil
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return pgwire.Unavailable(ctx, err)
	}
	_, err = conn.Exec(ctx, "select pg_catalog.pg_notify('"+changesChannel+"', '"+payload+"')").ReadAll()
	if err != nil {
		err = pgwire.Classify(ctx, err)
	}
	return errors.Join(err, conn.Close(ctx))
}

func (c *Changes) probed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard
}

// wait returns after a notification was handled by hear, or with context.DeadlineExceeded after limit.
func (c *Changes) wait(ctx context.Context, conn *pgconn.PgConn, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := conn.WaitForNotification(ctx)
	if err != nil && ctx.Err() != nil && !conn.IsClosed() {
		return ctx.Err()
	}
	return err
}

// ask checks a silent connection. A lost one may stay silent for hours.
func (c *Changes) ask(ctx context.Context, conn *pgconn.PgConn) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return conn.Ping(ctx)
}

// hear calls the watchers of a notification's row.
func (c *Changes) hear(payload string) {
	c.mu.Lock()
	if strings.HasPrefix(payload, probePrefix) {
		c.heard = c.heard || payload == c.probe
		c.mu.Unlock()
		return
	}
	concerned := slices.Clone(c.concerned(payload))
	c.mu.Unlock()
	for _, w := range concerned {
		w.changed()
	}
}

// concerned returns the watchers of what a payload names. The caller holds mu.
func (c *Changes) concerned(payload string) (all []*watcher) {
	var names []*string // table, key, owner
	if json.Unmarshal([]byte(payload), &names) != nil || len(names) != 3 || names[0] == nil {
		return nil
	}
	table := *names[0]
	if names[1] != nil {
		return c.watchers[Row{table, *names[1]}]
	}
	for row, watchers := range c.watchers {
		if row.Table == table {
			all = append(all, watchers...)
		}
	}
	return all
}

// missed calls all watchers, since changes may have been missed.
func (c *Changes) missed() {
	c.mu.Lock()
	var all []*watcher
	for _, some := range c.watchers {
		all = append(all, some...)
	}
	c.mu.Unlock()
	for _, w := range all {
		w.changed()
	}
}

// settle stores and reports the state if it has changed.
func (c *Changes) settle(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	before := c.err
	c.err = err
	c.mu.Unlock()
	if (before == nil) != (err == nil) || errors.Is(err, ErrNotAnnounced) && !errors.Is(before, ErrNotAnnounced) {
		c.report(err)
	}
}
