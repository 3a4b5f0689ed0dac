package database_test

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
	"go.uber.org/goleak"

	"usergraph/database"
	"usergraph/internal/pgtest"
)

// announcedUser is a row of public.users.
type announcedUser struct {
	bun.BaseModel `bun:"table:users"`
	ID            uuid.UUID `bun:"id,pk" usergraph:"owner"`
}

// modelsOnly knows the tables of models and connects to nothing.
var modelsOnly = func() *database.DB {
	db, err := database.Open(database.Config{URL: "postgres://nobody@127.0.0.1:1/none"})
	if err != nil {
		panic(err)
	}
	return db
}()

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
	stop := l.Watch([]database.Source{database.RowOf[announcedUser](modelsOnly, id)}, func() { heard <- struct{}{} })
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
	pg.Exec(t, "alter schema usergraph rename to away")
	l := listen(t, pg.URL)
	if err := l.report(); !errors.Is(err, database.ErrNotAnnounced) || !strings.Contains(err.Error(), "usergraph migrate") {
		t.Error(err)
	}
	if err := l.Err(); !errors.Is(err, database.ErrNotAnnounced) {
		t.Error(err)
	}
	pg.Exec(t, "alter schema away rename to usergraph")
	if err := l.report(); err != nil {
		t.Error("the migration came later:", err)
	}
}

// A watcher hears of what it watches, and of what may be it.
func TestListenSources(t *testing.T) {
	db, pg := openNew(t)
	pg.Exec(t, `create table notes (id text primary key, user_id uuid); create table numbers (id bigint primary key, user_id int);
		create table members (org uuid, usr text, role text, primary key (org, usr));
		create schema other; create table other.notes (id text primary key, user_id uuid)`)
	newAnnounced(t, pg).announce(
		database.Announcement{Schema: "public", Table: "notes", Keys: []string{"id"}, Owner: "user_id"},
		database.Announcement{Schema: "other", Table: "notes", Keys: []string{"id"}, Owner: "user_id"},
		database.Announcement{Schema: "public", Table: "numbers", Keys: []string{"id"}, Owner: "user_id"},
		database.Announcement{Schema: "public", Table: "members", Keys: []string{"org", "usr"}},
	)
	type (
		textKey  string
		otherRow struct {
			bun.BaseModel `bun:"table:other.notes"`
			ID            string `bun:"id,pk"`
		}
		textRow struct {
			bun.BaseModel `bun:"table:notes"`
			ID            textKey   `bun:"id,pk"`
			UserID        uuid.UUID `bun:"user_id" usergraph:"owner"`
		}
		numberRow struct {
			bun.BaseModel `bun:"table:numbers"`
			ID            int64 `bun:"id,pk"`
			UserID        int32 `bun:"user_id" usergraph:"owner"`
		}
		memberRow struct {
			bun.BaseModel `bun:"table:members"`
			Org           uuid.UUID `bun:"org,pk"`
			User          string    `bun:"usr,pk"`
		}
	)
	l := listen(t, pg.URL)
	if err := l.report(); err != nil {
		t.Fatal(err)
	}
	changed := make(chan string, 10_000)
	watch := func(name string, sources ...database.Source) {
		t.Cleanup(l.Watch(sources, func() { changed <- name }))
		if err := l.Check(sources); err != nil {
			t.Error(name, err)
		}
	}
	for _, id := range []textKey{"1", "a:b", "a,b", "", "?probe", "'; drop table notes; --", `["💥"]`, "Ü"} {
		watch("text "+string(id), database.RowOf[textRow](db, id))
	}
	watch("ada's", database.RowsOf[textRow](db, ada))
	watch("bob's, as a text", database.RowsOf[textRow](db, strings.ToUpper(bob.String())))
	watch("texts", database.Rows[textRow](db))
	watch("text of other", database.RowOf[otherRow](db, "1"))
	watch("number -7", database.RowOf[numberRow](db, int64(-7)))
	watch("small number -7", database.RowOf[numberRow](db, int16(-7)))
	watch("numbers of 5", database.RowsOf[numberRow](db, 5))
	watch("member", database.RowOf[memberRow](db, ada, "u"))
	watch("members and numbers", database.Rows[memberRow](db), database.Rows[numberRow](db))
	adas, bobs := "'"+ada.String()+"'", "'"+bob.String()+"'"
	for _, step := range []struct {
		statement string
		want      string // sorted
	}{
		{"insert into notes values ('1', " + adas + ")", "ada's; text 1; texts"},
		{"insert into notes values ('a:b', " + bobs + ")", "bob's, as a text; text a:b; texts"},
		{"insert into notes values ('a,b', " + bobs + ")", "bob's, as a text; text a,b; texts"},
		{"insert into notes values ('', " + bobs + ")", "bob's, as a text; text ; texts"},
		{"insert into notes values ('?probe', " + bobs + ")", "bob's, as a text; text ?probe; texts"},
		{"insert into notes values ('''; drop table notes; --', " + bobs + ")", "bob's, as a text; text '; drop table notes; --; texts"},
		{`insert into notes values ('["💥"]', ` + bobs + ")", `bob's, as a text; text ["💥"]; texts`},
		{"insert into notes values ('Ü', " + bobs + ")", "bob's, as a text; text Ü; texts"},
		{"update notes set user_id = " + adas + " where id = 'a:b'", "ada's; bob's, as a text; text a:b; texts"},
		{"update notes set id = 'z' where id = 'a:b'", "ada's; text a:b; texts"},
		{"insert into notes values ('nobody''s', null)", "ada's; bob's, as a text; texts"},
		{"insert into other.notes values ('1', " + adas + ")", "text of other"},
		{"insert into numbers values (-7, 5)", "members and numbers; number -7; numbers of 5; small number -7"},
		{"insert into numbers values (7, 6)", "members and numbers"},
		{"insert into members values (" + adas + ", 'u'), (" + adas + ", 'v')", "member; members and numbers"},
		{"insert into numbers select i, 5 from generate_series(100, 300) i", "members and numbers; number -7; numbers of 5; small number -7"},
		{"insert into numbers select i, 6 from generate_series(1000, 1300) i", "members and numbers; number -7; small number -7"},
		{"truncate members", "member; members and numbers"},
		{"notify usergraph, 'no json'; notify usergraph, '[null, null, null]'; notify usergraph, '{}'; notify usergraph, '[\"public.away\", null, null]'", ""},
		{"notify usergraph, '[\"public.numbers\"]'", "members and numbers; number -7; numbers of 5; small number -7"},
	} {
		pg.Exec(t, step.statement)
		// Notifications arrive in the order of the commits.
		end := l.row(ada)
		pg.Exec(t, "update users set full_name = full_name || '!' where id = $1", ada)
		await(t, end)
		heard := map[string]bool{}
		for len(changed) > 0 {
			heard[<-changed] = true
		}
		if got := strings.Join(slices.Sorted(maps.Keys(heard)), "; "); got != step.want {
			t.Errorf("%s:\ngot  %s\nwant %s", step.statement, got, step.want)
		}
	}
}

// A source that cannot be heard of is refused.
func TestListenRefusesSources(t *testing.T) {
	db, pg := openNew(t)
	l := listen(t, pg.URL)
	if err := l.report(); err != nil {
		t.Fatal(err)
	}
	type event struct {
		bun.BaseModel `bun:"table:events"`
		At            time.Time `bun:"at,pk"`
	}
	type total struct {
		bun.BaseModel `bun:"table:totals"`
		Owner         uuid.UUID `bun:"owner" usergraph:"owner"`
	}
	for want, source := range map[string]database.Source{
		"public.events has no trigger for it, run usergraph migrate":  database.Rows[event](db),
		"has a key of 1 values, not 2":                                database.RowOf[announcedUser](db, 1, 2),
		"has a key of 1 values, not 0":                                database.RowOf[announcedUser](db),
		"a key of type time.Time has no single text":                  database.RowOf[event](db, time.Now()),
		"event has no owner: give the field with the owner's id":      database.RowsOf[event](db, ada),
		"public.totals has no trigger for it, since its model has no": database.Rows[total](db),
		"since its model has no key: give the fields of the key the":  database.RowsOf[total](db, ada),
		"total has no key: give the fields of its key the tag":        database.RowOf[total](db, 1),
	} {
		if err := l.Check([]database.Source{database.Rows[announcedUser](db), source}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, not %s", err, want)
		}
	}
	// Another model of a table may have its key.
	type userName struct {
		bun.BaseModel `bun:"table:users"`
		FullName      string `bun:"full_name"`
	}
	if err := l.Check([]database.Source{database.RowOf[announcedUser](db, ada), database.Rows[userName](db)}); err != nil {
		t.Error(err)
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
	stop := l.Watch([]database.Source{database.RowOf[announcedUser](modelsOnly, ada)}, func() { gone <- struct{}{} })
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
