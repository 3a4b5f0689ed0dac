package app

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The garbage that may accumulate between two collections. Go's rule allows as much as the live heap: it collects too
// often while the heap is small, and uses too much memory while thousands of sockets are open.
const (
	minGarbage        = 32 << 20 // bytes
	minGarbageShare   = 16       // but at most this part of GOMEMLIMIT: a flood must not fill a small machine with garbage
	minGarbagePercent = 50       // of the live heap
	// goMinLive is Go's smallest live heap: the first collection comes at this size times GOGC / 100.
	goMinLive = 4 << 20
)

// tuneGC makes the garbage collector run at 32 MiB of garbage or a sixteenth of GOMEMLIMIT, whichever is less, or at half
// the live heap if that is more. GOGC in the environment takes precedence, and GOMEMLIMIT still applies.
// https://go.dev/doc/gc-guide
func tuneGC() {
	if os.Getenv("GOGC") != "" {
		return
	}
	garbage := uint64(min(minGarbage, debug.SetMemoryLimit(-1)/minGarbageShare))
	afterEachGC(func() {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		debug.SetGCPercent(gcPercent(live[0].Value.Uint64(), garbage))
	})
}

// gcPercent returns GOGC for a live heap and an amount of garbage, both in bytes.
func gcPercent(live, garbage uint64) int {
	return int(max(garbage*100/max(live, goMinLive), minGarbagePercent))
}

// afterEachGC calls a function now and after each garbage collection.
func afterEachGC(call func()) {
	call()
	runtime.AddCleanup(new([64]byte), afterEachGC, call)
}
