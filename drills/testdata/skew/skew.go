package time

import (
	"sync/atomic"
	"syscall"
)

// skew is by how many seconds the clock on the wall is wrong, as a file says. Go asks the kernel for the time without the
// C library, so that libfaketime cannot do this.
var skew atomic.Int64

func init() {
	name, found := syscall.Getenv("CLOCK_SKEW_FILE")
	if !found {
		return
	}
	// Not in Now, which the scheduler calls where nothing may wait.
	go func() {
		for ; ; Sleep(10 * Millisecond) {
			skew.Store(seconds(name))
		}
	}()
}

func seconds(file string) int64 {
	fd, err := open(file)
	if err != nil {
		return 0
	}
	defer closefd(fd)
	var text [20]byte
	n, err := read(fd, text[:])
	if err != nil {
		return 0
	}
	seconds, err := atoi(text[:n])
	if err != nil {
		return 0
	}
	return int64(seconds)
}
