package app

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

// The collector follows the live heap: relatively more garbage beside a small heap, less beside a large one.
func TestTuneGC(t *testing.T) {
	t.Setenv("GOGC", "")
	tuneGC()
	percent := func() uint64 {
		runtime.GC()
		sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	until := func(what string, reached func(uint64) bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !reached(percent()); {
			if time.Now().After(deadline) {
				t.Fatalf("GOGC is %d, not %s", percent(), what)
			}
			time.Sleep(time.Millisecond)
		}
	}
	until("more than 100 while little lives", func(p uint64) bool { return p > 100 })
	much := make([]byte, 512<<20)
	until("50 while much lives", func(p uint64) bool { return p == minGarbagePercent })
	runtime.KeepAlive(much)
	much = nil
	until("more than 100 again", func(p uint64) bool { return p > 100 })
}

func TestGCPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 800, 8 << 20: 400, 32 << 20: 100, 64 << 20: 50, 1 << 30: 50} {
		if got := gcPercent(live, minGarbage); got != want {
			t.Errorf("GOGC with %d bytes alive: %d, not %d", live, got, want)
		}
	}
	if got := gcPercent(0, 14<<20); got != 350 {
		t.Errorf("GOGC with 14 MiB of garbage: %d", got)
	}
}
