package database_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"usergraph/database"
	"usergraph/internal/pgtest"
	"usergraph/internal/postgres"
)

// watch is a superuser's connection outside the pool.
type watch struct {
	t    *testing.T
	conn *pgx.Conn
}

func newWatch(t *testing.T, pg *pgtest.Database) *watch {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), pg.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return &watch{t, conn}
}

// ours counts the pool's connections for which a condition holds.
func (w *watch) ours(condition string) (n int) {
	w.t.Helper()
	err := w.conn.QueryRow(context.Background(), `select count(*) from pg_stat_activity
		where application_name = 'usergraph' and datname = current_database() and `+condition).Scan(&n)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// until waits until a condition holds for this number of the pool's connections.
func (w *watch) until(n int, condition string) {
	w.t.Helper()
	for end := time.Now().Add(timeout); w.ours(condition) != n; {
		if time.Now().After(end) {
			w.t.Fatalf("gave up waiting for %d connections for which: %s", n, condition)
		}
		time.Sleep(time.Millisecond)
	}
}

const sleeping = "state = 'active' and query like '%pg_sleep%'"

// A caller that leaves does not leave its statement running, and the connection is usable for the next.
func TestCancel(t *testing.T) {
	pg := newPostgres(t)
	db := open(t, database.Config{URL: pg.URL, MaxConns: 1})
	w := newWatch(t, pg)
	as := db.As(callerOf(ada))
	for name, run := range map[string]func(ctx context.Context) error{
		"exec": func(ctx context.Context) error { _, err := as.ExecContext(ctx, "select pg_sleep(600)"); return err },
		"query": func(ctx context.Context) error {
			return as.NewRaw("select 1 from pg_sleep(?)", 600).Scan(ctx, new(int))
		},
		"transaction": func(ctx context.Context) error {
			return as.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				_, err := tx.ExecContext(ctx, "select pg_sleep(600)")
				return err
			})
		},
	} {
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			failed := make(chan error, 1)
			go func() { failed <- run(ctx) }()
			w.until(1, sleeping)
			cancel()
			if err := <-failed; !errors.Is(err, context.Canceled) || errors.Is(err, database.ErrTimeout) || errors.Is(err, database.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
			w.until(0, sleeping)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		<-ctx.Done()
		cancel()
		w.until(0, sleeping)
		// A statement with an ended context is not sent.
		if err := run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		if err := rename(t.Context(), as, ada, "Ada"); err != nil {
			t.Errorf("%s, and then: %v", name, err)
		}
	}
	// The wait for a connection ends with the context, too.
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _, _ = as.ExecContext(ctx, "select pg_sleep(600)") }()
	w.until(1, sleeping)
	hurry, done := context.WithTimeout(t.Context(), time.Millisecond)
	defer done()
	if _, err := as.ExecContext(hurry, "select 1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	cancel()
}

// A cancellation that arrives before its statement is lost, so it is sent again.
func TestCancelOvertakes(t *testing.T) {
	pg := newPostgres(t)
	p := newProxy(t, pg.URL)
	db := open(t, database.Config{URL: p.URL, MaxConns: 1})
	w := newWatch(t, pg)
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.held.Lock()
	before := p.started()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := db.As(callerOf(ada)).ExecContext(ctx, "select pg_sleep(600)")
		failed <- err
	}()
	time.AfterFunc(10*time.Millisecond, cancel)
	for p.started() == before {
		time.Sleep(time.Millisecond)
	}
	p.held.Unlock()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	w.until(0, sleeping)
}

// A connection that PostgreSQL closed while idle is replaced without an error.
func TestIdleConnectionsAreKilled(t *testing.T) {
	db, pg := openNew(t)
	w := newWatch(t, pg)
	as := db.As(callerOf(ada))
	for range 5 {
		for range 5 {
			if err := rename(t.Context(), as, ada, "Ada"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.conn.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'usergraph'"); err != nil {
			t.Fatal(err)
		}
		w.until(0, "true")
	}
}

// A connection that is killed while in use fails only its statement, as unavailable.
func TestBusyConnectionIsKilled(t *testing.T) {
	db, pg := openNew(t)
	w := newWatch(t, pg)
	as := db.As(callerOf(ada))
	for _, inTx := range []bool{false, true} {
		failed := make(chan error, 1)
		go func() {
			sleep := func(ctx context.Context, db bun.IDB) error {
				_, err := db.ExecContext(ctx, "select pg_sleep(600)")
				return err
			}
			if !inTx {
				failed <- sleep(t.Context(), as)
				return
			}
			failed <- as.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error { return sleep(ctx, tx) })
		}()
		w.until(1, sleeping)
		if _, err := w.conn.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'usergraph'"); err != nil {
			t.Fatal(err)
		}
		if err := <-failed; !errors.Is(err, database.ErrUnavailable) {
			t.Error(err)
		}
		if err := rename(t.Context(), as, ada, "Ada"); err != nil {
			t.Error(err)
		}
	}
	// A connection killed between the statements of a transaction fails the transaction.
	err := as.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := w.conn.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'usergraph' and state = 'idle in transaction'"); err != nil {
			return err
		}
		w.until(0, "state = 'idle in transaction'")
		return rename(ctx, tx, ada, "never")
	})
	if !errors.Is(err, database.ErrUnavailable) {
		t.Error(err)
	}
}

// A network that drops connections silently.
func TestHangUp(t *testing.T) {
	pg := newPostgres(t)
	p := newProxy(t, pg.URL)
	db := open(t, database.Config{URL: p.URL, MaxConns: 2})
	w := newWatch(t, pg)
	failed := make(chan error, 1)
	go func() {
		_, err := db.As(callerOf(ada)).ExecContext(t.Context(), "select pg_sleep(1)")
		failed <- err
	}()
	w.until(1, sleeping)
	p.hangUp()
	if err := <-failed; !errors.Is(err, database.ErrUnavailable) {
		t.Error(err)
	}
	if err := rename(t.Context(), db.As(callerOf(ada)), ada, "Ada"); err != nil {
		t.Error(err)
	}
}

// PostgreSQL crashes and restarts; the pool recovers by itself.
func TestDatabaseCrashes(t *testing.T) {
	config := postgres.Config{DataDir: filepath.Join(pgtest.Dir(t), "data"), Settings: map[string]string{"fsync": "off"}}
	server, err := postgres.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	config.Port = server.Port()
	db := open(t, database.Config{URL: server.URL("authenticator", "postgres"), MaxConns: 4})
	read := func() error {
		return db.As(callerOf(ada)).NewRaw("select 1").Scan(t.Context(), new(int))
	}
	if err := errors.Join(db.Ping(t.Context()), read()); err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := read(); !errors.Is(err, database.ErrUnavailable) {
			t.Error(err)
		}
		if err := db.Ping(t.Context()); !errors.Is(err, database.ErrUnavailable) {
			t.Error(err)
		}
	}
	if server, err = postgres.Start(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Ping(t.Context()), read()); err != nil {
		t.Error(err)
	}
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
	if err := errors.Join(read()); !errors.Is(err, database.ErrUnavailable) {
		t.Error(err)
	}
}

// Open reports invalid settings, but not that PostgreSQL is down. No error contains the password.
func TestOpen(t *testing.T) {
	for _, url := range []string{"", "nonsense", "postgres://user:hunter2@", "postgres://u:hunter2@localhost:port/db", "mysql://u:hunter2@localhost/db",
		"postgres://u:hunter2@[::1/db", "host=localhost password=hunter2 port=x", "postgres://u:hunter2@localhost/db?sslmode=perhaps"} {
		db, err := database.Open(database.Config{URL: url})
		if err == nil {
			if url != "postgres://user:hunter2@" {
				t.Errorf("%q was opened", url)
			}
			db.Close()
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the password is in %v", url, err)
		}
	}
	if _, err := database.Open(database.Config{URL: "postgres://localhost/db", MaxConns: -1}); err == nil {
		t.Error("a pool of -1 connections was opened")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	listener.Close()
	for _, url := range []string{"postgres://ada:hunter2@" + nobody + "/db?sslmode=disable", newPostgres(t).URL + "&user=ada&password=hunter2"} {
		db := open(t, database.Config{URL: url})
		err := db.Ping(t.Context())
		if !errors.Is(err, database.ErrUnavailable) || strings.Contains(err.Error(), "hunter2") {
			t.Error(err)
		}
		_, err = db.As(callerOf(ada)).ExecContext(t.Context(), "select 1")
		if !errors.Is(err, database.ErrUnavailable) || strings.Contains(err.Error(), "hunter2") {
			t.Error(err)
		}
	}
}

// A server that accepts connections and never answers delays no caller beyond its context.
func TestSilentServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	db := open(t, database.Config{URL: "postgres://u:p@" + listener.Addr().String() + "/db?sslmode=disable"})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := db.As(callerOf(ada)).ExecContext(ctx, "select 1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// Mistakes that are impossible: statements outside of As.
func TestWithoutCaller(t *testing.T) {
	db, _ := openNew(t)
	as := db.As(callerOf(ada))
	unscoped := as.NewSelect().DB()
	if _, err := unscoped.ExecContext(t.Context(), "select 1"); err == nil {
		t.Error("a statement without a caller ran")
	}
	if _, err := unscoped.BeginTx(t.Context(), nil); err == nil {
		t.Error("a transaction without a caller began")
	}
	if _, err := unscoped.PrepareContext(t.Context(), "select 1"); err == nil {
		t.Error("a statement was prepared by hand")
	}
	if err := unscoped.DB.QueryRowContext(t.Context(), "select $1", 1).Scan(new(int)); err == nil || errors.Is(err, sql.ErrNoRows) {
		t.Error("a statement with arguments ran")
	}
	if _, err := as.ExecContext(t.Context(), "copy users from stdin"); err == nil {
		t.Error("COPY FROM STDIN began")
	}
	if _, err := as.ExecContext(t.Context(), ""); err != nil {
		t.Errorf("an empty statement: %v", err)
	}
	if err := rename(t.Context(), as, ada, "Ada"); err != nil {
		t.Error(err)
	}
}

// If PostgreSQL hangs, no call waits longer than its context, neither for a cancellation nor for a rollback.
func TestDatabaseHangs(t *testing.T) {
	p := newProxy(t, newPostgres(t).URL)
	db := open(t, database.Config{URL: p.URL, MaxConns: 8}.Forbearing())
	as := db.As(callerOf(ada))
	for name, run := range map[string]func(ctx context.Context, hang func()) error{
		"query": func(ctx context.Context, hang func()) error {
			hang()
			return as.NewRaw("select 1").Scan(ctx, new(int))
		},
		"read": func(ctx context.Context, hang func()) error {
			hang()
			return db.As(readerOf(ada)).NewRaw("select 1").Scan(ctx, new(int))
		},
		"begin": func(ctx context.Context, hang func()) error {
			hang()
			_, err := as.BeginTx(ctx, nil)
			return err
		},
		"statement of a transaction": func(ctx context.Context, hang func()) error {
			return as.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				hang()
				_, err := tx.ExecContext(ctx, "select 1")
				return err
			})
		},
		"statement with a context of its own": func(ctx context.Context, hang func()) error {
			return as.RunInTx(t.Context(), nil, func(_ context.Context, tx bun.Tx) error {
				hang()
				_, err := tx.ExecContext(ctx, "select 1")
				if _, err := tx.ExecContext(t.Context(), "select 1"); err == nil {
					t.Error("a statement ran after one that was left")
				}
				return err
			})
		},
		"commit": func(ctx context.Context, hang func()) error {
			return as.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				hang()
				return nil
			})
		},
		"rollback": func(ctx context.Context, hang func()) error {
			return as.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				hang()
				return context.DeadlineExceeded
			})
		},
		"large": func(ctx context.Context, hang func()) error {
			hang()
			return as.NewRaw("select length(?)", strings.Repeat("x", 20<<20)).Scan(ctx, new(int))
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				if err := rename(t.Context(), as, ada, "Ada"); err != nil { // a connection that works
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				ended, hung := make(chan error, 1), make(chan struct{})
				go func() {
					ended <- run(ctx, func() {
						p.held.Lock()
						close(hung)
					})
				}()
				<-hung
				select {
				case err := <-ended:
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%v", err)
					}
				case <-time.After(timeout):
					t.Error("still waiting")
				}
				p.held.Unlock()
				cancel()
			}
		})
	}
	if err := rename(t.Context(), as, ada, "Ada"); err != nil {
		t.Error(err)
	}
}
