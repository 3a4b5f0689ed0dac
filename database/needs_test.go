package database_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"usergraph/database"
	"usergraph/internal/pgtest"
)

// needsOf is an API with two tables, one of them public and watched.
func needsOf(t *testing.T) database.Needs {
	t.Helper()
	return database.Needs{
		Tables: []database.NeededTable{
			{Table: tableOf[noteModel](t), Model: "models.Note", Roles: []string{"authenticated", "anon"}},
			{Table: tableOf[membership](t), Model: "models.Membership", Roles: []string{"authenticated"}},
		},
		Announced: announce[noteModel](t),
		Sessions:  true,
	}
}

const neededTables = `create table public.notes (id bigint primary key, author text, body json);
	create schema "Teams"; grant usage on schema "Teams" to authenticated;
	create table "Teams"."member ships" (team bigint, "it's" text, primary key (team, "it's"));
	grant select (team, "it's") on "Teams"."member ships" to authenticated;
	alter table public.notes enable row level security`

// migratedFor returns a database that has all that needsOf asks for.
func migratedFor(t *testing.T, needs database.Needs) *pgtest.Database {
	t.Helper()
	pg := pgtest.Bare(t)
	if err := (database.Migration{URL: pg.AdminURL, Files: files("1_tables.sql", neededTables), Watched: needs.Announced}).Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	return pg
}

func missing(t *testing.T, pg *pgtest.Database, needs database.Needs) (lines []string) {
	t.Helper()
	db, err := database.Open(database.Config{URL: pg.URL, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all, err := db.Missing(t.Context(), needs)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		lines = append(lines, m.String())
	}
	return lines
}

// Each thing that is missing is named, with what to run; that was right where it is SQL or migrate.
func TestMissing(t *testing.T) {
	needs := needsOf(t)
	migrate := database.Migration{Files: files("1_tables.sql", neededTables), Watched: needs.Announced}
	const run = "run usergraph migrate, with a login that may change the schema"
	for change, test := range map[string]struct {
		says string // what, and what to do
		mend string // "migrate", SQL, or "" for what only a person can mend
	}{
		"drop table public.notes": {"public.notes does not exist, and models.Note reads it: " + run + "; if your table has another name, write it into the bun tag of models.Note", ""},
		"alter table public.notes drop author; alter table public.notes rename id to key":                      {"public.notes has no column id, author, and models.Note reads it: if a migration adds it, " + run + "; else change the struct models.Note to the columns that your table has", ""},
		"revoke select on public.notes from anon":                                                              {"anon may not select id, author of public.notes: grant select on public.notes to anon", "grant select on public.notes to anon"},
		"revoke select on public.notes from authenticated; grant select (id) on public.notes to authenticated": {"authenticated may not select author of public.notes: grant select (author) on public.notes to authenticated", "grant select (author) on public.notes to authenticated"},
		`revoke all on schema "Teams" from authenticated`:                                                      {`authenticated may not use the schema "Teams": grant usage on schema "Teams" to authenticated`, `grant usage on schema "Teams" to authenticated`},
		`revoke all ("it's") on "Teams"."member ships" from authenticated`:                                     {`authenticated may not select "it's" of "Teams"."member ships": grant select ("it's") on "Teams"."member ships" to authenticated`, `grant select ("it's") on "Teams"."member ships" to authenticated`},
		"drop schema usergraph cascade":                                                                        {"the engine's SQL, the schema usergraph, is missing: " + run, "migrate"},
		"delete from usergraph.migrations where version = 2; drop function usergraph.announce_changes":         {"the engine's SQL engine/002_announcements.sql is not applied: " + run, "migrate"},
		"drop function usergraph.session_is_live()":                                                            {"the function usergraph.session_is_live() is missing, and SESSION_CHECK calls it: delete from usergraph.migrations where version = 1; then " + run, "delete from usergraph.migrations where version = 1"},
		"revoke all on function usergraph.session_is_live() from authenticated":                                {"authenticated may not call usergraph.session_is_live(), and SESSION_CHECK does: grant execute on function usergraph.session_is_live() to authenticated", "grant execute on function usergraph.session_is_live() to authenticated"},
		"drop function usergraph.announce_changes":                                                             {"the function usergraph.announce_changes() is missing: delete from usergraph.migrations where version = 2; then " + run, "delete from usergraph.migrations where version = 2"},
		"drop trigger usergraph_announce_update on public.notes":                                               {"public.notes does not announce its changes to subscriptions: " + run, "migrate"},
		// No fault: nobody sees a row, more columns, a view in the place of a table, other indexes.
		"create policy nothing on public.notes using (false)":                    {"", ""},
		"alter table public.notes add extra int":                                 {"", ""},
		`alter table "Teams"."member ships" drop constraint "member ships_pkey"`: {"", ""},
	} {
		pg := migratedFor(t, needs)
		if lines := missing(t, pg, needs); len(lines) > 0 {
			t.Fatalf("at first: %q", lines)
		}
		pg.Exec(t, change)
		want := []string{test.says}
		if test.says == "" {
			want = nil
		}
		if lines := missing(t, pg, needs); !slices.Equal(lines, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", change, lines, want)
		}
		if test.mend == "" {
			continue
		}
		if test.mend != "migrate" {
			if !strings.Contains(test.says, test.mend) {
				t.Errorf("%q is not what the advice says", test.mend)
			}
			pg.Exec(t, test.mend)
		}
		migrate.URL = pg.AdminURL
		if err := migrate.Apply(t.Context()); err != nil {
			t.Errorf("%s: %v", change, err)
		}
		if lines := missing(t, pg, needs); len(lines) > 0 {
			t.Errorf("%s: after %q: %q", change, test.mend, lines)
		}
	}
}

// Each check is for what is used: an API without subscriptions and sessions needs no engine SQL.
func TestNeedsAreNoMore(t *testing.T) {
	pg := pgtest.Bare(t)
	pg.Exec(t, neededTables)
	needs := needsOf(t)
	needs.Announced, needs.Sessions = nil, false
	if lines := missing(t, pg, needs); len(lines) > 0 {
		t.Errorf("%q", lines)
	}
	if lines := missing(t, pg, database.Needs{}); len(lines) > 0 {
		t.Errorf("%q", lines)
	}
	needs.Sessions = true
	if lines := fmt.Sprint(missing(t, pg, needs)); !strings.Contains(lines, "the schema usergraph, is missing") {
		t.Error(lines)
	}
}
