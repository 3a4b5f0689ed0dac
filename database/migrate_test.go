package database_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

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

// engineSteps are the steps of the engine's SQL in a database that has none of it.
var engineSteps = []string{"the schema usergraph", "engine/001_sessions.sql", "engine/002_announcements.sql"}

// migrated applies a migration and returns what it has done and warned of. Before that, it checks that Pending lists the
// same and changes nothing.
func migrated(t *testing.T, m database.Migration) (applied, warnings []string, err error) {
	t.Helper()
	state := func() string {
		return query1[string](t, m.URL, `select concat((select count(*) from pg_class), ' ', (select count(*) from pg_proc), ' ', (select count(*) from pg_trigger), ' ', (select count(*) from pg_namespace))`)
	}
	before := state()
	pending, pendingErr := m.Pending(t.Context())
	if after := state(); after != before {
		t.Errorf("Pending has changed something: %s, now %s", before, after)
	}
	m.Report = func(name string) { applied = append(applied, name) }
	m.Warn = func(text string) { warnings = append(warnings, text) }
	err = m.Apply(t.Context())
	if err == nil && (pendingErr != nil || !slices.Equal(pending, applied)) {
		t.Errorf("Pending lists %q %v, and Apply did %q", pending, pendingErr, applied)
	}
	return applied, warnings, err
}

func exists(t *testing.T, pg *pgtest.Database, table string) bool {
	t.Helper()
	return query1[bool](t, pg.AdminURL, "select to_regclass($1) is not null", table)
}

func TestMigrate(t *testing.T) {
	pg := pgtest.Bare(t)
	migrate := func(folder fstest.MapFS, want ...string) error {
		t.Helper()
		applied, _, err := migrated(t, database.Migration{URL: pg.AdminURL, Files: folder})
		if !slices.Equal(applied, want) {
			t.Errorf("applied %q, not %q", applied, want)
		}
		return err
	}
	const one, two = "create table one (id int);\ninsert into one values (1);", "create table two (); -- a comment; with a semicolon"

	if err := migrate(nil, engineSteps...); err != nil {
		t.Error("an API without migrations:", err)
	}
	if err := migrate(files("20260101000000_one.sql", one, "20260102000000_bad.sql", "create table half ();\n\nselect nothing;"), "20260101000000_one.sql"); err == nil ||
		!strings.Contains(err.Error(), "20260102000000_bad.sql: line 3: ") {
		t.Error(err)
	}
	if !exists(t, pg, "one") || exists(t, pg, "half") {
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
		"create table ended (); commit; select 1":              "ends its transaction",
		"create table two ()":                                  "if it is your project's own, delete this file and run usergraph migrate again",
		"do $$ begin raise 'no' using hint = 'Do so.'; end $$": "Do so.",
	} {
		bad := files("20260101000000_one.sql", one, "20260102000000_two_words.sql", two, "20260103000000_bad.sql", text)
		if err := migrate(bad); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "20260103000000_bad.sql") || errors.Is(err, database.ErrUnavailable) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for name, folder := range map[string]fstest.MapFS{
		"no version":       files("init.sql", one),
		"the same version": files("1_a.sql", one, "1_b.sql", two),
	} {
		if err := migrate(folder); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := (database.Migration{URL: strings.Replace(pg.AdminURL, "//postgres:", "//nobody:", 1)}).Apply(t.Context()); !errors.Is(err, database.ErrUnavailable) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (database.Migration{URL: pg.AdminURL, Files: folder}).Apply(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// The Supabase CLI's ledger is shared with a folder that both apply, and left alone if it is another repository's.
func TestLedgers(t *testing.T) {
	const shared, own = "supabase_migrations.schema_migrations", "usergraph.team_migrations"
	for name, test := range map[string]struct {
		ledger, folder []string // versions
		applied        []string
		shared, own    string // the ledgers afterwards
	}{
		"a new project":                {nil, []string{"20260101000000", "20260201000000"}, []string{"20260101000000_f.sql", "20260201000000_f.sql"}, "20260101000000 20260201000000", "20260101000000 20260201000000"},
		"one folder":                   {[]string{"20260101000000"}, []string{"20260101000000", "20260201000000"}, []string{"20260201000000_f.sql"}, "20260101000000 20260201000000", "20260101000000 20260201000000"},
		"one folder, a branch of it":   {[]string{"20260101000000", "20270101000000"}, []string{"20260101000000", "20260201000000"}, []string{"20260201000000_f.sql, older than 20270101000000, which the database has"}, "20260101000000 20260201000000 20270101000000", "20260101000000 20260201000000"},
		"one folder, other versions":   {[]string{"5001", "20260101000000"}, []string{"5001", "20260101000000", "20260201000000"}, []string{"20260201000000_f.sql"}, "20260101000000 20260201000000 5001", "20260101000000 20260201000000 5001"},
		"another repository":           {[]string{"5001", "20250101000000"}, []string{"20260201000000"}, []string{"20260201000000_f.sql, noted in usergraph.team_migrations, because the Supabase CLI's ledger is another repository's"}, "20250101000000 5001", "20260201000000"},
		"another repository, newer":    {[]string{"20270101000000"}, []string{"20260201000000"}, []string{"20260201000000_f.sql, older than 20270101000000, which the database has, noted in usergraph.team_migrations, because the Supabase CLI's ledger is another repository's"}, "20270101000000", "20260201000000"},
		"another repository, no files": {[]string{"20270101000000"}, nil, nil, "20270101000000", ""},
	} {
		pg := pgtest.Bare(t)
		// As the CLI makes it, without the columns of newer ones.
		pg.Exec(t, "create schema supabase_migrations; create table supabase_migrations.schema_migrations (version text not null primary key)")
		for _, version := range test.ledger {
			pg.Exec(t, "insert into supabase_migrations.schema_migrations values ($1)", version)
		}
		folder := files()
		for _, version := range test.folder {
			text := "create table t" + version + " ()"
			if slices.Contains(test.ledger, version) {
				text = "select 1/0"
			}
			folder["migrations/"+version+"_f.sql"] = &fstest.MapFile{Data: []byte(text)}
		}
		ledger := func(table string) string {
			return query1[string](t, pg.AdminURL, "select coalesce(string_agg(version, ' ' order by version), '') from "+table)
		}
		for _, want := range [][]string{append(slices.Clone(engineSteps), test.applied...), nil} {
			applied, _, err := migrated(t, database.Migration{URL: pg.AdminURL, Files: folder})
			if err != nil || !slices.Equal(applied, want) {
				t.Errorf("%s: applied %q, %v", name, applied, err)
			}
		}
		if ledger(shared) != test.shared || ledger(own) != test.own {
			t.Errorf("%s: the CLI's ledger has %q, ours %q", name, ledger(shared), ledger(own))
		}
		// What the CLI advises in another repository: to note our versions as not applied. Nothing is applied twice.
		pg.Exec(t, "delete from supabase_migrations.schema_migrations")
		pg.Exec(t, "insert into supabase_migrations.schema_migrations (version) values ('20290101000000')")
		if applied, _, err := migrated(t, database.Migration{URL: pg.AdminURL, Files: folder}); err != nil || len(applied) > 0 {
			t.Errorf("%s: after a repair: %q, %v", name, applied, err)
		}
		if got := ledger(shared); got != "20290101000000" {
			t.Errorf("%s: after a repair the CLI's ledger has %q", name, got)
		}
	}
}

// A file that was marked as reverted in a shared ledger is applied again.
func TestReverted(t *testing.T) {
	pg := pgtest.Bare(t)
	m := database.Migration{URL: pg.AdminURL, Files: files("20260101000000_one.sql", "create table if not exists one ()", "20260201000000_two.sql", "create table if not exists two ()")}
	if _, _, err := migrated(t, m); err != nil {
		t.Fatal(err)
	}
	pg.Exec(t, "drop table two; delete from supabase_migrations.schema_migrations where version = '20260201000000'")
	if applied, _, err := migrated(t, m); err != nil || len(applied) != 1 || !exists(t, pg, "two") {
		t.Error(applied, err)
	}
}

// A function of the engine that makes no triggers is an error, whose advice helps.
func TestAnotherAnnounceChanges(t *testing.T) {
	pg := pgtest.Bare(t)
	m := database.Migration{URL: pg.AdminURL, Files: files("20260101000000_one.sql", "create table one (id int primary key)"),
		Watched: []database.Announcement{{Schema: "public", Table: "one", Keys: []string{"id"}}}}
	if _, _, err := migrated(t, database.Migration{URL: m.URL, Files: m.Files}); err != nil {
		t.Fatal(err)
	}
	pg.Exec(t, "create or replace function usergraph.announce_changes(target regclass, owner_column text, variadic key_columns text[]) returns void language sql begin atomic select; end")
	_, _, err := migrated(t, m)
	if err == nil {
		t.Fatal("no error")
	}
	_, advice, _ := strings.Cut(err.Error(), "another version's: ")
	statements, _, found := strings.Cut(advice, "; then ")
	if !found {
		t.Fatal(err)
	}
	pg.Exec(t, statements)
	if applied, _, err := migrated(t, m); err != nil || len(applied) != 2 {
		t.Error(applied, err)
	}
}

// Concurrent migrations run one after the other.
func TestMigrateTogether(t *testing.T) {
	pg := pgtest.Bare(t)
	pg.Exec(t, `create schema supabase_migrations;
		create table supabase_migrations.schema_migrations (version text not null primary key);
		insert into supabase_migrations.schema_migrations values ('1')`)
	var mu sync.Mutex
	var applied []string
	var group sync.WaitGroup
	folder := files("1_one.sql", "select 1/0", "2_two.sql", "create table two (id int primary key)", "3_three.sql", "create table three ()")
	for range 4 {
		group.Go(func() {
			err := database.Migration{URL: pg.AdminURL, Files: folder, Watched: []database.Announcement{{Schema: "public", Table: "two", Keys: []string{"id"}}}, Report: func(name string) {
				mu.Lock()
				defer mu.Unlock()
				applied = append(applied, name)
			}}.Apply(t.Context())
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	want := append(slices.Clone(engineSteps), "2_two.sql", "3_three.sql", "announce changes of public.two: key id")
	slices.Sort(want)
	slices.Sort(applied) // steps are reported after their commit, when another caller may be in the next
	if !slices.Equal(applied, want) {
		t.Errorf("applied %q", applied)
	}
}

type (
	noteModel struct {
		bun.BaseModel `bun:"table:notes"`

		ID     int64  `bun:"id,pk"`
		Author string `bun:"author" usergraph:"owner"`
	}
	membership struct {
		bun.BaseModel `bun:"table:Teams.member ships"`

		Team   int64  `bun:"team,pk"`
		Member string `bun:"it's,pk"`
	}
	view struct {
		bun.BaseModel `bun:"table:a_view"`

		ID int64 `bun:"id,pk"`
	}
)

func tableOf[T any](t *testing.T) database.Table {
	t.Helper()
	table, err := database.TableOf(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestTableOf(t *testing.T) {
	if table := tableOf[membership](t); table.String() != `"Teams"."member ships"` || len(table.Keys) == 0 || !slices.Equal(table.Columns, []string{"team", "it's"}) {
		t.Errorf("%v %q", table, table.Columns)
	}
	if table := tableOf[noteModel](t); table.String() != "public.notes" || len(table.Keys) == 0 {
		t.Errorf("%+v", table)
	}
	for _, wrong := range []reflect.Type{nil, reflect.TypeFor[int](), reflect.TypeFor[*noteModel](), reflect.TypeFor[struct{ BaseModel int }]()} {
		if table, err := database.TableOf(wrong); err == nil {
			t.Errorf("%v: %+v", wrong, table)
		}
	}
}

func announce[T any](t *testing.T) []database.Announcement {
	t.Helper()
	watched, err := database.Announcements([]reflect.Type{reflect.TypeFor[T]()})
	if err != nil {
		t.Fatal(err)
	}
	return watched
}

// Triggers are installed once, replaced when their arguments change, and reported where they cannot be.
func TestTriggers(t *testing.T) {
	pg := pgtest.Bare(t)
	m := database.Migration{URL: pg.AdminURL, Watched: announce[noteModel](t), Files: files("1_tables.sql", `create table notes (id bigint primary key, author text, body json);
		create view a_view as select * from notes`)}
	applied, warnings, err := migrated(t, m)
	if err != nil || len(warnings) > 0 || applied[len(applied)-1] != "announce changes of public.notes: key id, owner author" {
		t.Fatal(applied, warnings, err)
	}
	conn := listenTo(t, pg)
	pg.Exec(t, "insert into notes values (7, 'ada', '{}')")
	if n, err := conn.WaitForNotification(t.Context()); err != nil || n.Payload != `["public.notes", "7", "ada"]` {
		t.Errorf("%+v %v", n, err)
	}
	// The same again does nothing, but for a trigger that was disabled.
	for _, want := range []int{0, 1} {
		if applied, _, err := migrated(t, m); err != nil || len(applied) != want {
			t.Error(applied, err)
		}
		pg.Exec(t, "alter table notes disable trigger usergraph_announce_update")
	}
	m.Watched[0].Owner = ""
	if applied, _, err := migrated(t, m); err != nil || len(applied) != 1 {
		t.Error(applied, err)
	}
	m.Watched = append(announce[view](t), database.Announcement{Schema: "public", Table: "nowhere", Keys: []string{"id"}})
	applied, warnings, err = migrated(t, m)
	if err != nil || len(applied) > 0 || len(warnings) != 2 {
		t.Fatal(applied, warnings, err)
	}
	for i, want := range []string{"public.a_view is no table", "public.nowhere does not exist"} {
		if !strings.Contains(warnings[i], want) {
			t.Errorf("warned of %q", warnings[i])
		}
	}
}

// A login that may not change the schema is told which may, before anything is done.
func TestMigrateAsAnother(t *testing.T) {
	pg := pgtest.Bare(t)
	pg.Exec(t, fmt.Sprintf(`create role migrate_narrow login noinherit password 'secret-password'; create role migrate_maker login password 'secret-password';
		grant create on database %s to migrate_maker; create table public.notes (id bigint primary key, author text)`, pg.Name()))
	t.Cleanup(func() {
		pg.Exec(t, "drop owned by migrate_narrow, migrate_maker cascade; drop role migrate_narrow, migrate_maker")
	})
	as := func(role string) database.Migration {
		_, rest, _ := strings.Cut(pg.AdminURL, "@")
		return database.Migration{URL: "postgres://" + role + ":secret-password@" + rest, Files: files("1_mine.sql", "alter table public.notes add title text"), Watched: announce[noteModel](t)}
	}
	for role, want := range map[string]string{
		"migrate_narrow": "the login migrate_narrow may not create a schema in the database " + pg.Name() + ": run usergraph migrate with DATABASE_MIGRATE_URL",
		"migrate_maker":  "the login migrate_maker may not create a trigger on public.notes, which belongs to postgres: run usergraph migrate with DATABASE_MIGRATE_URL, the connection string of postgres, or: grant trigger on public.notes to migrate_maker",
	} {
		applied, _, err := migrated(t, as(role))
		if err == nil || !strings.Contains(err.Error(), want) || len(applied) > 0 || errors.Is(err, database.ErrUnavailable) || strings.Contains(err.Error(), "secret-password") {
			t.Errorf("%s: %q, %v", role, applied, err)
		}
	}
	pg.Exec(t, "grant trigger on public.notes to migrate_maker")
	if applied, _, err := migrated(t, as("migrate_maker")); err == nil || !strings.Contains(err.Error(), "1_mine.sql: statement 1: ") || !strings.Contains(err.Error(), "DATABASE_MIGRATE_URL") || !slices.Equal(applied, engineSteps) {
		t.Error(applied, err)
	}
	// A schema of the engine belongs to one role.
	if applied, _, err := migrated(t, as("migrate_narrow")); err == nil || !strings.Contains(err.Error(), "belongs to another role") || len(applied) > 0 {
		t.Error(applied, err)
	}
	if _, _, err := migrated(t, database.Migration{URL: pg.AdminURL}); err != nil {
		t.Error(err)
	}
	foreign := pgtest.Bare(t)
	foreign.Exec(t, "create schema usergraph")
	if applied, _, err := migrated(t, database.Migration{URL: foreign.AdminURL}); err == nil || !strings.Contains(err.Error(), "something else has made it") || len(applied) > 0 {
		t.Error(applied, err)
	}
}

// A table that another transaction holds does not let the writers behind the trigger wait for long.
func TestTriggerOnABusyTable(t *testing.T) {
	pg := pgtest.Bare(t)
	pg.Exec(t, "create table public.notes (id bigint primary key, author text)")
	conn := connect(t, pg.AdminURL)
	if _, err := conn.Exec(t.Context(), "begin; lock table public.notes in row exclusive mode"); err != nil {
		t.Fatal(err)
	}
	m := database.Migration{URL: pg.AdminURL, Watched: announce[noteModel](t)}
	if err := m.Apply(t.Context()); !errors.Is(err, database.ErrTimeout) || !strings.Contains(err.Error(), "announce changes of public.notes: ") {
		t.Error(err)
	}
	if _, err := conn.Exec(t.Context(), "commit"); err != nil {
		t.Fatal(err)
	}
	if err := m.Apply(t.Context()); err != nil {
		t.Error(err)
	}
}

// listenTo returns a connection that hears of changes.
func listenTo(t *testing.T, pg *pgtest.Database) *pgx.Conn {
	t.Helper()
	conn := connect(t, pg.AdminURL)
	if _, err := conn.Exec(t.Context(), "listen usergraph"); err != nil {
		t.Fatal(err)
	}
	return conn
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
