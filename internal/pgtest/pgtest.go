// Package pgtest answers one question: where does a test get a real PostgreSQL database of its own?
//
// The first test of a process starts a PostgreSQL; it goes when the process goes, however it goes.
package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"usergraph/database"
	"usergraph/internal/postgres"
	"usergraph/supabase"
)

// template is the migrated database that each test's database is a copy of.
const template = "template_usergraph"

// Database belongs to one test.
type Database struct {
	// URL logs in as authenticator, like the API does.
	URL string
	// AdminURL logs in as the superuser postgres.
	AdminURL string
}

// New returns a fresh database with the shims and the migrations applied. It is dropped when the test ends.
func New(t testing.TB) *Database {
	t.Helper()
	server, err := shared()
	if err != nil {
		t.Fatalf("a PostgreSQL for the tests: %v", err)
	}
	name := fmt.Sprintf("test_%d", counter.Add(1))
	maintenance := server.URL("postgres", "postgres")
	exec(t, maintenance, "create database "+name+" template "+template)
	t.Cleanup(func() { exec(t, maintenance, "drop database "+name+" with (force)") })
	return &Database{URL: server.URL("authenticator", name), AdminURL: server.URL("postgres", name)}
}

// Dir returns an empty folder for a PostgreSQL of the test's own. Where the test is root's, PostgreSQL runs as somebody
// else, who could not enter t.TempDir.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "usergraph-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Name is that of the database.
func (d *Database) Name() string {
	u, err := url.Parse(d.URL)
	if err != nil {
		panic(err) // New has made it
	}
	return path.Base(u.Path)
}

// Exec runs SQL as the superuser: several statements without arguments, or one with.
func (d *Database) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	exec(t, d.AdminURL, sql, args...)
}

var counter atomic.Int64

// shared starts the PostgreSQL of this process, with the template in it.
var shared = sync.OnceValues(func() (*postgres.Server, error) {
	server, err := start()
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if err := run(ctx, server.URL("postgres", "template1"), "create database "+template+" template postgres"); err != nil {
		return nil, err
	}
	return server, database.Migrate(ctx, server.URL("postgres", template), supabase.Migrations, func(string) {})
})

// start runs a PostgreSQL that forgets: it need not survive a power failure.
func start() (*postgres.Server, error) {
	return postgres.Start(context.Background(), postgres.Config{
		DataDir:   filepath.Join(os.TempDir(), "usergraph-test-"+rand.Text()),
		Temporary: true,
		Mirror:    os.Getenv("POSTGRES_MIRROR"),
		Progress:  func(message string) { fmt.Fprintln(os.Stderr, message) },
		Settings: map[string]string{
			"fsync":              "off",
			"synchronous_commit": "off",
			"full_page_writes":   "off",
			"autovacuum":         "off",
			"max_connections":    "200",
		},
	})
}

func exec(t testing.TB, url, sql string, args ...any) {
	t.Helper()
	if err := run(context.Background(), url, sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func run(ctx context.Context, url, sql string, args ...any) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql, args...)
	return err
}
