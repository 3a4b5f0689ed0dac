package database_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"usergraph/database"
	"usergraph/internal/pgtest"
)

// files returns a folder of migrations.
func files(namesAndTexts ...string) fstest.MapFS {
	folder := fstest.MapFS{}
	for i := 0; i < len(namesAndTexts); i += 2 {
		folder["migrations/"+namesAndTexts[i]] = &fstest.MapFile{Data: []byte(namesAndTexts[i+1])}
	}
	return folder
}

func TestMigrate(t *testing.T) {
	pg := pgtest.New(t)
	pg.Exec(t, "drop schema supabase_migrations cascade") // the project's own are newer than those of the test
	migrate := func(folder fstest.MapFS, want ...string) error {
		t.Helper()
		var applied []string
		err := database.Migrate(t.Context(), pg.AdminURL, folder, func(name string) { applied = append(applied, name) })
		if !slices.Equal(applied, want) {
			t.Errorf("applied %q, not %q", applied, want)
		}
		return err
	}
	exists := func(table string) bool {
		t.Helper()
		return query1[bool](t, pg.AdminURL, "select to_regclass($1) is not null", table)
	}
	const one, two = "create table one (id int);\ninsert into one values (1);", "create table two (); -- a comment; with a semicolon"

	if err := migrate(files("20260101000000_one.sql", one, "20260102000000_bad.sql", "create table half ();\n\nselect nothing;"), "20260101000000_one.sql"); err == nil ||
		!strings.Contains(err.Error(), "migrations/20260102000000_bad.sql: line 3: ") {
		t.Error(err)
	}
	if !exists("one") || exists("half") {
		t.Error("a migration is not one transaction")
	}
	folder := files("20260101000000_one.sql", one, "20260102000000_two_words.sql", two)
	if err := migrate(folder, "20260102000000_two_words.sql"); err != nil {
		t.Error(err)
	}
	if err := migrate(folder); err != nil {
		t.Error("again:", err)
	}
	got := query1[string](t, pg.AdminURL, "select string_agg(version || ' ' || name || ' ' || statements[1], '|' order by version) from supabase_migrations.schema_migrations")
	if got != "20260101000000 one "+one+"|20260102000000 two_words "+two {
		t.Errorf("the ledger is %q", got)
	}
	for text, want := range map[string]string{
		"select 1; select 1/0":                  "statement 2: ",
		"selec 1":                               "line 1: ",
		"create index concurrently on one (id)": "cannot be in one",
		"vacuum":                                "cannot be in one",
		"create table ended (); commit; select 1": "ends its transaction",
	} {
		bad := files("20260101000000_one.sql", one, "20260102000000_two_words.sql", two, "20260103000000_bad.sql", text)
		if err := migrate(bad); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "20260103000000_bad.sql") {
			t.Errorf("%s: %v", text, err)
		}
	}
	// A foreign migration in the ledger is harmless; a file older than it is refused.
	pg.Exec(t, "insert into supabase_migrations.schema_migrations values ('20270101000000')")
	if err := migrate(folder); err != nil {
		t.Error(err)
	}
	folder["migrations/20260201000000_late.sql"] = &fstest.MapFile{Data: []byte("create table late ()")}
	if err := migrate(folder); err == nil || !strings.Contains(err.Error(), "older than 20270101000000") || exists("late") {
		t.Error(err)
	}
	for name, folder := range map[string]fstest.MapFS{
		"no files":         files(),
		"no version":       files("init.sql", one),
		"the same version": files("1_a.sql", one, "1_b.sql", two),
	} {
		if err := migrate(folder); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := database.Migrate(t.Context(), strings.Replace(pg.AdminURL, "//postgres:", "//nobody:", 1), folder, func(string) {}); !errors.Is(err, database.ErrUnavailable) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := database.Migrate(ctx, pg.AdminURL, folder, func(string) {}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A ledger made by the Supabase CLI is used unchanged, and concurrent migrations run one after the other.
func TestMigrateTogether(t *testing.T) {
	pg := pgtest.New(t)
	pg.Exec(t, `drop schema if exists supabase_migrations cascade; create schema supabase_migrations;
		create table supabase_migrations.schema_migrations (version text not null primary key);
		insert into supabase_migrations.schema_migrations values ('1')`)
	var mu sync.Mutex
	var applied []string
	var group sync.WaitGroup
	folder := files("1_one.sql", "select 1/0", "2_two.sql", "create table two ()", "3_three.sql", "create table three ()")
	for range 4 {
		group.Go(func() {
			err := database.Migrate(t.Context(), pg.AdminURL, folder, func(name string) {
				mu.Lock()
				defer mu.Unlock()
				applied = append(applied, name)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if !slices.Equal(applied, []string{"2_two.sql", "3_three.sql"}) {
		t.Errorf("applied %q", applied)
	}
}

// The project's own migrations are applied once.
func TestMigrateOurs(t *testing.T) {
	pg := pgtest.New(t)
	pg.Exec(t, "drop schema supabase_migrations cascade; drop schema public cascade; create schema public; grant usage on schema public to anon, authenticated")
	for range 2 {
		if err := database.Migrate(t.Context(), pg.AdminURL, pgtest.Migrations, func(string) {}); err != nil {
			t.Fatal(err)
		}
	}
}

// A project with its own public.users records that migration as applied, as deploy/README.md says, and gets the others.
func TestMigrateBesideATable(t *testing.T) {
	pg := pgtest.New(t)
	pg.Exec(t, `drop schema supabase_migrations cascade; drop schema public cascade; create schema public;
		create table public.users (id uuid primary key, full_name text)`)
	if err := database.Migrate(t.Context(), pg.AdminURL, pgtest.Migrations, func(string) {}); err == nil || !strings.Contains(err.Error(), "note this file as applied") {
		t.Fatal(err)
	}
	pg.Exec(t, `create schema if not exists supabase_migrations;
		create table if not exists supabase_migrations.schema_migrations (version text primary key);
		insert into supabase_migrations.schema_migrations (version) values ('20261124000000')`)
	var applied []string
	if err := database.Migrate(t.Context(), pg.AdminURL, pgtest.Migrations, func(name string) { applied = append(applied, name) }); err != nil {
		t.Fatal(err)
	}
	if len(applied) == 0 || strings.Contains(applied[0], "_users") {
		t.Errorf("applied %q", applied)
	}
}
