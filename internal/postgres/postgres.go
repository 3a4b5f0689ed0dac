//go:build unix

package postgres

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// shims creates what every Supabase project has and a plain PostgreSQL lacks: the API's roles and the schema auth.
//
//go:embed shims.sql
var shims string

const (
	// startTimeout bounds the start; a recovery after a crash takes seconds.
	startTimeout = time.Minute
	// stopTimeout bounds each way of stopping before the next, more forceful one.
	stopTimeout = 10 * time.Second
	// askTimeout bounds a login, which proves that the listener is a PostgreSQL with our password.
	askTimeout = 2 * time.Second
	// portAttempts bounds the retries on another free port after a port was taken.
	portAttempts = 5
	// pollInterval is short beside the awaited times, and long beside reading a file.
	pollInterval = 5 * time.Millisecond
)

// Server is a running PostgreSQL. It is safe for concurrent use.
type Server struct {
	home      *home
	port      int
	passwords passwords

	mu    sync.Mutex
	child *child
}

// Start runs PostgreSQL on the data in cfg.DataDir, creates the cluster first if there is none, and returns when it
// accepts logins. It never deletes a used cluster. ctx bounds the start only: Stop ends the server.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	home, err := openHome(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{home: home}
	if err := s.start(ctx, cfg); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, cfg Config) error {
	bin, err := s.home.binaries(ctx, cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if s.passwords, err = s.home.cluster(ctx, bin, cfg.Settings["fsync"] == "off"); err != nil {
		return err
	}
	if err := s.removeStale(ctx); err != nil {
		return err
	}
	if err := s.launch(ctx, bin, cfg); err != nil {
		return err
	}
	return s.applyShims(ctx)
}

// removeStale removes postmaster.pid of a postmaster that has ended. Another process may have its process id now, which
// would keep PostgreSQL from starting. The lock busy is free, so no postmaster of this package runs; one started by
// hand may.
func (s *Server) removeStale(ctx context.Context) error {
	old := s.home.postmaster()
	if old.port != 0 {
		s.port = old.port
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		if s.login(ctx) == nil {
			return fmt.Errorf("somebody else has started PostgreSQL (process %d) on %s: stop that one first", old.pid, s.home.data())
		}
	}
	if err := os.Remove(s.home.postmasterFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// login logs in with our password, which no other PostgreSQL knows.
func (s *Server) login(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres", "postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// launch runs postgres on a free port and waits until a login succeeds.
func (s *Server) launch(ctx context.Context, bin binaries, cfg Config) error {
	for attempt := 1; ; attempt++ {
		port, err := freePort(cfg.Port)
		if err != nil {
			return err
		}
		s.port = port
		s.child, err = s.home.spawn(bin.command("postgres", arguments(s.home.data(), port, cfg.Settings)...))
		if err != nil {
			return err
		}
		err = s.ready(ctx)
		if err == nil {
			// From now on only PostgreSQL's processes hold this lock.
			return s.home.busy.Close()
		}
		lost := s.child.exited() && s.home.logContains("could not bind")
		if !lost || cfg.Port != 0 || attempt == portAttempts {
			return err
		}
	}
}

// arguments returns the command line for settings. The settings that keep the server private cannot be overridden.
func arguments(data string, port int, settings map[string]string) []string {
	all := map[string]string{"timezone": "UTC", "log_timezone": "UTC"}
	maps.Copy(all, settings)
	all["listen_addresses"] = "127.0.0.1"
	all["unix_socket_directories"] = "" // their paths are limited to 107 bytes
	all["logging_collector"] = "off"
	all["port"] = strconv.Itoa(port)
	args := []string{"-D", data}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		args = append(args, "-c", name+"="+all[name])
	}
	return args
}

// freePort checks that port is free, or asks the system for one.
func freePort(port int) (int, error) {
	listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return 0, fmt.Errorf("port %d is taken: stop what listens there, or let PostgreSQL have another port", port)
		}
		return 0, fmt.Errorf("port for PostgreSQL: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// ready waits until the postmaster on our data is our child and a login with our password succeeds. A listener on the
// port is not enough: it may be another PostgreSQL.
func (s *Server) ready(ctx context.Context) error {
	for {
		if s.child.exited() {
			return fmt.Errorf("PostgreSQL %s:\n%s", s.child.status(), s.home.logTail())
		}
		if now := s.home.postmaster(); now.pid == s.child.pid && now.status == "ready" {
			err := s.login(ctx)
			if err == nil {
				return nil
			}
			if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) && refused.Code != "57P03" { // cannot_connect_now
				return fmt.Errorf("log in to PostgreSQL: %w", err)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL is not ready: %w\n%s", context.Cause(ctx), s.home.logTail())
		case <-time.After(pollInterval):
		}
	}
}

// applyShims gives a cluster its roles and the schema auth, or what an older version of shims.sql did not give it, in one
// transaction.
func (s *Server) applyShims(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres", "postgres"))
	if err != nil {
		return fmt.Errorf("log in to PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var standby bool // which has what its primary has
	if err := conn.QueryRow(ctx, "select pg_is_in_recovery()").Scan(&standby); err != nil || standby {
		return err
	}
	// Several statements in a simple query are one transaction. The password is hexadecimal. Notices say that something
	// exists already.
	if _, err := conn.Exec(ctx, shims+";\nalter role authenticator password '"+s.passwords.Authenticator+"'"); err != nil {
		return fmt.Errorf("apply shims.sql: %w", err)
	}
	return nil
}

// Port returns the port on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// URL returns the connection string of a database for a role: "postgres" is the superuser, "authenticator" the API's
// login.
func (s *Server) URL(role, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(role),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     database,
		RawQuery: "sslmode=disable",
	}
	switch role {
	case "postgres":
		u.User = url.UserPassword(role, s.passwords.Superuser)
	case "authenticator":
		u.User = url.UserPassword(role, s.passwords.Authenticator)
	}
	return u.String()
}

// Stop stops PostgreSQL: open transactions are rolled back, everything committed is on disk. It may be called twice.
func (s *Server) Stop() error {
	return s.end(syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL)
}

// Kill ends PostgreSQL like a crash, so that tests see an outage.
func (s *Server) Kill() error {
	return s.end(syscall.SIGKILL)
}

// end sends the signals in turn until PostgreSQL and all its processes have ended.
func (s *Server) end(signals ...syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child != nil {
		for _, signal := range signals {
			if s.child.end(signal, stopTimeout) {
				break
			}
		}
		if !s.child.exited() {
			return fmt.Errorf("PostgreSQL (process %d) does not stop", s.child.pid)
		}
		s.child = nil
	}
	return s.home.close()
}

// Remove deletes a DataDir with its content, unless it is in use or was not created by this package. A missing one is
// no error.
func Remove(dataDir string) error {
	if _, err := os.Lstat(dataDir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	_, data := os.Stat(filepath.Join(dataDir, "data"))
	_, ours := os.Stat(filepath.Join(dataDir, "passwords"))
	if data == nil && errors.Is(ours, fs.ErrNotExist) {
		return fmt.Errorf("%s was not made by usergraph: it is not deleted", dataDir)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	home, err := openHome(ctx, Config{DataDir: dataDir, Temporary: true})
	if err != nil {
		return err
	}
	return home.close()
}

// tail returns the last lines of text.
func tail(text []byte, lines int) string {
	all := strings.Split(string(bytes.TrimSpace(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
