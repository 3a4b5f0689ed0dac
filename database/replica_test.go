//go:build services

package database_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"usergraph/database"
	"usergraph/internal/pgtest"
)

// lagging is a read-only caller that may lag.
func lagging() database.Caller {
	caller := callerOf(ada)
	caller.ReadOnly, caller.MayLag = true, true
	return caller
}

// reports are the reports about a replica.
type reports struct {
	mu   sync.Mutex
	said []error
}

func (r *reports) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, err)
}

func (r *reports) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprint(r.said)
}

// openReplicated returns a pool with a replica behind url that is in use.
func openReplicated(t *testing.T, primary *pgtest.Database, url string, maxLag time.Duration) (*database.DB, *reports) {
	t.Helper()
	said := new(reports)
	db := open(t, database.Config{URL: primary.URL, MaxConns: 4, Replica: database.ReplicaConfig{URL: url, MaxLag: maxLag, Report: said.add}})
	waitFor(t, "the replica is in use", db.Replica().InUse)
	return db, said
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: ", what)
		}
	}
}

func nameOf(ctx context.Context, db bun.IDB) (name string, err error) {
	err = db.NewSelect().Model((*user)(nil)).Column("full_name").Where("id = ?", ada).Scan(ctx, &name)
	return name, err
}

func wantName(t *testing.T, db bun.IDB, want string) {
	t.Helper()
	if got, err := nameOf(t.Context(), db); err != nil || got != want {
		t.Errorf("read %q, %v; want %q", got, err, want)
	}
}

const long = time.Hour // a lag that is never reached

func TestOnlyReadersWhoMayLagReadFromTheReplica(t *testing.T) {
	pg := newPostgres(t)
	standby := pgtest.NewStandby(t, pg)
	db, _ := openReplicated(t, pg, standby.URL, long)
	standby.Pause(t)
	if err := rename(t.Context(), db.As(callerOf(ada)), ada, "new"); err != nil {
		t.Fatal(err)
	}
	wantName(t, db.As(lagging()), "Ada")
	var name string
	if err := db.As(lagging()).QueryRowContext(t.Context(), "select full_name from users where id = ?", ada).Scan(&name); err != nil || name != "Ada" {
		t.Errorf("a row: %q, %v", name, err)
	}
	for name, change := range map[string]func(*database.Caller){
		"who may not lag": func(c *database.Caller) { c.MayLag = false },
		"who may write":   func(c *database.Caller) { c.ReadOnly = false },
	} {
		caller := lagging()
		change(&caller)
		t.Log(name)
		wantName(t, db.As(caller), "new")
	}
	err := db.As(lagging()).RunInTx(t.Context(), nil, func(_ context.Context, tx bun.Tx) error {
		wantName(t, tx, "new")
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if answered, repeated := db.Replica().Reads(); answered != 2 || repeated != 0 {
		t.Errorf("%d reads, %d repeated", answered, repeated)
	}
	standby.Resume(t)
	waitFor(t, "the replica has the new name", func() bool {
		name, err := nameOf(t.Context(), db.As(lagging()))
		return err == nil && name == "new"
	})
}

func TestRowLevelSecurityHoldsOnTheReplica(t *testing.T) {
	pg := newPostgres(t)
	standby := pgtest.NewStandby(t, pg)
	db, _ := openReplicated(t, pg, standby.URL, long)
	for range 4 { // also prepared
		var users []user
		if err := db.As(lagging()).NewSelect().Model(&users).Scan(t.Context()); err != nil || len(users) != 1 || users[0].ID != ada {
			t.Fatalf("%v, %v", users, err)
		}
		var uid, role, readOnly string
		err := db.As(lagging()).NewRaw("select auth.uid(), auth.role(), current_setting('transaction_read_only')").Scan(t.Context(), &uid, &role, &readOnly)
		if err != nil || uid != ada.String() || role != "authenticated" || readOnly != "on" {
			t.Fatal(uid, role, readOnly, err)
		}
		anonymous := database.Caller{Role: "anon", Claims: []byte(`{"role":"anon"}`), ReadOnly: true, MayLag: true}
		if err := db.As(anonymous).NewSelect().Model(new([]user)).Scan(t.Context()); !errors.Is(err, database.ErrForbidden) {
			t.Fatalf("as anon: %v", err)
		}
		if err := rename(t.Context(), db.As(lagging()), ada, "never"); !errors.Is(err, database.ErrForbidden) {
			t.Fatalf("a reader writes: %v", err)
		}
	}
	if answered, _ := db.Replica().Reads(); answered < 8 {
		t.Errorf("only %d of the reads were the replica's", answered)
	}
}

// What was committed before the time of Lag is on the replica, even while others write and commits do not wait for the
// disk.
func TestLagIsNeverTooShort(t *testing.T) {
	pg := newPostgres(t)
	standby := pgtest.NewStandby(t, pg)
	db, _ := openReplicated(t, pg, standby.URL, long)
	busy, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	defer others.Wait()
	defer stop()
	others.Go(func() {
		for busy.Err() == nil {
			if err := rename(busy, db.As(callerOf(bob)), bob, strings.Repeat("b", 100)); err != nil && busy.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range 10 {
		if i == 5 {
			stop() // the last commit waits longest for the disk
		}
		time.Sleep(time.Duration(i%5) * 50 * time.Millisecond) // at different times between two polls
		name := fmt.Sprint("Ada ", i)
		if err := rename(t.Context(), db.As(callerOf(ada)), ada, name); err != nil {
			t.Fatal(err)
		}
		committed := time.Now()
		waitFor(t, "the replica is complete", func() bool { lag := db.Replica().Lag(); return time.Since(committed) > lag })
		before, _ := db.Replica().Reads()
		wantName(t, db.As(lagging()), name)
		if after, _ := db.Replica().Reads(); after != before+1 {
			t.Error("it was not read from the replica")
		}
	}
}

// A page of the log that is full to the last byte makes the replica seem incomplete.
func TestAQuietPrimaryDoesNotMakeTheReplicaLag(t *testing.T) {
	pg := newPostgres(t)
	standby := pgtest.NewStandby(t, pg)
	end := func() int {
		return query1[int](t, pg.AdminURL, "select (pg_current_wal_insert_lsn() - '0/0')::bigint % 8192")
	}
	emit := func(bytes int) {
		pg.Exec(t, "select pg_logical_emit_message(false, 't', repeat('x', $1))", bytes)
		pg.Exec(t, "select pg_logical_emit_message(false, 't', '')") // writes now what a commit would write later
	}
	full := func() bool { return end() == 24 || end() == 40 }
	var db *database.DB
	for db == nil || !full() { // PostgreSQL may have written something meanwhile
		for !full() {
			before := end()
			emit(0)
			least := (end() - before) / 2
			if room := 8192 - end() - 2*least; least > 0 && room >= 0 {
				emit(room)
			} else {
				emit(5000) // onto the next page
			}
		}
		db, _ = openReplicated(t, pg, standby.URL, time.Second)
	}
	wantName(t, db.As(lagging()), "Ada")
	if answered, _ := db.Replica().Reads(); answered != 1 {
		t.Error("it was not read from the replica")
	}
}

func TestAReplicaTooFarBehindIsNotRead(t *testing.T) {
	pg := newPostgres(t)
	standby := pgtest.NewStandby(t, pg)
	db, said := openReplicated(t, pg, standby.URL, 2*time.Second)
	standby.Pause(t)
	pg.Exec(t, "update public.users set full_name = 'new' where id = $1", ada)
	waitFor(t, "the replica is out of use", func() bool { return !db.Replica().InUse() })
	wantName(t, db.As(lagging()), "new")
	waitFor(t, "that is told", func() bool { return strings.Contains(said.String(), "too far behind") })
	standby.Resume(t)
	waitFor(t, "the replica is in use again", db.Replica().InUse)
	wantName(t, db.As(lagging()), "new")
	waitFor(t, "that is told, once", func() bool { return said.String() == "[<nil> it is too far behind the primary <nil>]" })
}

func TestAKilledReplicaFailsNoRead(t *testing.T) {
	pg := newPostgres(t)
	standby := pgtest.NewOwnStandby(t, pg)
	db, said := openReplicated(t, pg, standby.URL, long)
	reading, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	defer readers.Wait()
	defer stop()
	for range 4 {
		readers.Go(func() {
			for reading.Err() == nil {
				if name, err := nameOf(reading, db.As(lagging())); reading.Err() == nil && (err != nil || name != "Ada") {
					t.Error(name, err)
				}
			}
		})
	}
	readMore := func() {
		t.Helper()
		before, _ := db.Replica().Reads()
		waitFor(t, "reads from the replica", func() bool { answered, _ := db.Replica().Reads(); return answered > before+100 })
	}
	readMore()
	standby.Kill(t)
	waitFor(t, "the replica is out of use", func() bool { return !db.Replica().InUse() })
	waitFor(t, "that is told", func() bool { return strings.Contains(said.String(), database.ErrUnavailable.Error()) })
	standby.Restart(t)
	readMore()
	if text := said.String(); strings.Count(text, database.ErrUnavailable.Error()) != 1 {
		t.Error("more was told than needed: ", text)
	}
}

func TestASilentReplicaFailsNoRead(t *testing.T) {
	pg := newPostgres(t)
	standby := pgtest.NewStandby(t, pg)
	p := newProxy(t, standby.URL)
	db, said := openReplicated(t, pg, p.URL, long)
	wantName(t, db.As(lagging()), "Ada")
	p.held.Lock()
	wantName(t, db.As(lagging()), "Ada")
	if db.Replica().InUse() {
		t.Error("the replica is still in use")
	}
	if _, repeated := db.Replica().Reads(); repeated != 1 {
		t.Errorf("%d reads were repeated", repeated)
	}
	waitFor(t, "that is told", func() bool { return strings.Count(said.String(), " ") > 0 })
	p.held.Unlock()
	waitFor(t, "the replica is in use again", db.Replica().InUse)
}

func TestThePrimaryAnswersWhatTheReplicaCannot(t *testing.T) {
	pg := newPostgres(t)
	standby := pgtest.NewOwnStandby(t, pg)
	db, _ := openReplicated(t, pg, standby.URL, long)

	standby.Exec(t, "alter system set max_standby_streaming_delay = 0")
	standby.Exec(t, "select pg_reload_conf()")
	failed := make(chan error, 1)
	go func() {
		var n int
		failed <- db.As(lagging()).NewRaw("select count(*) from public.users, pg_sleep(case when pg_is_in_recovery() then 600 else 0 end)").Scan(t.Context(), &n)
	}()
	waitFor(t, "the replica reads", func() bool {
		return query1[int](t, standby.AdminURL, "select count(*) from pg_stat_activity where application_name = 'usergraph' and "+sleeping) == 1
	})
	pg.Exec(t, "begin; lock table public.users in access exclusive mode; commit")
	if err := <-failed; err != nil {
		t.Errorf("a read that kept the replica from catching up: %v", err)
	}

	standby.Pause(t)
	pg.Exec(t, "alter table public.users add column pet text default 'Rex'")
	var pet string
	if err := db.As(lagging()).NewRaw("select pet from public.users").Scan(t.Context(), &pet); err != nil || pet != "Rex" {
		t.Errorf("a column that the replica has not heard of: %q, %v", pet, err)
	}
	if _, repeated := db.Replica().Reads(); repeated != 2 {
		t.Errorf("%d reads were repeated", repeated)
	}
}

// The replica holds the primary's table lock until it has replayed its release.
func TestAReadThatWaitsForTheReplicaGoesToThePrimary(t *testing.T) {
	pg := newPostgres(t)
	standby := pgtest.NewStandby(t, pg)
	db, _ := openReplicated(t, pg, standby.URL, 2*time.Second)
	w := newWatch(t, pg)
	tx, err := w.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table public.users in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	standby.CatchUp(t)
	standby.Pause(t)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantName(t, db.As(lagging()), "Ada")
	if answered, repeated := db.Replica().Reads(); answered != 0 || repeated != 1 {
		t.Errorf("%d answered, %d repeated", answered, repeated)
	}
}

func TestASlowReadIsNotRepeated(t *testing.T) {
	pg := newPostgres(t)
	standby := pgtest.NewStandby(t, pg)
	db, _ := openReplicated(t, pg, standby.URL, long)
	hasty := lagging()
	hasty.StatementTimeout = 50 * time.Millisecond
	if _, err := db.As(hasty).QueryContext(t.Context(), "select pg_sleep(600)"); !errors.Is(err, database.ErrTimeout) {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := db.As(lagging()).QueryContext(ctx, "select pg_sleep(600)"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if answered, repeated := db.Replica().Reads(); answered != 0 || repeated != 0 {
		t.Errorf("%d answered, %d repeated", answered, repeated)
	}
}

func TestOnlyAReplicaOfTheSameDatabaseIsRead(t *testing.T) {
	pg, other := newPostgres(t), newPostgres(t)
	standby := pgtest.NewOwnStandby(t, pg)
	for name, test := range map[string]struct{ url, want string }{
		"the primary itself":         {pg.URL, "no replica"},
		"a replica's other database": {strings.Replace(standby.URL, pg.Name(), other.Name(), 1), "another database"},
		"nobody":                     {"postgres://authenticator@127.0.0.1:1/postgres", database.ErrUnavailable.Error()},
	} {
		said := new(reports)
		db := open(t, database.Config{URL: pg.URL, MaxConns: 1, Replica: database.ReplicaConfig{URL: test.url, MaxLag: long, Report: said.add}})
		waitFor(t, name, func() bool { return strings.Contains(said.String(), test.want) })
		wantName(t, db.As(lagging()), "Ada")
		if answered, _ := db.Replica().Reads(); answered != 0 || db.Replica().InUse() {
			t.Errorf("%s is read", name)
		}
	}

	db, said := openReplicated(t, pg, standby.URL, long)
	standby.Promote(t)
	standby.Exec(t, "update public.users set full_name = 'another world'")
	waitFor(t, "it is a primary now", func() bool { return strings.Contains(said.String(), "no replica") })
	wantName(t, db.As(lagging()), "Ada")
}
