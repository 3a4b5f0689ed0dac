package database_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"usergraph/internal/pgtest"
)

// The triggers that the docs recommend announce each change of a row and nothing else, whatever the types of its
// columns.
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
	pg.Exec(t, documented(t))
	if _, err := conn.Exec(t.Context(), "listen usergraph_changes"); err != nil {
		t.Fatal(err)
	}
	// announced runs a statement and counts the notifications.
	announced := func(statement string) (count int) {
		t.Helper()
		for _, sql := range []string{statement, "notify usergraph_changes, 'end'"} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
		for {
			heard, err := conn.WaitForNotification(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case heard.Payload == "end":
				return count
			case strings.HasPrefix(heard.Payload, "notes:"):
				count++
			}
		}
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
	// Our own table has the same trigger.
	if n := 0; conn.QueryRow(t.Context(), "select count(*) from pg_trigger where tgrelid = 'public.users'::regclass and pg_get_triggerdef(oid) like '%*<>%'").Scan(&n) != nil || n != 1 {
		t.Errorf("%d triggers of public.users compare rows of any type", n)
	}
}

// documented is the SQL of docs/subscriptions.md for another table, here called notes.
func documented(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/subscriptions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```sql\n")
	sql, _, ended := strings.Cut(rest, "```")
	if !found || !ended {
		t.Fatal("docs/subscriptions.md has lost its SQL")
	}
	return sql
}
