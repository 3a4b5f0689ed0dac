package database_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/database"
	"usergraph/internal/pgtest"
)

// line is a pool whose connections are taken, with statements that queue in the order of their calls. The first
// connection to be freed has prepared their texts.
type line struct {
	t     *testing.T
	pg    *pgtest.Database
	proxy *proxy
	db    *database.DB
	taken []bun.Tx
	asked int64
	all   sync.WaitGroup
}

func newLine(t *testing.T, conns int) *line {
	t.Helper()
	pg := newPostgres(t)
	p := newProxy(t, pg.URL)
	l := &line{t: t, pg: pg, proxy: p, db: open(t, database.Config{URL: p.URL, MaxConns: conns}.Patient())}
	for range 3 {
		if err := errors.Join(l.read(t.Context(), ada), l.sleep(t.Context(), "0")); err != nil {
			t.Fatal(err)
		}
	}
	// On a busy machine the last answer may have been slow, so that not all of the next statements would be in one
	// batch.
	for quick := false; !quick; {
		began := time.Now()
		if err := l.read(t.Context(), ada); err != nil {
			t.Fatal(err)
		}
		quick = time.Since(began) < 50*time.Millisecond/15
	}
	for range conns {
		l.take()
	}
	return l
}

// take takes a connection.
func (l *line) take() {
	l.t.Helper()
	tx, err := l.db.As(callerOf(ada)).BeginTx(context.Background(), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	l.taken, l.asked = append(l.taken, tx), l.db.Stats().WaitCount
}

// free releases the connection that was taken first.
func (l *line) free() {
	l.t.Helper()
	if err := l.taken[0].Rollback(); err != nil {
		l.t.Fatal(err)
	}
	l.taken = l.taken[1:]
}

// ask runs a statement, and returns when it is queued.
func (l *line) ask(run func() error) <-chan error {
	l.t.Helper()
	ended := make(chan error, 1)
	l.all.Go(func() { ended <- run() })
	l.asked++
	until(l.t, "it stands in line", func() bool { return l.db.Stats().WaitCount == l.asked })
	return ended
}

// readers queues reads of Ada's and Bob's rows, and returns a function that checks the results.
func (l *line) readers(count int) (expect func()) {
	l.t.Helper()
	var answers []<-chan error
	for i := range count {
		answers = append(answers, l.ask(func() error { return l.read(l.t.Context(), []uuid.UUID{ada, bob}[i%2]) }))
	}
	return func() {
		l.t.Helper()
		for i, answer := range answers {
			if err := <-answer; err != nil {
				l.t.Errorf("reader %d: %v", i, err)
			}
		}
	}
}

// readerOf returns a read-only caller.
func readerOf(id uuid.UUID) database.Caller {
	caller := callerOf(id)
	caller.ReadOnly = true
	return caller
}

// read reads all rows that a user may see.
func (l *line) read(ctx context.Context, id uuid.UUID) error {
	var found []user
	if err := l.db.As(readerOf(id)).NewSelect().Model(&found).Where("length(u.full_name) < ?", 10+rand.Int64()/2).Scan(ctx); err != nil {
		return err
	}
	if len(found) != 1 || found[0].ID != id {
		return fmt.Errorf("saw %v", found)
	}
	return nil
}

func (l *line) sleep(ctx context.Context, seconds string) error {
	_, err := l.db.As(readerOf(ada)).ExecContext(ctx, "select pg_sleep(?::float8)", seconds)
	return err
}

func until(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for end := time.Now().Add(timeout); !reached(); {
		if time.Now().After(end) {
			t.Fatal("gave up waiting until ", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// Statements that wait for the same connection are sent in one write, each in its own transaction.
func TestTogether(t *testing.T) {
	l := newLine(t, 1)
	expect := l.readers(10)
	l.proxy.reset()
	l.free() // for one round trip
	expect()
	if trips, syncs := l.proxy.count('S'); trips != 1+1 || syncs != 1+10 {
		t.Errorf("%d transactions in %d round trips, not 11 in 2", syncs, trips)
	}
}

// A write is sent without a batch, and later reads do not overtake it.
func TestWritersTravelAlone(t *testing.T) {
	l := newLine(t, 1)
	first := l.readers(2)
	write := l.ask(func() error { return rename(t.Context(), l.db.As(callerOf(ada)), ada, "Ada") })
	second := l.readers(2)
	l.proxy.reset()
	l.free()
	first()
	second()
	if err := <-write; err != nil {
		t.Error(err)
	}
	if trips, syncs := l.proxy.count('S'); trips != 1+3 || syncs != 1+5 {
		t.Errorf("%d transactions in %d round trips, not 6 in 4", syncs, trips)
	}
}

// A statement that was slow last time is sent without a batch.
func TestSlowTravelAlone(t *testing.T) {
	l := newLine(t, 1)
	l.free()
	l.db = open(t, database.Config{URL: l.proxy.URL, MaxConns: 1})
	for range 3 {
		if err := l.sleep(t.Context(), "0.02"); err != nil {
			t.Fatal(err)
		}
	}
	l.take()
	slow := []<-chan error{l.ask(func() error { return l.sleep(t.Context(), "0") }), l.ask(func() error { return l.sleep(t.Context(), "0") })}
	l.proxy.reset()
	l.free()
	if err := errors.Join(<-slow[0], <-slow[1]); err != nil {
		t.Error(err)
	}
	if trips, syncs := l.proxy.count('S'); trips != 1+2 || syncs != 1+2 {
		t.Errorf("%d transactions in %d round trips, not 3 in 3", syncs, trips)
	}
}

// A batch is only as large as can be answered before its last statement retries.
func TestLongLine(t *testing.T) {
	l := newLine(t, 1)
	for range 3 {
		l.free()
		if err := l.sleep(t.Context(), "0.03"); err != nil {
			t.Fatal(err)
		}
		l.take()
	}
	var all []<-chan error
	for range 3 {
		all = append(all, l.ask(func() error { return l.sleep(t.Context(), "0.03") }))
	}
	l.proxy.reset()
	l.free()
	for _, one := range all {
		if err := <-one; err != nil {
			t.Error(err)
		}
	}
	if trips, syncs := l.proxy.count('S'); trips != 1+3 || syncs != 1+3 {
		t.Errorf("%d transactions in %d round trips, not 4 in 4", syncs, trips)
	}
}

// A statement that is slower than before delays the rest of its batch only briefly.
func TestSlowHead(t *testing.T) {
	l := newLine(t, 2)
	ctx, leave := context.WithCancel(t.Context())
	slow := l.ask(func() error { return l.sleep(ctx, "600") })
	expect := l.readers(5)
	l.free()
	newWatch(t, l.pg).until(1, sleeping)
	l.free()
	expect()
	select {
	case err := <-slow:
		t.Errorf("the slow one has ended before them: %v", err)
	default:
	}
	leave()
	if err := <-slow; !errors.Is(err, context.Canceled) {
		t.Errorf("the slow one ended with %v", err)
	}
}

// A caller that leaves affects no other, before its statement runs or while it does.
func TestLeaveLine(t *testing.T) {
	l := newLine(t, 1)
	w := newWatch(t, l.pg)
	ctx, leave := context.WithCancel(t.Context())
	early, leaveEarly := context.WithCancel(t.Context())
	first := l.readers(2)
	slow := l.ask(func() error { return l.sleep(ctx, "600") })
	second := l.readers(2)
	behind := l.ask(func() error { return l.read(early, bob) })
	third := l.readers(2)
	l.free()
	first()
	w.until(1, sleeping)
	leaveEarly()
	if err := <-behind; !errors.Is(err, context.Canceled) {
		t.Errorf("who left early got %v", err)
	}
	leave()
	if err := <-slow; !errors.Is(err, context.Canceled) {
		t.Errorf("who left while its statement ran got %v", err)
	}
	second()
	third()
	w.until(0, sleeping)
}

// The cancellation of a statement does not hit the next ones of its batch.
func TestCancelHitsNobodyBehind(t *testing.T) {
	l := newLine(t, 1)
	w := newWatch(t, l.pg)
	for range 20 {
		ctx, leave := context.WithCancel(t.Context())
		slow := l.ask(func() error { return l.sleep(ctx, "600") })
		var behind []<-chan error
		for range 10 {
			behind = append(behind, l.ask(func() error { return l.sleep(t.Context(), "0.002") }))
		}
		l.free()
		w.until(1, sleeping)
		leave()
		if err := <-slow; !errors.Is(err, context.Canceled) {
			t.Errorf("the slow one ended with %v", err)
		}
		for i, one := range behind {
			if err := <-one; err != nil {
				t.Errorf("number %d behind it: %v", i, err)
			}
		}
		l.take()
	}
	l.free()
}

// Sent statements of callers that have left do not keep running in PostgreSQL.
func TestLeaversLeaveNothingRunning(t *testing.T) {
	l := newLine(t, 1)
	w := newWatch(t, l.pg)
	ctx, leave := context.WithCancel(t.Context())
	var all []<-chan error
	for range 4 {
		all = append(all, l.ask(func() error { return l.sleep(ctx, "600") }))
	}
	l.free()
	w.until(1, sleeping)
	leave()
	for _, left := range all {
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
	}
	w.until(0, sleeping)
	if err := l.read(t.Context(), bob); err != nil {
		t.Errorf("and then: %v", err)
	}
}

// Callers that have left do not delay the return of those with an answer.
func TestLeaversHoldUpNobody(t *testing.T) {
	l := newLine(t, 1)
	w := newWatch(t, l.pg)
	lock, err := newWatch(t, l.pg).conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(t.Context(), "lock table users in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	head := l.ask(func() error { return l.read(t.Context(), ada) })
	ctx, leave := context.WithCancel(t.Context())
	var behind []<-chan error
	for range 15 {
		behind = append(behind, l.ask(func() error { return l.sleep(ctx, "0.05") }))
	}
	l.free()
	w.until(1, "wait_event_type = 'Lock'")
	leave()
	for _, left := range behind {
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
	}
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-head; err != nil {
		t.Error(err)
	}
	if l.db.Stats().InUse == 0 { // their results have been read
		t.Error("who stayed has waited for those who left")
	}
	if err := l.read(t.Context(), bob); err != nil {
		t.Errorf("and then: %v", err)
	}
}

// Statements queued behind one whose connection is lost are sent again.
func TestLineLost(t *testing.T) {
	l := newLine(t, 1)
	slow := l.ask(func() error { return l.sleep(t.Context(), "600") })
	expect := l.readers(5)
	l.free()
	newWatch(t, l.pg).until(1, sleeping)
	l.pg.Exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid()")
	if err := <-slow; !errors.Is(err, database.ErrUnavailable) {
		t.Errorf("whose connection was lost got %v", err)
	}
	expect()
}

// Statements whose prepared plan is invalid, because their table has changed, run again.
func TestLineOutdated(t *testing.T) {
	l := newLine(t, 1)
	all := func() error {
		return l.db.As(readerOf(ada)).NewRaw("select * from users").Scan(t.Context(), &[]map[string]any{})
	}
	l.free()
	for range 3 {
		if err := all(); err != nil {
			t.Fatal(err)
		}
	}
	l.take()
	one, two := l.ask(all), l.ask(all)
	expect := l.readers(2)
	l.pg.Exec(t, "alter table users add column nickname text")
	l.free()
	if err := errors.Join(<-one, <-two); err != nil {
		t.Error(err)
	}
	expect()
}

// An error belongs to one statement only.
func TestErrorInLine(t *testing.T) {
	l := newLine(t, 1)
	l.free()
	divide := func(by string) error {
		_, err := l.db.As(readerOf(ada)).ExecContext(t.Context(), "select 1 / ?::int", by)
		return err
	}
	for range 3 {
		if err := divide("1"); err != nil {
			t.Fatal(err)
		}
	}
	l.take()
	first := l.readers(2)
	failing := l.ask(func() error { return divide("0") })
	second := l.readers(2)
	l.proxy.reset()
	l.free()
	first()
	second()
	if err := <-failing; !isDivision(err) {
		t.Errorf("the error is %v", err)
	}
	if trips, syncs := l.proxy.count('S'); trips != 1+1 || syncs != 1+5 {
		t.Errorf("%d transactions in %d round trips, not 6 in 2", syncs, trips)
	}
}

// Where PostgreSQL is near and enough connections run batches, a quick statement waits for one of them, although others are
// idle; not for long, and not if a waiter needs a connection for itself.
func TestWaitForBatch(t *testing.T) {
	pg := newPostgres(t)
	for _, test := range []struct {
		name   string
		cfg    database.Config
		waits  bool
		writer bool // comes next
		fresh  bool // the statement is a new one
	}{
		{name: "waits", cfg: database.Config{}.Patient().Near(time.Hour).Batches(1), waits: true},
		{name: "not for long", cfg: database.Config{}.Near(time.Hour).Batches(1)},
		{name: "more batches may run", cfg: database.Config{}.Patient().Near(time.Hour).Batches(2)},
		{name: "far away", cfg: database.Config{}.Patient().Near(1).Batches(1)},
		{name: "somebody writes", cfg: database.Config{}.Patient().Near(time.Hour).Batches(1), waits: true, writer: true},
		{name: "not known to be quick", cfg: database.Config{}.Patient().Near(time.Hour).Batches(1), fresh: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.cfg.URL, test.cfg.MaxConns = pg.URL, 3
			l := &line{t: t, pg: pg, db: open(t, test.cfg)}
			for range 3 {
				l.take()
			}
			for range 3 { // each of them prepares what they read
				l.free()
				for range 3 {
					if err := l.read(t.Context(), ada); err != nil {
						t.Fatal(err)
					}
				}
				l.take()
			}
			l.free()
			l.free()
			lock, err := newWatch(t, pg).conn.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := lock.Exec(t.Context(), "lock table users in access exclusive mode"); err != nil {
				t.Fatal(err)
			}
			w, answers := newWatch(t, pg), make(chan error, 3)
			read := func() { answers <- l.read(t.Context(), ada) }
			const locked = "wait_event_type = 'Lock'"
			go read()
			w.until(1, locked)
			if test.fresh {
				read = func() {
					_, err := l.db.As(readerOf(ada)).ExecContext(t.Context(), "select from users")
					answers <- err
				}
			}
			go read()
			asked := 2
			if test.waits {
				until(t, "it waits for a batch", func() bool { return l.db.Queued() == 1 })
				if n := w.ours(locked); n != 1 {
					t.Errorf("%d statements run, not one", n)
				}
			} else {
				w.until(2, locked)
			}
			if test.writer {
				go func() { answers <- rename(t.Context(), l.db.As(callerOf(ada)), ada, "Ada") }()
				asked++
				w.until(2, locked)
			}
			if err := lock.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range asked {
				if err := <-answers; err != nil {
					t.Error(err)
				}
			}
			l.free()
		})
	}
}
