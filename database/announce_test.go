package database_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"usergraph/database"
	"usergraph/internal/pgtest"
)

// announced is a session that hears what its own statements announce.
type announced struct {
	t    *testing.T
	pg   *pgtest.Database
	conn *pgx.Conn
}

func newAnnounced(t *testing.T, pg *pgtest.Database) *announced {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pg.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	a := &announced{t, pg, conn}
	a.exec("listen usergraph")
	return a
}

func (a *announced) exec(sql string) {
	a.t.Helper()
	if _, err := a.conn.PgConn().Exec(a.t.Context(), sql).ReadAll(); err != nil {
		a.t.Fatalf("%.200s: %v", sql, err)
	}
}

func (a *announced) announce(tables ...database.Announcement) {
	a.t.Helper()
	for _, table := range tables {
		a.exec(table.SQL())
	}
}

// after runs statements and returns the sorted payloads that they announce.
func (a *announced) after(statements string) (payloads []string) {
	a.t.Helper()
	a.exec(statements)
	a.exec("reset role; notify usergraph, 'end'")
	for {
		heard, err := a.conn.WaitForNotification(a.t.Context())
		if err != nil {
			a.t.Fatal(err)
		}
		if heard.Payload == "end" {
			slices.Sort(payloads)
			return payloads
		}
		payloads = append(payloads, heard.Payload)
	}
}

// Each change of a row is announced and nothing else, whatever the types of its columns.
func TestAnnounceAnyType(t *testing.T) {
	pg := pgtest.New(t)
	conn, err := pgx.Connect(t.Context(), pg.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), `select 'c' || oid || ' ' || format_type(oid, null) from pg_type t
		where not exists (select from pg_type e where e.oid = t.typelem and e.typtype in ('c', 'p')) and typnamespace = 'pg_catalog'::regnamespace and typtype in ('b', 'r', 'm') and typname not like 'reg%' order by oid`)
	if err != nil {
		t.Fatal(err)
	}
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(columns) < 100 {
		t.Fatal(columns, err)
	}
	pg.Exec(t, `create type public.mood as enum ('good', 'bad');
		create type public.pair as (a int, b json);
		create domain public.short as text check (length(value) < 9);
		create table public.notes (id uuid primary key default gen_random_uuid(), `+strings.Join(columns, ", ")+`,
			mood public.mood, pair public.pair, pairs public.pair[], short public.short, twice int generated always as (1 + 1) stored)`)
	a := newAnnounced(t, pg)
	a.announce(database.Announcement{Schema: "public", Table: "notes", Keys: []string{"id"}})
	announced := func(statement string) int {
		t.Helper()
		return len(a.after(statement))
	}
	if n := announced("insert into public.notes default values"); n != 1 {
		t.Errorf("an insert is announced %d times", n)
	}
	column := map[string]string{}
	for _, c := range columns {
		name, kind, _ := strings.Cut(c, " ")
		column[kind] = name
	}
	for kind, value := range map[string]string{
		"json": `{"a":1}`, "jsonb": `{"a":1}`, "xml": "<a/>", "point": "(1,2)", "box": "(1,2),(3,4)", "polygon": "((1,2),(3,4))", "path": "((1,2),(3,4))", "line": "{1,2,3}", "lseg": "((1,2),(3,4))", "circle": "<(1,2),3>",
		"text": "a", "integer": "1", "bigint": "1", "numeric": "1.50", "double precision": "NaN", "boolean": "t", "bytea": "\\x01", "uuid": "a0000000-0000-4000-8000-000000000001", "timestamp with time zone": "2026-01-01", "interval": "1 day",
		"json[]": `{"{}"}`, "point[]": `{"(1,2)"}`, "int4range": "[1,2)", "int4multirange": "{[1,2)}", "tsvector": "a b", "inet": "::1", "money": "1", "bit varying": "101", "xid": "7", "cid": "7", "pg_lsn": "0/1", "refcursor": "a", "jsonpath": "$.a", "aclitem": "postgres=r/postgres",
	} {
		if column[kind] == "" {
			t.Fatalf("no column is %s", kind)
		}
		change := fmt.Sprintf("update public.notes set %s = '%s'", column[kind], value)
		if n := announced(change); n != 1 {
			t.Errorf("a change of %s is announced %d times", kind, n)
		}
		if n := announced(change); n != 0 {
			t.Errorf("no change of %s is announced %d times", kind, n)
		}
	}
	for _, change := range []string{"mood = 'good'", "pair = (1, '{}')", "pairs = array[(1, '{}')::public.pair]", "short = 'a'"} {
		if n := announced("update public.notes set " + change); n != 1 {
			t.Errorf("%s is announced %d times", change, n)
		}
		if n := announced("update public.notes set " + change); n != 0 {
			t.Errorf("%s again is announced %d times", change, n)
		}
	}
	if n := announced("delete from public.notes"); n != 1 {
		t.Errorf("a deletion is announced %d times", n)
	}
}

// Each statement is announced by the keys and owners of the rows that it changes, and a burst by fewer.
func TestAnnounce(t *testing.T) {
	pg := pgtest.New(t)
	a := newAnnounced(t, pg)
	pg.Exec(t, `
		create table notes (id bigint primary key, user_id uuid, note text);
		create schema "Odd.One";
		create table "Odd.One"."my ""Tags'\" ("the key" text primary key, "Owner" text, note text);
		create table members (org uuid, usr text, role text, primary key (org, usr));
		create table events (id bigint, user_id int, at date, primary key (id, at)) partition by range (at);
		create table events_1 partition of events for values from ('2026-01-01') to ('2026-02-01');
		create table events_2 (note text, at date not null, user_id int, id bigint not null);
		alter table events_2 drop column note;
		alter table events attach partition events_2 for values from ('2026-02-01') to ('2026-03-01');
		create table parents (id int primary key);
		create table children (id int primary key, parent int references parents on delete cascade, user_id int);
		create table renamed (id int primary key, user_id int);
		create table own (id uuid primary key default auth.uid(), note text);
		alter table own enable row level security;
		create policy own on own using (id = auth.uid());
		grant select, insert, update, delete on own to authenticated;
		insert into own values ('`+ada.String()+`')`)
	odd := `my "Tags'\`
	a.announce(
		database.Announcement{Schema: "public", Table: "notes", Keys: []string{"id"}, Owner: "user_id"},
		database.Announcement{Schema: "Odd.One", Table: odd, Keys: []string{"the key"}, Owner: "Owner"},
		database.Announcement{Schema: "public", Table: "members", Keys: []string{"org", "usr"}},
		database.Announcement{Schema: "public", Table: "events", Keys: []string{"id", "at"}, Owner: "user_id"},
		database.Announcement{Schema: "public", Table: "children", Keys: []string{"id"}, Owner: "user_id"},
		database.Announcement{Schema: "public", Table: "renamed", Keys: []string{"id"}, Owner: "user_id"},
		database.Announcement{Schema: "public", Table: "own", Keys: []string{"id"}, Owner: "id"},
	)
	owner := func(n int) string { return fmt.Sprintf("a0000000-0000-4000-8000-%012d", n) }
	note := func(id any, o any) string { return fmt.Sprintf(`["public.notes", %v, %v]`, id, o) }
	text := func(s string) string { return `"` + s + `"` }
	one, two := text(owner(1)), text(owner(2))
	long, longer := strings.Repeat("é", 3950), strings.Repeat("é", 4000)
	for _, step := range []struct {
		statement string
		want      []string
	}{
		{"insert into notes values (1, '" + owner(1) + "', 'a')", []string{note(`"1"`, one)}},
		{"update notes set note = 'b'", []string{note(`"1"`, one)}},
		{"update notes set note = 'b'", nil},
		{"update notes set note = 'c' where id = 99", nil},
		{"delete from notes where id = 99", nil},
		{"insert into notes select 1, null, null where false", nil},
		{"update notes set id = 2", []string{note(`"1"`, one), note(`"2"`, one)}},
		{"update notes set user_id = '" + owner(2) + "'", []string{note(`"2"`, one), note(`"2"`, two)}},
		{"update notes set user_id = null", []string{note(`"2"`, two), note(`"2"`, "null")}},
		{"update notes set user_id = '" + owner(1) + "'", []string{note(`"2"`, one), note(`"2"`, "null")}},
		{"insert into notes values (2, null, 'x'), (3, null, 'y') on conflict (id) do update set note = 'upserted'", []string{note(`"2"`, one), note(`"3"`, "null")}},
		{"begin; update notes set note = '1' where id = 2; update notes set note = '2' where id = 2; commit", []string{note(`"2"`, one)}},
		{"begin; update notes set note = '3' where id = 2; rollback", nil},
		{"delete from notes where id = 3", []string{note(`"3"`, "null")}},
		{"delete from notes", []string{note(`"2"`, one)}},
		{"insert into notes select i, '" + owner(1) + "' from generate_series(1001, 1100) i", hundred(one)},
		{"update notes set note = 'x'", hundred(one)},
		{"insert into notes select i, '" + owner(1) + "' from generate_series(2001, 2101) i", []string{note("null", one)}},
		{"update notes set user_id = '" + owner(2) + "' where id > 2000", []string{note("null", one), note("null", two)}},
		{"update notes set note = note", nil},
		// Of a burst that changes few rows, those are told.
		{"update notes set note = 'few' where id <> 1001; update notes set note = case id when 1001 then 'one' else note end", []string{note(`"1001"`, one), note("null", one), note("null", two)}},
		{"delete from notes where id > 1000", []string{note("null", one), note("null", two)}},
		{"insert into notes select i, ('a0000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid from generate_series(1, 101) i", []string{note("null", "null")}},
		{"update notes set note = 'y'", []string{note("null", "null")}},
		{"delete from notes", []string{note("null", "null")}},
		{"truncate notes", []string{note("null", "null")}},

		{`insert into "Odd.One"."my ""Tags'\" values (E'a"\\,\n💥', 'O''Neill')`, []string{`["Odd.One.my \"Tags'\\", "a\"\\,\n💥", "O'Neill"]`}},
		{`delete from "Odd.One"."my ""Tags'\"`, []string{`["Odd.One.my \"Tags'\\", "a\"\\,\n💥", "O'Neill"]`}},
		{`insert into "Odd.One"."my ""Tags'\" values ('` + long + `', 'o')`, []string{`["Odd.One.my \"Tags'\\", "` + long + `", "o"]`}},
		{`insert into "Odd.One"."my ""Tags'\" values ('` + longer + `', 'o')`, []string{`["Odd.One.my \"Tags'\\", null, "o"]`}},
		{`insert into "Odd.One"."my ""Tags'\" values ('k', '` + longer + `')`, []string{`["Odd.One.my \"Tags'\\", null, null]`}},

		{"insert into members values ('" + owner(1) + "', 'u', 'r')", []string{`["public.members", "` + owner(1) + `,u", null]`}},
		{"insert into members select '" + owner(1) + "', i, 'r' from generate_series(1, 200) i", []string{`["public.members", null, null]`}},

		{"insert into events values (1, 7, '2026-01-05'), (2, 7, '2026-02-05')", []string{`["public.events", "1,2026-01-05", "7"]`, `["public.events", "2,2026-02-05", "7"]`}},
		{"update events_2 set user_id = 8", []string{`["public.events", "2,2026-02-05", "7"]`, `["public.events", "2,2026-02-05", "8"]`}},
		{"update events set at = '2026-02-06' where id = 1", []string{`["public.events", "1,2026-01-05", "7"]`, `["public.events", "1,2026-02-06", "7"]`}},
		{"truncate events_1", []string{`["public.events", null, null]`}},
		{"delete from events", []string{`["public.events", "1,2026-02-06", "7"]`, `["public.events", "2,2026-02-05", "8"]`}},

		{"insert into parents values (1); insert into children values (1, 1, 5), (2, 1, 6)", []string{`["public.children", "1", "5"]`, `["public.children", "2", "6"]`}},
		{"delete from parents", []string{`["public.children", "1", "5"]`, `["public.children", "2", "6"]`}},

		// A write does not fail because a column has another name, or is gone.
		{"insert into renamed values (1, 5)", []string{`["public.renamed", "1", "5"]`}},
		{"alter table renamed rename user_id to owner_id; update renamed set owner_id = 6", []string{`["public.renamed", null, null]`}},
		{"alter table renamed drop column owner_id; delete from renamed", []string{`["public.renamed", null, null]`}},

		{"set role authenticated; set request.jwt.claims = '{\"sub\":\"" + ada.String() + "\"}'; update own set note = 'mine'", []string{`["public.own", "` + ada.String() + `", "` + ada.String() + `"]`}},
	} {
		want := slices.Sorted(slices.Values(step.want))
		if got := a.after(step.statement); !slices.Equal(got, want) {
			t.Errorf("%.200s:\ngot  %.500s\nwant %.500s", step.statement, got, want)
		}
	}
}

func hundred(owner string) (payloads []string) {
	for i := range 100 {
		payloads = append(payloads, fmt.Sprintf(`["public.notes", "%d", %s]`, 1001+i, owner))
	}
	return payloads
}

// A second run does not wait for those who write to the table; a partition that was added gets its triggers, and a trigger
// that was disabled is enabled.
func TestAnnounceAgain(t *testing.T) {
	pg := pgtest.New(t)
	db, err := database.Open(database.Config{URL: pg.URL, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	a := newAnnounced(t, pg)
	pg.Exec(t, `create table events (id int primary key) partition by range (id); create table events_1 partition of events for values from (0) to (9)`)
	events := database.Announcement{Schema: "public", Table: "events", Keys: []string{"id"}}
	installed := func(a *announced, events database.Announcement, want bool) {
		t.Helper()
		tx, err := a.conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(context.WithoutCancel(t.Context()))
		if got, err := events.IsInstalled(t.Context(), tx); err != nil || got != want {
			t.Errorf("%s: %v %v", events, got, err)
		}
		if missing, err := db.Missing(t.Context(), database.Needs{Announced: []database.Announcement{events}}); err != nil || (len(missing) == 0) != want && events.Table != "away" { // it is missing as a table
			t.Errorf("%s: %v %v", events, missing, err)
		}
	}
	installed(a, events, false)
	a.announce(events)
	installed(a, events, true)
	owned := database.Announcement{Schema: "public", Table: "events", Keys: []string{"id"}, Owner: "id"}
	installed(a, owned, false)
	a.announce(owned)
	installed(a, owned, true)
	a.announce(events)
	installed(a, events, true)
	installed(a, database.Announcement{Schema: "public", Table: "away", Keys: []string{"id"}}, false)
	writer := newAnnounced(t, pg)
	writer.exec("begin; insert into events values (1)")
	a.exec("set lock_timeout = '1s'; " + events.SQL())
	writer.exec("rollback")
	pg.Exec(t, "create table events_2 partition of events for values from (9) to (20)")
	installed(a, events, false)
	a.announce(events)
	installed(a, events, true)
	pg.Exec(t, "alter table events_2 disable trigger usergraph_announce_insert")
	installed(a, events, false)
	a.announce(events)
	installed(a, events, true)
	if got := a.after("insert into events_2 values (10)"); !slices.Equal(got, []string{`["public.events", "10", null]`}) {
		t.Error(got)
	}
}

// What cannot be announced is told.
func TestAnnounceRefused(t *testing.T) {
	pg := pgtest.New(t)
	a := newAnnounced(t, pg)
	pg.Exec(t, "create table notes (id int primary key); create view seen as select * from notes")
	for sql, want := range map[string]string{
		database.Announcement{Schema: "public", Table: "away", Keys: []string{"id"}}.SQL():                `relation "public.away" does not exist`,
		database.Announcement{Schema: "public", Table: "notes", Keys: []string{"key"}}.SQL():              "public.notes has no column key",
		database.Announcement{Schema: "public", Table: "notes", Keys: []string{"id"}, Owner: "me"}.SQL():  "public.notes has no column me",
		"set role authenticated; select usergraph.announce_changes('public.notes'::regclass, null, 'id')": "permission denied",
	} {
		if _, err := a.conn.PgConn().Exec(t.Context(), sql).ReadAll(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", sql, err)
		}
		a.exec("reset role")
	}
	a.announce(database.Announcement{Schema: "public", Table: "seen", Keys: []string{"id"}}) // a warning
}

type (
	noteRow struct {
		bun.BaseModel `bun:"table:notes,alias:n"`
		ID            int64     `bun:"id,pk"`
		UserID        uuid.UUID `bun:"user_id" usergraph:"owner"`
	}
	noteTitle struct {
		bun.BaseModel `bun:"table:notes,alias:n"`
		ID            int64 `bun:"id,pk"`
	}
	member struct {
		bun.BaseModel `bun:"table:team.members"`
		Org           string    `bun:"org,pk"`
		User          uuid.UUID `bun:"usr,pk" usergraph:"owner"`
	}
	keyless struct {
		bun.BaseModel `bun:"table:notes"`
		Title         string `bun:"title"`
	}
	shared struct {
		bun.BaseModel `bun:"table:notes"`
		ID            int64 `bun:"id,pk"`
		A             int64 `usergraph:"owner"`
		B             int64 `usergraph:"owner"`
	}
)

func TestAnnouncements(t *testing.T) {
	for _, test := range []struct {
		models []reflect.Type
		want   string
	}{
		{nil, ""},
		{[]reflect.Type{reflect.TypeFor[noteRow](), reflect.TypeFor[member](), reflect.TypeFor[noteRow]()},
			"announce changes of public.notes: key id, owner user_id\nannounce changes of team.members: key org, usr, owner usr\n"},
		{[]reflect.Type{reflect.TypeFor[noteRow](), reflect.TypeFor[noteTitle]()}, "another key or owner"},
		{[]reflect.Type{reflect.TypeFor[keyless]()}, "has no key"},
		{[]reflect.Type{reflect.TypeFor[shared]()}, "has two owners, A and B"},
	} {
		all, err := database.Announcements(test.models)
		var got strings.Builder
		for _, a := range all {
			fmt.Fprintln(&got, a)
		}
		if err != nil && !strings.Contains(err.Error(), test.want) || err == nil && got.String() != test.want {
			t.Errorf("%v: %v %s", test.models, err, &got)
		}
	}
}
