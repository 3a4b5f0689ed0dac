package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"
)

// labelled finds metrics by the values of their labels. Prometheus takes a lock and hashes each value for that, for
// several metrics of every request. No entry is ever removed, so labels must have few values.
type labelled[K comparable, M any] struct {
	with  func(K) M // looks it up in Prometheus
	mu    sync.Mutex
	known atomic.Pointer[map[K]M] // replaced, never changed
}

func newLabelled[K comparable, M any](with func(K) M) *labelled[K, M] {
	l := &labelled[K, M]{with: with}
	l.known.Store(&map[K]M{})
	return l
}

func (l *labelled[K, M]) of(key K) M {
	if metric, ok := (*l.known.Load())[key]; ok {
		return metric
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	metric, more := l.with(key), maps.Clone(*l.known.Load())
	more[key] = metric
	l.known.Store(&more)
	return metric
}
