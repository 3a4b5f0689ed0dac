package app

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// How much garbage may pile up between two collections. Go's own rule, as much as lives, collects too often while little
// lives, and takes too much memory where thousands of sockets are open.
const (
	minGarbage        = 32 << 20 // bytes
	minGarbagePercent = 50       // of what lives
	// goMinLive is what Go takes for alive if less is: its first collection comes at this size times GOGC / 100, and more.
	goMinLive = 4 << 20
)

// tuneGC has the garbage collector run when there are 32 MiB of garbage, or half of what lives if that is more. GOGC in
// the environment wins, and GOMEMLIMIT bounds it all. https://go.dev/doc/gc-guide
func tuneGC() {
	if os.Getenv("GOGC") != "" {
		return
	}
	afterEachGC(func() {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		debug.SetGCPercent(gcPercent(live[0].Value.Uint64()))
	})
}

// gcPercent is GOGC while so many bytes live.
func gcPercent(live uint64) int {
	return int(max(minGarbage*100/max(live, goMinLive), minGarbagePercent))
}

// afterEachGC calls a function now, and again and again when something has become garbage that only a collection finds.
func afterEachGC(call func()) {
	call()
	runtime.AddCleanup(new([64]byte), afterEachGC, call)
}
