//go:build unix

package postgres

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// sharedDir is the folder of the data if root works below a folder that no other account may enter, such as /root.
const sharedDir = "/var/lib/usergraph"

// leaveTimeout bounds the exit of an old PostgreSQL whose parent was killed.
const leaveTimeout = 20 * time.Second

// home is a DataDir that this process has locked:
//
//	lock           held by the process that uses the folder
//	busy           held by every process of PostgreSQL, so that a new start waits for the last one of the old
//	passwords      0600
//	postgres.log   of the last run
//	new/           a cluster that initdb has not finished
//	data/          the cluster
type home struct {
	link      string // DataDir as given; differs from dir if it is a link
	dir       string
	account   *syscall.Credential
	temporary bool
	lock      *os.File
	busy      *os.File
}

type passwords struct{ Superuser, Authenticator string }

// path joins a folder and a name.
func (h *home) path(name string) string { return filepath.Join(h.dir, name) }

func (h *home) data() string { return h.path("data") }

// openHome creates the folder if needed, and locks it.
func openHome(ctx context.Context, cfg Config) (*home, error) {
	link, err := filepath.Abs(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	h := &home{link: link, temporary: cfg.Temporary}
	if err := h.make(); err != nil {
		return nil, fmt.Errorf("folder for PostgreSQL: %w", err)
	}
	if err := h.acquire(ctx); err != nil {
		return nil, errors.Join(err, h.release())
	}
	return h, nil
}

// make finds or creates the folder, and decides which account owns the data.
func (h *home) make() (err error) {
	if _, err := os.Lstat(h.link); errors.Is(err, fs.ErrNotExist) {
		if err := h.create(); err != nil {
			return err
		}
	}
	if h.dir, err = filepath.EvalSymlinks(h.link); err != nil {
		return err
	}
	if h.account, err = accountFor(h.data()); err != nil {
		return err
	}
	if !reachable(h.dir, h.account) {
		return fmt.Errorf("%s cannot be entered by user %d, and PostgreSQL does not run as root: choose another folder, such as %s/data", h.dir, h.account.Uid, sharedDir)
	}
	if h.temporary && h.account != nil {
		// The watcher that deletes the folder runs as that account.
		return os.Chown(h.dir, int(h.account.Uid), int(h.account.Gid))
	}
	return nil
}

// create creates the folder; or, if PostgreSQL could not reach it, a link to one that it can.
func (h *home) create() error {
	parent := filepath.Dir(h.link)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	account, err := accountFor(h.link)
	if err != nil {
		return err
	}
	if reachable(parent, account) {
		return unlessExists(os.Mkdir(h.link, 0o711))
	}
	if err := os.MkdirAll(sharedDir, 0o755); err != nil {
		return err
	}
	elsewhere, err := os.MkdirTemp(sharedDir, "postgres-")
	if err != nil {
		return err
	}
	if err := os.Chmod(elsewhere, 0o711); err != nil {
		return err
	}
	if err := os.Symlink(elsewhere, h.link); err != nil {
		return errors.Join(unlessExists(err), os.Remove(elsewhere))
	}
	return nil
}

// unlessExists returns err, or nil if another process has created the same first.
func unlessExists(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// acquire locks the folder, then waits until the last PostgreSQL process has left it.
func (h *home) acquire(ctx context.Context) (err error) {
	if h.lock, err = openLock(h.path("lock")); err != nil {
		return err
	}
	if err := tryLock(h.lock); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			owner := "another process" // it may not have written its process id yet
			if pid, _ := os.ReadFile(h.lock.Name()); len(pid) > 0 {
				owner = "process " + string(bytes.TrimSpace(pid))
			}
			return fmt.Errorf("%s is in use by %s: stop that one first, or choose another folder, as with --data .usergraph/second", h.dir, owner)
		}
		return fmt.Errorf("lock %s: %w", h.lock.Name(), err)
	}
	if err := errors.Join(h.lock.Truncate(0), writeAt(h.lock, strconv.Itoa(os.Getpid())+"\n")); err != nil {
		return err
	}
	return h.waitForOld(ctx)
}

func (h *home) waitForOld(ctx context.Context) (err error) {
	if h.busy, err = openLock(h.path("busy")); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	if err := waitLock(ctx, h.busy); err != nil {
		return fmt.Errorf("an earlier PostgreSQL (process %d) still works on %s: stop it first (%w)", h.postmaster().pid, h.dir, err)
	}
	return nil
}

func writeAt(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

func openLock(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
}

func tryLock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// waitLock locks a file when it becomes free.
func waitLock(ctx context.Context, f *os.File) error {
	for {
		err := tryLock(f)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pollInterval):
		}
	}
}

// close unlocks the folder when every process of PostgreSQL has left it, and deletes it if it is temporary.
func (h *home) close() error {
	if h.lock == nil {
		return nil
	}
	h.busy.Close()
	err := h.waitForOld(context.Background())
	if err == nil && h.temporary {
		err = os.RemoveAll(h.dir)
		if h.link != h.dir {
			err = errors.Join(err, os.RemoveAll(h.link))
		}
	}
	return errors.Join(err, h.release())
}

func (h *home) release() error {
	if h.busy != nil {
		h.busy.Close()
	}
	h.lock.Close()
	h.lock, h.busy = nil, nil
	return nil
}

// cluster creates the cluster if needed, and returns its passwords.
func (h *home) cluster(ctx context.Context, bin binaries, noSync bool) (passwords, error) {
	if _, err := os.Stat(h.data()); errors.Is(err, fs.ErrNotExist) {
		return h.initialize(ctx, bin, noSync)
	}
	var p passwords
	text, err := os.ReadFile(h.path("passwords"))
	if err != nil {
		return passwords{}, fmt.Errorf("passwords of the cluster: %w", err)
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return passwords{}, fmt.Errorf("passwords of the cluster in %s: %w", h.path("passwords"), err)
	}
	return p, nil
}

// version returns the major version of the cluster, 0 if there is none.
func (h *home) version() (int, error) {
	text, err := os.ReadFile(filepath.Join(h.data(), "PG_VERSION"))
	if err != nil {
		if _, gone := os.Stat(h.data()); errors.Is(gone, fs.ErrNotExist) {
			return 0, nil
		}
		return 0, fmt.Errorf("%s is no cluster of PostgreSQL: %w", h.data(), err)
	}
	version, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("version of the cluster in %s: %w", h.data(), err)
	}
	return version, nil
}

// initialize runs initdb in new/, which becomes data/ when it is complete.
func (h *home) initialize(ctx context.Context, bin binaries, noSync bool) (passwords, error) {
	fail := func(err error) (passwords, error) { return passwords{}, fmt.Errorf("make a cluster: %w", err) }
	fresh := h.path("new")
	if err := os.RemoveAll(fresh); err != nil {
		return fail(err)
	}
	p := passwords{randomHex(), randomHex()}
	text, err := json.Marshal(p)
	if err != nil {
		return fail(err)
	}
	if err := os.WriteFile(h.path("passwords"), text, 0o600); err != nil {
		return fail(err)
	}
	pwfile := h.path("pwfile")
	defer os.Remove(pwfile)
	err = errors.Join(
		os.WriteFile(pwfile, []byte(p.Superuser+"\n"), 0o600), h.give(pwfile),
		os.Mkdir(fresh, 0o700), h.give(fresh))
	if err != nil {
		return fail(err)
	}
	args := []string{"-D", fresh, "--username=postgres", "--pwfile=" + pwfile, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"}
	if noSync {
		args = append(args, "--no-sync")
	}
	initdb, err := h.spawn(bin.command("initdb", args...))
	if err != nil {
		return fail(err)
	}
	if err := initdb.wait(ctx); err != nil {
		initdb.end(syscall.SIGKILL, stopTimeout)
		return fail(fmt.Errorf("initdb: %w\n%s", err, h.logTail()))
	}
	if err := os.Rename(fresh, h.data()); err != nil {
		return fail(err)
	}
	return p, nil
}

// give changes a file's owner to the account that PostgreSQL runs as.
func (h *home) give(name string) error {
	if h.account == nil {
		return nil
	}
	return os.Chown(name, int(h.account.Uid), int(h.account.Gid))
}

func randomHex() string {
	b := make([]byte, 24)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// postmaster is the content of postmaster.pid.
type postmaster struct {
	pid, port int
	status    string
}

func (h *home) postmasterFile() string { return filepath.Join(h.data(), "postmaster.pid") }

// postmaster parses the file. Missing values are zero.
func (h *home) postmaster() (p postmaster) {
	text, err := os.ReadFile(h.postmasterFile())
	if err != nil {
		return p
	}
	// The lines are: process id, folder, start time, port, socket, address, shared memory, status.
	lines := append(strings.Split(string(text), "\n"), make([]string, 8)...)
	p.pid, _ = strconv.Atoi(strings.TrimSpace(lines[0]))
	p.port, _ = strconv.Atoi(strings.TrimSpace(lines[3]))
	p.status = strings.TrimSpace(lines[7])
	return p
}

func (h *home) logTail() string {
	text, _ := os.ReadFile(h.path("postgres.log"))
	return tail(text, 20)
}

func (h *home) logContains(words string) bool {
	text, _ := os.ReadFile(h.path("postgres.log"))
	return bytes.Contains(text, []byte(words))
}
