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
	// liveReaders is how many rows are read again at the same time: few, so that a burst of changes leaves the pool to
	// queries. One reads some thousand rows a second.
	liveReaders = 2
	// liveReadTimeout is how long such a read may take.
	liveReadTimeout = 10 * time.Second
	// liveRetry is when a read that failed for a passing reason is tried again, give or take a half.
	liveRetry = 2 * time.Second
)

// live lets subscribers watch rows: when one changes, it is read again once for each caller who watches it, as that
// caller, and given to all of that caller's subscribers. Nothing runs while nothing changes.
type live struct {
	changes *database.Changes // nil if nobody announces changes
	log     *slog.Logger

	mu      sync.Mutex
	watches map[watchKey]*watch
	queue   []*watch
	readers int
}

// watchKey is a row in the eyes of a caller. Whoever has the same role and the same claims sees the same.
type watchKey struct {
	row    database.Row
	role   string
	claims [sha256.Size]byte
}

// watch is a row that is watched by a caller.
type watch struct {
	key    watchKey
	read   func(context.Context) (any, error)
	ignore func() // the changes, from now on

	// Under live.mu.
	subscribers []subscriber
	queued      bool
	turn        uint64 // of the last read that has begun
}

// subscriber is who gets what was read.
type subscriber interface {
	// offer gives the state that was read in a turn, and is ignored if a later one has come already.
	offer(turn uint64, state any)
	// fail ends the subscription.
	fail(err error)
}

func newLive(changes *database.Changes, log *slog.Logger) *live {
	return &live{changes: changes, log: log, watches: map[watchKey]*watch{}}
}

// Watch returns a channel with the latest state of a row as caller sees it: the present one at once, then one for each
// change, until ctx ends. A state that nobody has taken yet is replaced by the next. It needs no transport: without one,
// the channel is not closed when ctx ends. A resolver returns the channel as it is: the transport counts on an answer for
// each state.
//
// read must depend on nothing but the caller and the row, because subscribers share what it returns.
func Watch[T any](ctx context.Context, e *Engine, caller *Caller, row database.Row, readAs func(context.Context, bun.IDB) (T, error)) (<-chan T, error) {
	l, db := e.live, e.As(caller)
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
	s.stream.whenEnded(func() { l.leave(w, s) }) // also if read panics
	// Read after joining: what changes from here on is heard.
	turn := l.begin(w)
	state, err := read(ctx)
	if err != nil {
		l.leave(w, s)
		return nil, err
	}
	s.stream.states = true
	s.offer(turn, state)
	return s.latest, nil
}

// join adds a subscriber to the watch of a key.
func (l *live) join(key watchKey, s subscriber, read func(context.Context) (any, error)) *watch {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.watches[key]
	if w == nil {
		w = &watch{key: key, read: read}
		w.ignore = l.changes.Watch(key.row, func() { l.enqueue(w) })
		l.watches[key] = w
	}
	w.subscribers = append(w.subscribers, s)
	return w
}

// leave removes a subscriber, and the watch with its last one.
func (l *live) leave(w *watch, s subscriber) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.subscribers = slices.DeleteFunc(w.subscribers, func(other subscriber) bool { return other == s })
	if len(w.subscribers) == 0 && l.watches[w.key] == w {
		delete(l.watches, w.key)
		w.ignore()
	}
}

// begin returns the turn of a read that begins now.
func (l *live) begin(w *watch) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.turn++
	return w.turn
}

// enqueue has a row read again. Changes that come while it waits for that are one.
func (l *live) enqueue(w *watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.queued || len(w.subscribers) == 0 {
		return
	}
	w.queued = true
	l.queue = append(l.queue, w)
	if l.readers < liveReaders {
		l.readers++
		go l.work()
	}
}

// work reads rows again until there are none left to read.
func (l *live) work() {
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

// refresh reads a row as its caller and gives it to the subscribers.
func (l *live) refresh(w *watch) {
	turn := l.begin(w)
	ctx, cancel := context.WithTimeout(context.Background(), liveReadTimeout)
	defer cancel()
	state, err := l.readAgain(ctx, w)
	if err != nil && passes(err) {
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
			s.offer(turn, state)
		}
	}
}

// readAgain reads a row. A panic ends its subscriptions, and nothing else.
func (l *live) readAgain(ctx context.Context, w *watch) (state any, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			l.log.Error("panic", "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
			err = fmt.Errorf("reading %s panicked", w.key.row.Table)
		}
	}()
	return w.read(ctx)
}

// passes tells whether a read may succeed later.
func passes(err error) bool {
	return errors.Is(err, database.ErrUnavailable) || errors.Is(err, database.ErrTimeout) || errors.Is(err, context.DeadlineExceeded)
}

// stateSubscriber keeps the latest state for gqlgen to take.
type stateSubscriber[T any] struct {
	latest chan T // holds one
	stream *stream

	mu     sync.Mutex
	turn   uint64
	failed bool
}

func (s *stateSubscriber[T]) offer(turn uint64, state any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed || turn <= s.turn {
		return
	}
	s.turn = turn
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
