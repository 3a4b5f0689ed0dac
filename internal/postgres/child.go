//go:build unix

package postgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// leash runs a command that ends when this process ends, even by SIGKILL. A watcher beside it reads from a pipe whose
// other end only this process holds. A line means that the command has ended; end of file means that this process has.
// The watcher is an orphan, because a postmaster would take a child for one of its own processes.
//
//	$1 the signal  $2 a folder to delete when postmaster.pid has gone, or empty  $3... the command
//	3  the pipe    4  the lock that PostgreSQL's processes hold
const leash = `
signal=$1 temporary=$2
shift 2
( (
	exec 4<&- </dev/null >/dev/null 2>&1
	read -r line <&3 && exit
	kill -s "$signal" $$
	[ -n "$temporary" ] || exit
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		sleep 0.1
		[ -e "$temporary/data/postmaster.pid" ] || break
	done
	rm -rf "$temporary"
) & )
exec "$@" 3<&-
`

// child is a process that leash runs. It needs no goroutine. It is not safe for concurrent use.
type child struct {
	pid    int
	pipe   *os.File
	result *syscall.WaitStatus // nil while it runs
}

// spawn runs a command as the account, with its output in the log. A session of its own keeps Ctrl-C from it.
func (h *home) spawn(command []string) (*child, error) {
	log, err := os.OpenFile(h.path("postgres.log"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer reader.Close()

	// A shutdown checkpoint is worth its time only if the data is kept.
	signal, temporary := "INT", ""
	if h.temporary {
		signal, temporary = "QUIT", h.dir
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", leash, "sh", signal, temporary}, command...)...)
	cmd.Dir = h.dir
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{reader, h.busy}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: h.account}
	if err := cmd.Start(); err != nil {
		writer.Close()
		return nil, fmt.Errorf("run %s: %w", command[0], err)
	}
	pid := cmd.Process.Pid
	return &child{pid: pid, pipe: writer}, cmd.Process.Release()
}

// environment returns this process's environment without variables that affect PostgreSQL: PGPORT and the like, and the
// language.
func environment() []string {
	env := []string{"LC_ALL=C"}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "PG") && !strings.HasPrefix(variable, "LC_") && !strings.HasPrefix(variable, "LANG") {
			env = append(env, variable)
		}
	}
	return env
}

// exited reports whether the child has ended, and records its status.
func (c *child) exited() bool {
	if c.result != nil {
		return true
	}
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(c.pid, &status, syscall.WNOHANG, nil)
	if pid != c.pid && err != syscall.ECHILD {
		return false
	}
	c.result = &status
	_, _ = c.pipe.WriteString("\n")
	c.pipe.Close()
	return true
}

// status describes how the child has ended.
func (c *child) status() string {
	if c.result.Signaled() {
		return fmt.Sprintf("was ended by signal %d (%s)", c.result.Signal(), c.result.Signal())
	}
	return fmt.Sprintf("ended with exit status %d", c.result.ExitStatus())
}

// wait returns when the child has ended, with an error if its exit status is not 0.
func (c *child) wait(ctx context.Context) error {
	for !c.exited() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pollInterval):
		}
	}
	if c.result.ExitStatus() != 0 {
		return fmt.Errorf("it %s", c.status())
	}
	return nil
}

// end sends a signal and reports whether the child has ended within timeout.
func (c *child) end(signal syscall.Signal, timeout time.Duration) bool {
	if c.exited() {
		return true
	}
	_ = syscall.Kill(c.pid, signal)
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	_ = c.wait(ctx)
	return c.exited()
}
