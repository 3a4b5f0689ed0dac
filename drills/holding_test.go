//go:build services

package drills_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// holding is what a server keeps while nobody asks it, after a garbage collection.
type holding struct {
	goroutines, files int
	heap              int // bytes
	resident          int // bytes; Go gives memory back to the system within minutes, so nothing is asserted of it
}

// What a server may hold more than before: caches that have filled a little, connections of the pool that have been
// opened meanwhile. A leak in any of the hundreds of requests of a drill is more.
const (
	moreGoroutines = 20
	moreFiles      = 20
	moreHeap       = 4 << 20
)

func (h holding) String() string {
	return fmt.Sprintf("%d goroutines, %d files, heap %.1f MB, resident %.0f MB", h.goroutines, h.files, float64(h.heap)/1e6, float64(h.resident)/1e6)
}

// holds asks the admin listener.
func (s *server) holds(t *testing.T) holding {
	t.Helper()
	client.CloseIdleConnections()
	for range 2 { // what was put aside for the next request goes with the second
		if err := getOK(s.admin + "/debug/pprof/heap?gc=1"); err != nil {
			t.Fatal(err)
		}
	}
	return holding{
		goroutines: s.metric(t, "go_goroutines"), files: s.metric(t, "process_open_fds"),
		heap: s.metric(t, "go_memstats_heap_alloc_bytes"), resident: s.metric(t, "process_resident_memory_bytes"),
	}
}

// letsGo wants a server to hold no more than before, at last.
func (s *server) letsGo(t *testing.T, before holding) {
	t.Helper()
	var now holding
	eventually(t, "everything is given back", func() error {
		now = s.holds(t)
		if now.goroutines > before.goroutines+moreGoroutines || now.files > before.files+moreFiles || now.heap > before.heap+moreHeap {
			return fmt.Errorf("%s, and before %s", now, before)
		}
		return nil
	})
	t.Logf("before: %s; afterwards: %s", before, now)
}

// leavesNothing wants a second crowd of clients to leave no more behind than the first.
func (s *server) leavesNothing(t *testing.T, crowd func()) {
	t.Helper()
	crowd()
	eventually(t, "all have gone", func() error {
		if files := s.metric(t, "process_open_fds"); files > 100 {
			return fmt.Errorf("%d files", files)
		}
		return nil
	})
	before := s.holds(t)
	crowd()
	s.letsGo(t, before)
}

// metric reads a metric, its labels included in the name.
func (s *server) metric(t *testing.T, name string) int {
	t.Helper()
	answer, err := client.Get(s.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatal("/metrics: ", answer.Status)
	}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			return int(value)
		}
	}
	t.Fatalf("no metric %s: %v", name, lines.Err())
	return 0
}
