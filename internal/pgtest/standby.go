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
// the primary has. One that stays behind is logged and replaced.
func NewStandby(t testing.TB, primary *Database) *Standby {
	t.Helper()
	sharedStandby.Lock()
	defer sharedStandby.Unlock()
	s := &Standby{Primary: primary}
	if sharedStandby.server != nil {
		s.use(sharedStandby.server)
		if state := s.catchUp(t); state != "" {
			t.Log("the shared standby is replaced: ", state)
			sharedStandby.server = nil
			_ = s.server.Kill()
		}
	}
	if sharedStandby.server == nil {
		config := standbyConfig(filepath.Join(os.TempDir(), "usergraph-test-"+rand.Text()))
		config.Temporary = true
		server, err := startStandby(config)
		if err != nil {
			t.Fatalf("a standby for the tests: %v", err)
		}
		sharedStandby.server = server
		s.use(server)
		s.CatchUp(t)
	}
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

var sharedStandby struct {
	sync.Mutex
	server *postgres.Server
}

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

// CatchUp waits until everything that the primary has written so far is replayed. The test fails if it is not within a minute.
func (s *Standby) CatchUp(t testing.TB) {
	t.Helper()
	if state := s.catchUp(t); state != "" {
		t.Fatal("the standby stays behind: ", state)
	}
}

// catchUp returns what PostgreSQL says of a standby that stays behind for a minute.
func (s *Standby) catchUp(t testing.TB) (behind string) {
	t.Helper()
	position := ask(t, s.Primary.AdminURL, "select pg_current_wal_insert_lsn()::text")
	// At the start of a page the position includes the page's header, which is sent with the next record.
	s.Primary.Exec(t, "select pg_logical_emit_message(false, 'test', 'more')")
	standby := s.server.URL("postgres", "postgres")
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if ask(t, standby, "select (pg_last_wal_replay_lsn() >= '"+position+"')::text") == "true" {
			return ""
		}
	}
	return "it waits for " + position + ask(t, standby, `select format('; received %s, replayed %s, %s; receiver %s; %s',
		pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn(), pg_get_wal_replay_pause_state(),
		coalesce((select status from pg_stat_wal_receiver), 'absent'),
		(select string_agg(concat_ws(' ', backend_type, datname, state, wait_event), ', ') from pg_stat_activity))`)
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
