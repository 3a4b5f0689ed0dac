package database_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"usergraph/database"
	"usergraph/internal/pgtest"
	"usergraph/supabase"
)

const (
	ada = "a0000000-0000-4000-8000-000000000001"
	bob = "b0000000-0000-4000-8000-000000000002"
)

func caller(id string) database.Caller {
	return database.Caller{Role: "authenticated", Claims: []byte(`{"role":"authenticated","sub":"` + id + `"}`)}
}

func open(t *testing.T, conns int) (*database.DB, *pgtest.Database) {
	t.Helper()
	fresh := pgtest.New(t)
	fresh.Exec(t, supabase.Seed)
	db, err := database.Open(database.Config{URL: fresh.URL, MaxConns: conns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db, fresh
}

func names(t *testing.T, db bun.IDB) []string {
	t.Helper()
	var found []string
	if err := db.NewSelect().Table("users").Column("full_name").Order("full_name").Scan(t.Context(), &found); err != nil {
		t.Fatal(err)
	}
	return found
}

// The query has no WHERE: row-level security alone keeps the others' rows away.
func TestRowLevelSecurityDecides(t *testing.T) {
	db, _ := open(t, 1)
	for id, want := range map[string]string{ada: "[Ada Lovelace]", bob: "[Bob Kahn]"} {
		if got := fmt.Sprint(names(t, db.As(caller(id)))); got != want {
			t.Errorf("%s sees %s, want %s", id, got, want)
		}
	}
	result, err := db.As(caller(ada)).NewUpdate().Table("users").Set("full_name = ?", "Mallory").Where("id = ?", bob).Exec(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if rows, _ := result.RowsAffected(); rows != 0 {
		t.Errorf("Ada changed %d rows of Bob's", rows)
	}
}

func TestFailsClosed(t *testing.T) {
	db, _ := open(t, 1)
	for name, c := range map[string]database.Caller{
		"nobody":       {},
		"no claims":    {Role: "authenticated"},
		"service_role": {Role: "service_role", Claims: []byte(`{}`)},
		"postgres":     {Role: "postgres", Claims: []byte(`{}`)},
	} {
		if _, err := db.As(c).NewRaw("select 1").Exec(t.Context()); err == nil {
			t.Errorf("%s: a statement ran", name)
		}
	}
	if _, err := db.As(database.Caller{Role: "anon", Claims: []byte(`{}`)}).NewRaw("select * from users").Exec(t.Context()); !errors.Is(err, database.ErrForbidden) {
		t.Errorf("anon reading users gives %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	db, _ := open(t, 1)
	reader := caller(ada)
	reader.ReadOnly = true
	_, err := db.As(reader).NewUpdate().Table("users").Set("full_name = 'x'").Where("id = ?", ada).Exec(t.Context())
	if !errors.Is(err, database.ErrForbidden) {
		t.Errorf("a write in a query gives %v", err)
	}
	if _, err := db.As(reader).NewRaw("set transaction read write; update users set full_name = 'x'").Exec(t.Context()); err == nil {
		t.Error("two statements ran as one")
	}
}

// On one connection, after successes and failures alike, nothing of a caller stays.
func TestSettingsDoNotLeak(t *testing.T) {
	db, fresh := open(t, 1)
	fresh.Exec(t, `create function public.settings() returns text language sql as
		$$ select current_user || coalesce(current_setting('request.jwt.claims', true), '') $$`)
	for _, sql := range []string{"select 1", "select 1/0", "select nonsense", "not sql"} {
		_, _ = db.As(caller(ada)).NewRaw(sql).Exec(t.Context())
		if err := db.As(caller(ada)).RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.NewRaw(sql).Exec(ctx)
			return err
		}); (err == nil) != (sql == "select 1") {
			t.Fatalf("%s in a transaction: %v", sql, err)
		}
		var got string
		c := database.Caller{Role: "anon", Claims: []byte(`{"x":1}`)}
		if err := db.As(c).NewRaw("select settings()").Scan(t.Context(), &got); err != nil || got != `anon{"x":1}` {
			t.Fatalf("after %q the caller is %q (%v)", sql, got, err)
		}
	}
}

func TestCallersDoNotMix(t *testing.T) {
	db, _ := open(t, 4)
	var group sync.WaitGroup
	for worker := range 16 {
		group.Go(func() {
			id, want := ada, "Ada Lovelace"
			if worker%2 == 1 {
				id, want = bob, "Bob Kahn"
			}
			for round := range 100 {
				ctx, cancel := context.WithCancel(context.Background())
				if round%7 == 0 {
					cancel()
				}
				var got []string
				err := db.As(caller(id)).NewSelect().Table("users").Column("full_name").Scan(ctx, &got)
				if err == nil && (len(got) != 1 || got[0] != want) {
					t.Errorf("%s got %q", id, got)
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", id, err)
				}
				cancel()
			}
		})
	}
	group.Wait()
}

func TestTransactionsCommitAndRollBack(t *testing.T) {
	db, _ := open(t, 1)
	rename := func(name string, end error) error {
		return db.As(caller(ada)).RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.NewUpdate().Table("users").Set("full_name = ?", name).Where("id = ?", ada).Exec(ctx)
			return errors.Join(err, end)
		})
	}
	if err := rename("Ada King", nil); err != nil {
		t.Fatal(err)
	}
	if err := rename("nobody", errors.New("changed my mind")); err == nil {
		t.Fatal("the error of the callback is lost")
	}
	if got := fmt.Sprint(names(t, db.As(caller(ada)))); got != "[Ada King]" {
		t.Errorf("the name is %s", got)
	}
}

func TestUnavailable(t *testing.T) {
	db, err := database.Open(database.Config{URL: "postgres://authenticator:hunter2@127.0.0.1:1/postgres", MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Ping(t.Context()); !errors.Is(err, database.ErrUnavailable) {
		t.Errorf("ping gives %v", err)
	}
	if _, err := database.Open(database.Config{URL: "postgres://x:hunter2@[::1", MaxConns: 1}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a bad URL gives %v", err)
	}
}

func TestMigrate(t *testing.T) {
	fresh := pgtest.New(t)
	fresh.Exec(t, "drop schema supabase_migrations cascade")
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "migrations"), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, sql string) {
		if err := os.WriteFile(filepath.Join(dir, "migrations", name), []byte(sql), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("1_one.sql", "create table one ()")
	write("2_two.sql", "create table two (); select 1/0")
	var applied []string
	migrate := func() error {
		return database.Migrate(t.Context(), fresh.AdminURL, os.DirFS(dir), func(name string) { applied = append(applied, name) })
	}
	if err := migrate(); err == nil || len(applied) != 1 {
		t.Fatalf("a failing file: %v, applied %v", err, applied)
	}
	write("2_two.sql", "create table two ()")
	for range 2 {
		if err := migrate(); err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(applied) != "[1_one.sql 2_two.sql]" {
		t.Errorf("applied %v", applied)
	}
	conn, err := pgx.Connect(t.Context(), fresh.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var ledger string
	if err := conn.QueryRow(t.Context(), "select string_agg(version || name, ',' order by version) from supabase_migrations.schema_migrations").Scan(&ledger); err != nil || ledger != "1one,2two" {
		t.Errorf("the ledger is %q (%v)", ledger, err)
	}
}
