package database

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"usergraph/internal/pgwire"
)

// ErrNotAnnounced means that no changes arrive until a setting is corrected or usergraph migrate has run.
var ErrNotAnnounced = errors.New("changes are not announced")

const (
	// changesChannel is the channel that triggers notify. engine/002_announcements.sql says what a payload is.
	changesChannel = "usergraph"
	// announcedTables lists the tables with triggers, as announcements name them.
	announcedTables = `select n.nspname || '.' || c.relname from pg_catalog.pg_trigger g join pg_catalog.pg_class c on c.oid = tgrelid
		join pg_catalog.pg_namespace n on n.oid = c.relnamespace join pg_catalog.pg_proc p on p.oid = tgfoid join pg_catalog.pg_namespace f on f.oid = pronamespace
		where tgname = 'usergraph_announce_update' and tgenabled <> 'D' and f.nspname = 'usergraph'`
	// probePrefix begins the payload of a probe, which proves that notifications arrive. An announcement is a JSON array.
	probePrefix = "?"
	// probeTimeout bounds the wait for a probe. Without a pooler it takes no longer than a statement.
	probeTimeout = 5 * time.Second
	// listPause is the pause between two checks of the connection, and of which tables are announced.
	listPause = 30 * time.Second
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

	mu        sync.Mutex
	watchers  map[string]*tableWatchers // by table
	announced map[string]struct{}       // tables with triggers; nil until a connection was open
	err       error
	probe     string // the payload of the last probe
	heard     bool   // it has arrived
}

// tableWatchers are the watchers of one table.
type tableWatchers struct {
	whole  []*watcher
	rows   map[string][]*watcher // by key
	owners map[string][]*watcher // by owner
}

// watcher is a subscriber to the changes of some sources.
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
		watchers: map[string]*tableWatchers{},
		err:      fmt.Errorf("%w: not connected yet", ErrUnavailable),
	}
	c.config.RuntimeParams["application_name"] += " listen"
	c.config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { c.hear(n.Payload) }
	go c.run(ctx)
	return c, nil
}

// Watch calls changed after each change of one of the sources, and also when a change may have been missed. changed runs
// on the listening goroutine, so it must not block. It may run more than once for a change, and once more after stop.
func (c *Changes) Watch(sources []Source, changed func()) (stop func()) {
	w := &watcher{changed}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range sources {
		table := c.watchers[s.table]
		if table == nil {
			table = &tableWatchers{rows: map[string][]*watcher{}, owners: map[string][]*watcher{}}
			c.watchers[s.table] = table
		}
		table.set(s, append(table.of(s), w))
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, s := range sources {
			table := c.watchers[s.table]
			if table == nil {
				continue
			}
			table.set(s, slices.DeleteFunc(table.of(s), func(other *watcher) bool { return other == w }))
			if len(table.whole)+len(table.rows)+len(table.owners) == 0 {
				delete(c.watchers, s.table)
			}
		}
	}
}

// of returns the watchers of a source.
func (t *tableWatchers) of(s Source) []*watcher {
	switch s.part {
	case oneRow:
		return t.rows[s.value]
	case ownerRows:
		return t.owners[s.value]
	}
	return t.whole
}

// set replaces the watchers of a source.
func (t *tableWatchers) set(s Source, watchers []*watcher) {
	by := t.rows
	switch {
	case s.part == wholeTable:
		t.whole = watchers
		return
	case s.part == ownerRows:
		by = t.owners
	}
	if len(watchers) == 0 {
		delete(by, s.value)
		return
	}
	by[s.value] = watchers
}

// concerned returns the watchers that a change may concern. A key or an owner that is nil may be any.
func (t *tableWatchers) concerned(key, owner *string) []*watcher {
	return slices.Concat(t.whole, matching(t.rows, key), matching(t.owners, owner))
}

func matching(watchers map[string][]*watcher, value *string) []*watcher {
	if value != nil {
		return watchers[strings.ToLower(*value)]
	}
	return slices.Concat(slices.Collect(maps.Values(watchers))...)
}

// Check returns an error if one of the sources is not announced, or cannot be watched. A nil error may be wrong until the
// connection was open once.
func (c *Changes) Check(sources []Source) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(c.err, ErrNotAnnounced) {
		return c.err
	}
	for _, s := range sources {
		if s.err != nil {
			return s.err
		}
		_, announced := c.announced[s.table]
		if announced || c.announced == nil {
			continue
		}
		if s.keyless {
			return fmt.Errorf("%w: %s has no trigger for it, since its model has no key: give the fields of the key the tag `bun:\",pk\"`, then run usergraph migrate",
				ErrNotAnnounced, s.table)
		}
		return fmt.Errorf("%w: %s has no trigger for it, run usergraph migrate", ErrNotAnnounced, s.table)
	}
	return nil
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
		c.setState(ctx, pgwire.Unavailable(ctx, err))
		return false
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if err := c.begin(ctx, conn); err != nil {
		c.setState(ctx, err)
		return false
	}
	c.missed() // before reporting that changes arrive, so that no watcher relies on the time in between
	c.setState(ctx, nil)
	listed := time.Now()
	for {
		err := c.wait(ctx, conn, max(0, listPause-time.Since(listed)))
		if errors.Is(err, context.DeadlineExceeded) {
			// The query also finds out whether a silent connection is lost: it may stay silent for hours.
			listed = time.Now()
			err = c.readAnnounced(ctx, conn)
		}
		if err != nil {
			c.setState(ctx, pgwire.Unavailable(ctx, err))
			return true
		}
	}
}

// begin subscribes to the channel and proves that notifications arrive.
func (c *Changes) begin(ctx context.Context, conn *pgconn.PgConn) error {
	results, err := conn.Exec(ctx, "listen "+changesChannel+"; select exists (select from pg_catalog.pg_proc p "+
		"join pg_catalog.pg_namespace n on n.oid = pronamespace where nspname = 'usergraph' and proname = 'announce_changes')").ReadAll()
	if err != nil {
		return pgwire.Classify(ctx, err)
	}
	if string(results[1].Rows[0][0]) != "t" {
		return fmt.Errorf("%w: the database has no function for it, run usergraph migrate", ErrNotAnnounced)
	}
	if err := c.readAnnounced(ctx, conn); err != nil {
		return err
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

// readAnnounced reads which tables are announced.
func (c *Changes) readAnnounced(ctx context.Context, conn *pgconn.PgConn) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	results, err := conn.Exec(ctx, announcedTables).ReadAll()
	if err != nil {
		return pgwire.Classify(ctx, err)
	}
	announced := map[string]struct{}{}
	for _, row := range results[0].Rows {
		announced[string(row[0])] = struct{}{}
	}
	c.mu.Lock()
	c.announced = announced
	c.mu.Unlock()
	return nil
}

// hear calls the watchers that a notification may concern.
func (c *Changes) hear(payload string) {
	c.mu.Lock()
	if strings.HasPrefix(payload, probePrefix) {
		c.heard = c.heard || payload == c.probe
		c.mu.Unlock()
		return
	}
	var change [3]*string // table, key, owner
	var concerned []*watcher
	if err := json.Unmarshal([]byte(payload), &change); err == nil && change[0] != nil {
		if table := c.watchers[*change[0]]; table != nil {
			concerned = table.concerned(change[1], change[2])
		}
	}
	c.mu.Unlock()
	for _, w := range concerned {
		w.changed()
	}
}

// missed calls all watchers, since changes may have been missed.
func (c *Changes) missed() {
	c.mu.Lock()
	var all []*watcher
	for _, table := range c.watchers {
		all = append(all, table.concerned(nil, nil)...)
	}
	c.mu.Unlock()
	for _, w := range all {
		w.changed()
	}
}

// setState stores and reports the state if it has changed.
func (c *Changes) setState(ctx context.Context, err error) {
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
