//go:build pgbouncer

// These tests need PgBouncer (apt-get install pgbouncer) beside what the others need.

package database_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"usergraph/database"
)

// newPgBouncer runs a PgBouncer in transaction mode, with few sessions of PostgreSQL behind it, in front of target.
func newPgBouncer(t *testing.T, target string) (through string) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()

	dir, err := os.MkdirTemp("", "pgbouncer-") // t.TempDir is not for other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	password, _ := u.User.Password()
	files := map[string]string{
		"users": fmt.Sprintf("%q %q\n", u.User.Username(), password),
		"ini": fmt.Sprintf(`[databases]
* = host=%s port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = plain
auth_file = %s
pool_mode = transaction
default_pool_size = 3
server_reset_query =
`, u.Hostname(), u.Port(), port, filepath.Join(dir, "users")),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{filepath.Join(dir, "ini")}
	if os.Getuid() == 0 {
		args = append([]string{"-u", "nobody"}, args...) // it refuses to be root
	}
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path = "/usr/sbin/pgbouncer"
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	command := exec.Command(path, args...)
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()
	t.Cleanup(func() {
		command.Process.Kill()
		<-exited
		if said, err := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("pgbouncer: %s %v", said, err)
		}
	})
	u.Host = net.JoinHostPort("127.0.0.1", port)
	for {
		conn, err := net.Dial("tcp", u.Host)
		if err == nil {
			conn.Close()
			return u.String()
		}
		select {
		case err := <-exited:
			exited <- err
			said, _ := os.ReadFile(log.Name())
			t.Fatalf("pgbouncer: %v\n%s", err, said)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// PgBouncer 1.18 itself falls over, with "server in bad state", when a session is killed that it is about to cancel: so
// one or the other.
func TestPgBouncerClaimsDoNotBleed(t *testing.T) {
	for name, disturb := range map[string]disturbances{"cancels": {cancels: true}, "kills": {kills: true}} {
		t.Run(name, func(t *testing.T) {
			pg := newPostgres(t)
			bleed(t, pg, newPgBouncer(t, pg.URL), 1500, disturb)
		})
	}
}

// Behind a pooler nothing is prepared, with no setting for it, and a statement is still one round trip.
func TestPgBouncerRoundTrips(t *testing.T) {
	pg := newPostgres(t)
	p := newProxy(t, newPgBouncer(t, pg.URL))
	db := open(t, database.Config{URL: p.URL, MaxConns: 1})
	if pooled, err := db.Pooled(t.Context()); err != nil || !pooled {
		t.Fatal("the pooler was not noticed", err)
	}
	as := db.As(callerOf(ada))
	thrice(t, func(t *testing.T) {
		p.reset()
		found := new(user)
		if err := as.NewSelect().Model(found).Where("full_name = ?", "Ada").Scan(t.Context()); err != nil || found.ID != ada {
			t.Fatal(found, err)
		}
		if turns, _ := p.count('S'); turns != 1 {
			t.Errorf("%d round trips", turns)
		}
		p.reset()
		err := as.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			return rename(ctx, tx, ada, "Ada")
		})
		if err != nil {
			t.Fatal(err)
		}
		if turns, _ := p.count('S'); turns != 3 {
			t.Errorf("%d round trips for a transaction", turns)
		}
	})
}

func TestPgBouncerCancel(t *testing.T) {
	pg := newPostgres(t)
	db := open(t, database.Config{URL: newPgBouncer(t, pg.URL), MaxConns: 2})
	w := newWatch(t, pg)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := db.As(callerOf(ada)).ExecContext(ctx, "select pg_sleep(600)")
			failed <- err
		}()
		w.until(1, sleeping)
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		w.until(0, sleeping)
	}
}

// Notifications get lost in a pooler in transaction mode, silently: it is noticed, and not only while nobody else is there.
func TestPgBouncerLosesNotifications(t *testing.T) {
	pg := newPostgres(t)
	l := listen(t, newPgBouncer(t, pg.URL))
	if err := l.report(); !errors.Is(err, database.ErrNotAnnounced) || !strings.Contains(err.Error(), "pooler") {
		t.Error(err)
	}
}
