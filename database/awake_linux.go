package database

import (
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// waitAwake waits until the other side says something, for about atMost, without going to sleep. Goroutines that can run
// and processes that want this CPU get it first: one of them may be PostgreSQL. With one P there is nobody but who waits
// to see that a request has come in, and so nobody waits awake.
func waitAwake(socket syscall.RawConn, atMost time.Duration) {
	if socket == nil || runtime.GOMAXPROCS(0) == 1 {
		return
	}
	until := time.Now().Add(atMost)
	_ = socket.Read(func(fd uintptr) bool {
		// Unlike reading, polling does not lock the socket, which PostgreSQL is about to write to.
		input := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for time.Now().Before(until) {
			if ready, err := unix.Poll(input, 0); ready != 0 || err != nil {
				break
			}
			runtime.Gosched()
			_, _, _ = syscall.Syscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
		}
		return true
	})
}
