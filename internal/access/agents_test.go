package access_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"usergraph/internal/access"
	"usergraph/internal/catalog"
)

// The policies stop the writes of an agent in the role of the REST API, and nothing that a user does. What is read of the
// table's policies stays the same.
func TestAgentsReadOnly(t *testing.T) {
	found, conn := open(t, `create table public.notes (id int primary key, user_id uuid not null default auth.uid(), body text);
		alter table public.notes enable row level security;
		create policy own on public.notes for all to authenticated using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);`)
	notes := found.Table("public", "notes")
	before := access.Of(notes)
	sql := access.AgentsReadOnly(notes)
	if strings.Count(sql, "create policy") != 3 {
		t.Fatal(sql)
	}
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	found, err := catalog.Read(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	notes = found.Table("public", "notes")
	for _, finding := range access.Findings(notes, access.Of(notes)) {
		if strings.Contains(finding.Message, "agents") {
			t.Error(finding)
		}
	}
	if after := access.Of(notes); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("%v, before %v", after, before)
	}
	if again := access.AgentsReadOnly(notes); again != "" || access.AgentsMay(notes, "update") || !access.AgentsMay(notes, "select") {
		t.Error(again)
	}
	for _, test := range []struct {
		claims, sql string
		rows        int64
		refused     bool
	}{
		{"", "insert into notes (id, body) values (1, 'a')", 1, false},
		{"", "update notes set body = 'b'", 1, false},
		{`, "client_id": "agent"`, "select * from notes", 1, false},
		{`, "client_id": "agent"`, "insert into notes (id, body) values (2, 'a')", 0, true},
		{`, "client_id": "agent"`, "update notes set body = 'c'", 0, false},
		{`, "client_id": "agent"`, "delete from notes", 0, false},
		{"", "delete from notes where body = 'b'", 1, false},
	} {
		err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)",
				`{"role": "authenticated", "sub": "00000000-0000-4000-8000-00000000000a"`+test.claims+`}`)
			if err != nil {
				return err
			}
			done, err := tx.Exec(t.Context(), test.sql)
			if err == nil && done.RowsAffected() != test.rows {
				t.Errorf("%s%s: %d rows, want %d", test.sql, test.claims, done.RowsAffected(), test.rows)
			}
			return err
		})
		if (err != nil) != test.refused || err != nil && !strings.Contains(err.Error(), "row-level security") {
			t.Errorf("%s%s: %v", test.sql, test.claims, err)
		}
	}
}
