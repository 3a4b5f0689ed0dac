package pgtest

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"usergraph/internal/postgres"
)

// Standby is a streaming replica of the tests' PostgreSQL, with the database of one test.
type Standby struct {
	*Database
	// Primary is the database that the replica follows.
	Primary *Database

	config postgres.Config
	server *postgres.Server
}

// NewStandby returns a replica that tests share in turn. A test may pause it, but not stop it. It has everything that
// the primary has.
func NewStandby(t testing.TB, primary *Database) *Standby {
	t.Helper()
	server, err := sharedStandby()
	if err != nil {
		t.Fatalf("a standby for the tests: %v", err)
	}
	s := &Standby{Primary: primary}
	s.use(server)
	s.CatchUp(t)
	t.Cleanup(func() { s.Resume(t) })
	return s
}

// NewOwnStandby returns a replica of one test, which may be killed. It ends with the test.
func NewOwnStandby(t testing.TB, primary *Database) *Standby {
	t.Helper()
	s := &Standby{Primary: primary, config: standbyConfig(filepath.Join(Dir(t), "data"))}
	server, err := startStandby(s.config)
	if err != nil {
		t.Fatalf("a standby for the tests: %v", err)
	}
	s.use(server)
	s.CatchUp(t)
	t.Cleanup(func() { _ = s.server.Kill() })
	return s
}

var sharedStandby = sync.OnceValues(func() (*postgres.Server, error) {
	config := standbyConfig(filepath.Join(os.TempDir(), "usergraph-test-"+rand.Text()))
	config.Temporary = true
	return startStandby(config)
})

func standbyConfig(dir string) postgres.Config {
	return postgres.Config{DataDir: dir, Settings: map[string]string{"fsync": "off", "max_connections": "200"}}
}

func startStandby(config postgres.Config) (*postgres.Server, error) {
	primary, err := shared()
	if err != nil {
		return nil, err
	}
	return primary.Standby(context.Background(), config)
}

func (s *Standby) use(server *postgres.Server) {
	name := s.Primary.Name()
	s.server = server
	s.Database = &Database{URL: server.URL("authenticator", name), AdminURL: server.URL("postgres", name)}
}

// Pause stops replay until Resume.
func (s *Standby) Pause(t testing.TB) {
	t.Helper()
	s.Exec(t, "select pg_wal_replay_pause()")
	for ask(t, s.AdminURL, "select pg_get_wal_replay_pause_state()") != "paused" {
		time.Sleep(time.Millisecond)
	}
}

// Resume resumes replay.
func (s *Standby) Resume(t testing.TB) {
	t.Helper()
	s.Exec(t, "select pg_wal_replay_resume()")
}

// CatchUp waits until everything that the primary has written so far is replayed.
func (s *Standby) CatchUp(t testing.TB) {
	t.Helper()
	position := ask(t, s.Primary.AdminURL, "select pg_current_wal_insert_lsn()::text")
	// At the start of a page the position includes the page's header, which is sent with the next record.
	s.Primary.Exec(t, "select pg_logical_emit_message(false, 'test', 'more')")
	for ask(t, s.server.URL("postgres", "postgres"), "select (pg_last_wal_replay_lsn() >= '"+position+"')::text") != "true" {
		time.Sleep(time.Millisecond)
	}
}

// Kill ends the replica like a crash.
func (s *Standby) Kill(t testing.TB) {
	t.Helper()
	if err := s.server.Kill(); err != nil {
		t.Fatal(err)
	}
}

// Restart starts the replica again on its data.
func (s *Standby) Restart(t testing.TB) {
	t.Helper()
	s.config.Port = s.server.Port()
	server, err := postgres.Start(context.Background(), s.config)
	if err != nil {
		t.Fatal(err)
	}
	s.server = server
}

// Promote makes the replica a primary.
func (s *Standby) Promote(t testing.TB) {
	t.Helper()
	s.Exec(t, "select pg_promote()")
}

// ask returns the single value of a superuser's query.
func ask(t testing.TB, url, query string) (answer string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, query).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}
