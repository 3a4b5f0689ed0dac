package telemetry

import (
	"sync"
	"sync/atomic"
	"testing"
)

// A metric is looked up once, or a few times by concurrent calls, and all get the same one.
func TestLabelled(t *testing.T) {
	var asked atomic.Int64
	all := map[string]*int{"a": new(int), "b": new(int)}
	metrics := newLabelled(func(label string) *int {
		asked.Add(1)
		return all[label]
	})
	var many sync.WaitGroup
	for range 8 {
		many.Go(func() {
			for range 1000 {
				if metrics.of("a") != all["a"] || metrics.of("b") != all["b"] {
					t.Error("not the metric of the label")
				}
			}
		})
	}
	many.Wait()
	before := asked.Load()
	if before > 16 {
		t.Errorf("looked up %d times", before)
	}
	metrics.of("a")
	if asked.Load() != before {
		t.Error("looked up again")
	}
}
