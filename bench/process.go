//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ticksPerSecond is the unit of /proc/PID/stat, USER_HZ: 100 on every architecture that Go supports.
const ticksPerSecond = 100

// process is a server under test with its children.
type process struct {
	cmd    *exec.Cmd
	output string // the file that it writes to: a pipe would cost it, and us, CPU
	ended  chan struct{}
}

// startProcess runs a command that dies with us.
func startProcess(ctx context.Context, dir string, env []string, command ...string) (*process, error) {
	output, err := os.CreateTemp(dir, "output-")
	if err != nil {
		return nil, err
	}
	defer output.Close()
	p := &process{exec.CommandContext(ctx, command[0], command[1:]...), output.Name(), make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = output, output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() {
		// Pdeathsig is sent when the thread ends that started the process.
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
			close(p.ended)
		}
	}()
	return p, <-started
}

// stop ends the process and its children.
func (p *process) stop() {
	children, _ := family(p.cmd.Process.Pid)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(3 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	for _, child := range children[1:] {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
}

// usage is what a process and its children have taken so far.
type usage struct {
	cpu time.Duration
	rss int64 // bytes
}

// usageOf adds up a process, its children that run, and its children that have ended.
func usageOf(pid int) (usage, error) {
	members, err := family(pid)
	if err != nil {
		return usage{}, err
	}
	var total usage
	for _, member := range members {
		own, err := clock(member)
		if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ESRCH) {
			continue // it has just ended: its parent counts it
		}
		if err != nil {
			return usage{}, fmt.Errorf("CPU of process %d: %w", member, err)
		}
		stat, err := readStat(member)
		if err != nil {
			continue
		}
		total.cpu += own + stat.ended
		total.rss += stat.rss
	}
	return total, nil
}

// clock reads the CPU clock of a process, all its threads included, in nanoseconds: /proc/PID/stat has the same in
// hundredths of a second, too coarse when it is rounded for each of many backends. See clock_getcpuclockid(3).
func clock(pid int) (time.Duration, error) {
	const schedulerClock = 2
	var t unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &t)
	return time.Duration(t.Nano()), err
}

// family lists a process and all its descendants, itself first.
func family(pid int) ([]int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, file := range files {
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if stat, err := readStat(id); err == nil {
			children[stat.parent] = append(children[stat.parent], id)
		}
	}
	members := []int{pid}
	for i := 0; i < len(members); i++ {
		members = append(members, children[members[i]]...)
	}
	return members, nil
}

// stat is what we want of /proc/PID/stat, proc(5).
type stat struct {
	parent int
	ended  time.Duration // CPU of children that were waited for
	rss    int64
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	// The second field, the name, may hold anything, parentheses and spaces too.
	_, rest, _ := strings.Cut(string(text[bytes.LastIndexByte(text, ')'):]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 22 {
		return stat{}, fmt.Errorf("/proc/%d/stat has only %d fields", pid, len(fields))
	}
	field := func(number int) int64 { // counted from 1, as in proc(5)
		n, _ := strconv.ParseInt(fields[number-3], 10, 64)
		return n
	}
	return stat{
		parent: int(field(4)),
		ended:  time.Duration(field(16)+field(17)) * time.Second / ticksPerSecond,
		rss:    field(24) * int64(os.Getpagesize()),
	}, nil
}

// lastLines shows how a process has failed.
func (p *process) lastLines() string {
	output, err := os.ReadFile(p.output)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	return strings.Join(slices.DeleteFunc(lines[max(0, len(lines)-15):], func(l string) bool { return l == "" }), "\n")
}
