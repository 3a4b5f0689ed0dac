package endpoint

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"usergraph/database"
)

const (
	// liveReaders bounds the concurrent reads of changed rows. It is small, so that a burst of changes leaves the pool
	// to queries. One reader reads some thousand rows a second.
	liveReaders = 2
	// liveReadTimeout bounds one such read.
	liveReadTimeout = 10 * time.Second
	// liveRetry is the pause before a failed read is retried, ±50 %.
	liveRetry = 2 * time.Second
)

// rowWatcher sends changed rows to subscribers. It reads a changed row once for each caller that watches it, as that
// caller, and sends the result to all of the caller's subscribers. Without changes it runs no goroutine.
type rowWatcher struct {
	changes *database.Changes // nil: Watch returns database.ErrNotAnnounced
	log     *slog.Logger

	mu      sync.Mutex
	watches map[watchKey]*watchedRow
	queue   []*watchedRow
	readers int
}

// watchKey identifies a row and the caller that reads it. Callers with the same role and the same claims read the
// same.
type watchKey struct {
	row    database.Row
	role   string
	claims [sha256.Size]byte
}

// watchedRow is a row and the subscribers of one caller.
type watchedRow struct {
	key     watchKey
	read    func(context.Context) (any, error)
	unwatch func() // unregisters from changes

	// Guarded by rowWatcher.mu.
	subscribers []subscriber
	queued      bool
	revision    uint64 // of the last read that was started
}

// subscriber receives the results of reads.
type subscriber interface {
	// publish sends a state. It is ignored if a later revision was published before.
	publish(revision uint64, state any)
	// fail ends the subscription.
	fail(err error)
}

func newRowWatcher(changes *database.Changes, log *slog.Logger) *rowWatcher {
	return &rowWatcher{changes: changes, log: log, watches: map[watchKey]*watchedRow{}}
}

// Watch returns a channel with the latest state of a row as the caller sees it: the present state at once, then a
// state after each change, until ctx ends. A state that was not received is replaced by the next one. Watch also works
// without a transport; the channel then stays open when ctx ends. A resolver
// returns the channel itself: the transport counts on one response for each state.
//
// readAs must depend on the caller and the row alone, because subscribers share its result.
func Watch[T any](ctx context.Context, e *Engine, caller *Caller, row database.Row, readAs func(context.Context, bun.IDB) (T, error)) (<-chan T, error) {
	l, db := e.watcher, e.As(caller)
	read := func(ctx context.Context) (T, error) { return readAs(ctx, db) }
	if l.changes == nil {
		return nil, database.ErrNotAnnounced
	}
	if err := l.changes.Err(); errors.Is(err, database.ErrNotAnnounced) {
		return nil, err
	}
	s := &stateSubscriber[T]{latest: make(chan T, 1), stream: streamFrom(ctx)}
	key := watchKey{row, caller.Role, sha256.Sum256(caller.Claims)}
	w := l.join(key, s, func(ctx context.Context) (any, error) { return read(ctx) })
	s.stream.onClose(func() { l.leave(w, s) }) // also if read panics
	// Join before reading, so that no change is missed.
	revision := l.begin(w)
	state, err := read(ctx)
	if err != nil {
		l.leave(w, s)
		return nil, err
	}
	s.stream.latestOnly = true
	s.publish(revision, state)
	return s.latest, nil
}

// join adds a subscriber to the watched row of a key.
func (l *rowWatcher) join(key watchKey, s subscriber, read func(context.Context) (any, error)) *watchedRow {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.watches[key]
	if w == nil {
		w = &watchedRow{key: key, read: read}
		w.unwatch = l.changes.Watch(key.row, func() { l.enqueue(w) })
		l.watches[key] = w
	}
	w.subscribers = append(w.subscribers, s)
	return w
}

// leave removes a subscriber. The last one removes the watched row.
func (l *rowWatcher) leave(w *watchedRow, s subscriber) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.subscribers = slices.DeleteFunc(w.subscribers, func(other subscriber) bool { return other == s })
	if len(w.subscribers) == 0 && l.watches[w.key] == w {
		delete(l.watches, w.key)
		w.unwatch()
	}
}

// begin returns the revision of a read that starts now.
func (l *rowWatcher) begin(w *watchedRow) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.revision++
	return w.revision
}

// enqueue schedules a read of a row. Changes before that read begins are merged into one.
func (l *rowWatcher) enqueue(w *watchedRow) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.queued || len(w.subscribers) == 0 {
		return
	}
	w.queued = true
	l.queue = append(l.queue, w)
	if l.readers < liveReaders {
		l.readers++
		go l.refreshLoop()
	}
}

// refreshLoop reads queued rows until the queue is empty.
func (l *rowWatcher) refreshLoop() {
	for {
		l.mu.Lock()
		if len(l.queue) == 0 {
			l.queue = nil
			l.readers--
			l.mu.Unlock()
			return
		}
		w := l.queue[0]
		l.queue = l.queue[1:]
		w.queued = false
		l.mu.Unlock()
		l.refresh(w)
	}
}

// refresh reads a row as its caller and publishes it to the subscribers.
func (l *rowWatcher) refresh(w *watchedRow) {
	revision := l.begin(w)
	ctx, cancel := context.WithTimeout(context.Background(), liveReadTimeout)
	defer cancel()
	state, err := l.readAgain(ctx, w)
	if err != nil && isTemporary(err) {
		l.log.Warn("a watched row could not be read, trying again", "table", w.key.row.Table, "error", err)
		time.AfterFunc(liveRetry/2+rand.N(liveRetry), func() { l.enqueue(w) })
		return
	}
	l.mu.Lock()
	subscribers := slices.Clone(w.subscribers)
	l.mu.Unlock()
	for _, s := range subscribers {
		if err != nil {
			s.fail(err)
		} else {
			s.publish(revision, state)
		}
	}
}

// readAgain reads a row. It converts a panic into an error, which ends only the subscriptions to this row.
func (l *rowWatcher) readAgain(ctx context.Context, w *watchedRow) (state any, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			l.log.Error("panic", "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
			err = fmt.Errorf("reading %s panicked", w.key.row.Table)
		}
	}()
	return w.read(ctx)
}

// isTemporary reports whether a failed read may succeed later.
func isTemporary(err error) bool {
	return errors.Is(err, database.ErrUnavailable) || errors.Is(err, database.ErrTimeout) || errors.Is(err, context.DeadlineExceeded)
}

// stateSubscriber holds the latest state until gqlgen receives it.
type stateSubscriber[T any] struct {
	latest chan T // capacity 1
	stream *stream

	mu       sync.Mutex
	revision uint64
	failed   bool
}

func (s *stateSubscriber[T]) publish(revision uint64, state any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed || revision <= s.revision {
		return
	}
	s.revision = revision
	replaced := false
	select {
	case <-s.latest:
		replaced = true
	default:
	}
	s.latest <- state.(T)
	if !replaced {
		s.stream.ready()
	}
}

func (s *stateSubscriber[T]) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed {
		return
	}
	s.failed = true
	s.stream.fail(err)
	close(s.latest)
	s.stream.ready()
}
