package pgtest

import (
	"fmt"
	"net"
	"net/url"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// PgBouncer runs a PgBouncer in transaction mode, with few PostgreSQL sessions, in front of target until the test ends.
// settings are additional lines of its configuration. It needs apt-get install pgbouncer.
func PgBouncer(t testing.TB, target string, settings ...string) (through string) {
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

	dir, err := os.MkdirTemp("", "pgbouncer-") // other users cannot enter t.TempDir
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
%s
`, u.Hostname(), u.Port(), port, filepath.Join(dir, "users"), strings.Join(settings, "\n")),
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
		args = append([]string{"-u", "nobody"}, args...) // it refuses to run as root
	}
	path, err := osexec.LookPath("pgbouncer")
	if err != nil {
		path = "/usr/sbin/pgbouncer"
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	command := osexec.Command(path, args...)
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

// PgBouncer 1.18 fails with "server in bad state" if a session is killed that it is about to cancel, so a test does
// only one of the two.
