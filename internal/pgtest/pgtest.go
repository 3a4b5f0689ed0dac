// Package pgtest answers one question: where does a test get a real PostgreSQL database of its own?
//
// The first test of a process starts a PostgreSQL. It ends when the process ends, even by SIGKILL.
package pgtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io/fs"
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
)

// Database is the database of one test.
type Database struct {
	// URL logs in as authenticator, as the API does.
	URL string
	// AdminURL logs in as the superuser postgres.
	AdminURL string
}

// New returns a new database for the engine's own tests. It is dropped when the test ends.
func New(t testing.TB) *Database {
	t.Helper()
	return With(t, Migrations, watched...)
}

// With returns a new database with the shims, the engine's SQL, these migrations, and triggers that announce the changes of
// the watched tables. It is dropped when the test ends.
func With(t testing.TB, migrations fs.FS, watched ...database.Announcement) *Database {
	t.Helper()
	server, err := shared()
	if err != nil {
		t.Fatalf("a PostgreSQL for the tests: %v", err)
	}
	template, err := migrated(server, migrations, watched)
	if err != nil {
		t.Fatalf("the migrations: %v", err)
	}
	return copyOf(t, server, template)
}

// Bare returns a new database with the shims alone. It is dropped when the test ends.
func Bare(t testing.TB) *Database {
	t.Helper()
	server, err := shared()
	if err != nil {
		t.Fatalf("a PostgreSQL for the tests: %v", err)
	}
	return copyOf(t, server, "postgres")
}

// copyOf returns a copy of a database.
func copyOf(t testing.TB, server *postgres.Server, template string) *Database {
	t.Helper()
	name := fmt.Sprintf("test_%d", counter.Add(1))
	maintenance := server.URL("postgres", "template1")
	exec(t, maintenance, "create database "+name+" template "+template)
	t.Cleanup(func() { exec(t, maintenance, "drop database "+name+" with (force)") })
	return &Database{URL: server.URL("authenticator", name), AdminURL: server.URL("postgres", name)}
}

// Dir returns an empty folder for a PostgreSQL of the test. If the test runs as root, PostgreSQL runs as another
// account, which cannot enter t.TempDir.
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

// Name returns the name of the database.
func (d *Database) Name() string {
	u, err := url.Parse(d.URL)
	if err != nil {
		panic(err) // New has created it
	}
	return path.Base(u.Path)
}

// Exec runs SQL as the superuser: several statements, or one with arguments.
func (d *Database) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	exec(t, d.AdminURL, sql, args...)
}

var counter atomic.Int64

// shared starts the PostgreSQL of this process once.
var shared = sync.OnceValues(start)

// template is a migrated database that tests copy, or why there is none.
type template struct {
	name string
	err  error
}

// templates are there by the hash of their migrations and watched tables.
var templates struct {
	sync.Mutex
	made map[[sha256.Size]byte]template
}

// migrated returns the name of a database with these migrations and triggers. It creates the database once; migrations that fail
// do so for every test, with the same error.
func migrated(server *postgres.Server, migrations fs.FS, watched []database.Announcement) (name string, err error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "%q ", watched)
	err = fs.WalkDir(migrations, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(migrations, path)
		fmt.Fprintf(hash, "%s %d ", path, len(text))
		hash.Write(text)
		return err
	})
	if err != nil {
		return "", err
	}
	templates.Lock()
	defer templates.Unlock()
	key := [sha256.Size]byte(hash.Sum(nil))
	made, known := templates.made[key]
	if !known {
		made.name = fmt.Sprintf("template_%d", len(templates.made))
		ctx := context.Background()
		made.err = run(ctx, server.URL("postgres", "template1"), "create database "+made.name+" template postgres")
		if made.err == nil {
			made.err = migration(server.URL("postgres", made.name), migrations, watched).Apply(ctx)
		}
		if templates.made == nil {
			templates.made = map[[sha256.Size]byte]template{}
		}
		templates.made[key] = made
	}
	return made.name, made.err
}

// start runs a PostgreSQL without durability: it need not survive a power failure.
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
			"wal_keep_size":      "1GB", // each database is copied through the log, which a standby may read late
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
