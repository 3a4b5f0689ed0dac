package database_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"usergraph/database"
	"usergraph/internal/pgtest"
)

// timeout bounds the wait for an expected event.
const timeout = 30 * time.Second

// listening is a Changes with its reports.
type listening struct {
	*database.Changes
	t       *testing.T
	reports chan error
}

// listen starts a Changes that is closed when the test ends. It then checks that nothing is left behind.
func listen(t *testing.T, url string) *listening {
	t.Helper()
	before := goleak.IgnoreCurrent()
	l := &listening{t: t, reports: make(chan error, 100)}
	var err error
	l.Changes, err = database.Listen(url, func(err error) { l.reports <- err })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		if err := goleak.Find(before); err != nil {
			t.Error(err)
		}
	})
	return l
}

// report returns the next report.
func (l *listening) report() error {
	l.t.Helper()
	select {
	case err := <-l.reports:
		return err
	case <-time.After(timeout):
		l.t.Fatal("nothing is reported")
		return nil
	}
}

// row counts the changes of a user's row.
func (l *listening) row(id uuid.UUID) <-chan struct{} {
	heard := make(chan struct{}, 1000)
	stop := l.Watch(database.Row{Table: "public.users", ID: id.String()}, func() { heard <- struct{}{} })
	l.t.Cleanup(stop)
	return heard
}

func await(t *testing.T, heard <-chan struct{}) {
	t.Helper()
	select {
	case <-heard:
	case <-time.After(timeout):
		t.Fatal("the change is not heard of")
	}
}

func TestListen(t *testing.T) {
	db, pg := openNew(t)
	l := listen(t, pg.URL)
	if err := l.report(); err != nil || l.Err() != nil {
		t.Fatal(err, l.Err())
	}
	adas, bobs := l.row(ada), l.row(bob)

	if err := rename(t.Context(), db.As(callerOf(ada)), ada, "Ada King"); err != nil {
		t.Fatal(err)
	}
	await(t, adas)

	// Notifications arrive in the order of the commits: after Bob's, Ada's would have arrived.
	pg.Exec(t, "update users set full_name = full_name")
	pg.Exec(t, fmt.Sprintf("begin; update users set full_name = 'x' where id = '%s'; rollback", ada))
	pg.Exec(t, "update users set full_name = 'Bob Kahn' where id = $1", bob)
	await(t, bobs)
	if len(adas) != 0 {
		t.Error("a row that has not changed was announced")
	}

	pg.Exec(t, fmt.Sprintf(`begin; update users set full_name = '1' where id = '%[1]s'; update users set full_name = '2' where id = '%[1]s'; commit`, ada))
	await(t, adas)
	pg.Exec(t, "delete from auth.users where id = $1", ada)
	await(t, adas)
	pg.Exec(t, "insert into auth.users (id) values ($1)", ada)
	await(t, adas)
	pg.Exec(t, "update users set full_name = 'Bob' where id = $1", bob)
	await(t, bobs)
	if len(adas) != 0 {
		t.Error("one transaction, several announcements of a row")
	}
}

// A notification goes to every listening session, so it holds no data.
func TestAnnouncementsHoldNoData(t *testing.T) {
	pg := newPostgres(t)
	w := newWatch(t, pg)
	if _, err := w.conn.Exec(t.Context(), "listen usergraph"); err != nil {
		t.Fatal(err)
	}
	pg.Exec(t, `update users set full_name = 'secret', billing_address = '{"city": "secret"}' where id = $1`, ada)
	n, err := w.conn.WaitForNotification(t.Context())
	if err != nil || n.Payload != fmt.Sprintf(`["public.users", %q, %q]`, ada, ada) {
		t.Errorf("%+v %v", n, err)
	}
}

// Whatever breaks the connection, a missed change is reported later.
func TestListenAgain(t *testing.T) {
	pg := newPostgres(t)
	p := newProxy(t, pg.URL)
	l := listen(t, p.URL)
	if err := l.report(); err != nil {
		t.Fatal(err)
	}
	heard := l.row(ada)
	for name, cut := range map[string]func(){
		"killed": func() {
			pg.Exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'usergraph listen' and datname = current_database()")
		},
		"hung up": p.hangUp,
	} {
		cut()
		if err := l.report(); !errors.Is(err, database.ErrUnavailable) {
			t.Error(name, err)
		}
		if err := l.report(); err != nil {
			t.Error(name, err)
		}
		await(t, heard)
		pg.Exec(t, "update users set full_name = $2 where id = $1", ada, name)
		await(t, heard)
	}
}

func TestListenWithoutDatabase(t *testing.T) {
	if _, err := database.Listen("://", nil); err == nil {
		t.Error("a malformed connection string")
	}
	l := listen(t, "postgres://authenticator:secret@127.0.0.1:1/postgres")
	if err := l.Err(); !errors.Is(err, database.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

// A database without the engine's SQL never notifies.
func TestListenWithoutTrigger(t *testing.T) {
	pg := pgtest.New(t)
	pg.Exec(t, "drop function usergraph.announce_changes")
	l := listen(t, pg.URL)
	if err := l.report(); !errors.Is(err, database.ErrNotAnnounced) || !strings.Contains(err.Error(), "run usergraph migrate") {
		t.Error(err)
	}
	if err := l.Err(); !errors.Is(err, database.ErrNotAnnounced) {
		t.Error(err)
	}
	pg.Exec(t, "create function usergraph.announce_changes() returns void language sql as ''")
	if err := l.report(); err != nil {
		t.Error("the migration came later:", err)
	}
}

// An id may be any key of a row.
func TestListenIDs(t *testing.T) {
	pg := pgtest.New(t)
	pg.Exec(t, `create table notes (id text primary key);
		select usergraph.announce_changes('notes', null, 'id')`)
	l := listen(t, pg.URL)
	if err := l.report(); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1", "a:b", "", "?probe", "'; drop table notes; --"} {
		heard := make(chan struct{}, 1)
		stop := l.Watch(database.Row{Table: "public.notes", ID: id}, func() { heard <- struct{}{} })
		pg.Exec(t, "insert into notes values ($1)", id)
		await(t, heard)
		stop()
		stop()
	}
}

// A key of null means that many rows of a table have changed. Payloads of other programs mean nothing.
func TestListenToTables(t *testing.T) {
	pg := newPostgres(t)
	l := listen(t, pg.URL)
	if err := l.report(); err != nil {
		t.Fatal(err)
	}
	adas, bobs := l.row(ada), l.row(bob)
	for _, payload := range []string{"", "[]", `["public.users"]`, `[null, null, null]`, `{"a":1}`, `["public.notes", null, null]`, `["users", null, null]`, "public.users:" + ada.String()} {
		pg.Exec(t, "select pg_notify('usergraph', $1)", payload)
	}
	pg.Exec(t, `select pg_notify('usergraph', '["public.users", null, null]')`)
	await(t, adas)
	await(t, bobs)
	if len(adas)+len(bobs) != 0 {
		t.Error("changes of something else were reported")
	}
}

// Stopped watchers are not called; others of the same row still are.
func TestListenStop(t *testing.T) {
	pg := newPostgres(t)
	l := listen(t, pg.URL)
	if err := l.report(); err != nil {
		t.Fatal(err)
	}
	stays := l.row(ada)
	gone := make(chan struct{}, 10)
	stop := l.Watch(database.Row{Table: "public.users", ID: ada.String()}, func() { gone <- struct{}{} })
	pg.Exec(t, "update users set full_name = '1' where id = $1", ada)
	await(t, stays)
	await(t, gone)
	stop()
	pg.Exec(t, "update users set full_name = '2' where id = $1", ada)
	await(t, stays)
	if len(gone) != 0 {
		t.Error("a watcher that had stopped was called")
	}
}

// passwordOf returns what no report may contain.
func passwordOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	return password
}

func TestListenReportsNoPassword(t *testing.T) {
	pg := newPostgres(t)
	password := passwordOf(t, pg.URL)
	p := newProxy(t, pg.URL)
	l := listen(t, p.URL)
	if err := l.report(); err != nil {
		t.Fatal(err)
	}
	p.hangUp()
	if err := l.report(); err == nil || password == "" || strings.Contains(err.Error(), password) {
		t.Error(err)
	}
}
