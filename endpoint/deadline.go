package endpoint

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// deadline is a context like that of context.WithTimeout, but lazy. It starts its timer and registers with its parent
// on the first call of Done, or of Err after the end. Most operations end before that.
type deadline struct {
	context.Context
	at    time.Time
	over  atomic.Bool // cancel was called
	mu    sync.Mutex
	timed atomic.Pointer[timed] // nil until wait is called; set with mu held
}

type timed struct {
	context.Context
	cancel context.CancelFunc
}

// withTimeout does what context.WithTimeout does, with a deadline.
func withTimeout(parent context.Context, timeout time.Duration) (_ context.Context, cancel context.CancelFunc) {
	d := &deadline{Context: parent, at: time.Now().Add(timeout)}
	return d, d.cancel
}

func (d *deadline) cancel() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over.Store(true)
	if t := d.timed.Load(); t != nil {
		t.cancel()
	}
}

// wait returns the context with the timer, and creates it if there is none.
func (d *deadline) wait() *timed {
	if t := d.timed.Load(); t != nil {
		return t
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.timed.Load(); t != nil {
		return t
	}
	ctx, cancel := context.WithDeadline(d.Context, d.at)
	if d.over.Load() {
		cancel()
	}
	t := &timed{ctx, cancel}
	d.timed.Store(t)
	return t
}

func (d *deadline) Deadline() (time.Time, bool) {
	if at, ok := d.Context.Deadline(); ok && at.Before(d.at) {
		return at, true
	}
	return d.at, true
}

func (d *deadline) Done() <-chan struct{} { return d.wait().Done() }

func (d *deadline) Err() error {
	if d.timed.Load() == nil && !d.over.Load() && d.Context.Err() == nil && time.Now().Before(d.at) {
		return nil
	}
	return d.wait().Err()
}

// Value lets package context find the context with the timer, so that child contexts need no goroutine to end with it.
func (d *deadline) Value(key any) any {
	if t := d.timed.Load(); t != nil {
		return t.Value(key)
	}
	return d.Context.Value(key)
}
