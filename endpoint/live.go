package endpoint

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/uptrace/bun"

	"usergraph/database"
)

const (
	// liveReaders bounds the concurrent reads of changed rows. It is small, so that a burst of changes leaves the pool
	// to queries. One reader reads some thousand rows a second.
	liveReaders = 2
	// liveReadTimeout bounds one such read, and the first read of a subscription.
	liveReadTimeout = 10 * time.Second
	// liveRetry is the pause before a failed read is retried, ±50 %.
	liveRetry = 2 * time.Second
)

// watcher sends new states to subscribers. When a source changes it reads once for each caller and each thing asked, as
// that caller, and sends the result to all who have asked the same. Without changes it runs no goroutine.
type watcher struct {
	changes *database.Changes // nil: Watch returns database.ErrNotAnnounced
	log     *slog.Logger
	types   *answerTypes

	mu       sync.Mutex
	watches  map[watchKey]*watched
	queue    []*watched
	readers  int
	unshared uint64              // the number of keys that are nobody else's
	told     map[string]struct{} // the fields and tables of tellTable
}

// watchKey is the hash of all that a read depends on.
type watchKey [sha256.Size]byte

// watched is a read and its subscribers.
type watched struct {
	key     watchKey
	sources Sources
	read    func(context.Context) (any, error)
	unwatch func() // unregisters from changes

	// Guarded by watcher.mu.
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

func newWatcher(changes *database.Changes, log *slog.Logger) *watcher {
	return &watcher{changes: changes, log: log, watches: map[watchKey]*watched{}, told: map[string]struct{}{}}
}

// Watch returns a channel with the latest state of what read returns as the caller: the present state at once, then a
// state after each change of a source, until ctx ends. A state that was not received is replaced by the next one. Watch
// also works without a transport; the channel then stays open when ctx ends. A resolver returns the channel itself: the
// transport counts on one response for each state.
//
// Subscriptions share a read if the caller's role and claims, the document, its operation and the variables are the same.
// So read may depend on the caller, the arguments and the selection of the operation, but on nothing else of a request,
// such as a header.
//
// If the operation selects fields of a model that no source names, the whole table of that model is a source too: the
// fields of a state are resolved again with each state, as the caller. A table that is read in another way, such as for
// a number that a resolver counts, must be among the sources.
func Watch[T any](ctx context.Context, e *Engine, caller *Caller, sources Sources, read func(context.Context, bun.IDB) (T, error)) (<-chan T, error) {
	return watch(ctx, e, caller.Caller, sources, read)
}

// WatchPublic is Watch for rows that everybody may read, with one read for all callers of a role who ask the same. read
// runs with the caller's role, anon without a token, and with no claims: auth.uid() is null, so that it cannot show what
// only one caller may see. The fields of a state are resolved as the caller, as those of Watch.
func WatchPublic[T any](ctx context.Context, e *Engine, sources Sources, read func(context.Context, bun.IDB) (T, error)) (<-chan T, error) {
	everybody := database.Caller{Role: "anon", Claims: []byte("{}"), ReadOnly: true}
	if caller, err := CallerFrom(ctx); err == nil {
		everybody.Role = caller.Role
	}
	return watch(ctx, e, everybody, sources, read)
}

func watch[T any](ctx context.Context, e *Engine, caller database.Caller, sources Sources, readAs func(context.Context, bun.IDB) (T, error)) (<-chan T, error) {
	l, db := e.watcher, e.db.As(caller)
	read := func(ctx context.Context) (T, error) { return readAs(ctx, db) }
	if l.changes == nil {
		return nil, database.ErrNotAnnounced
	}
	sources = l.withSelected(ctx, e.db, sources, reflect.TypeFor[T]())
	if len(sources) == 0 {
		return nil, errors.New("endpoint: Watch has no source")
	}
	if err := l.changes.Check(sources); err != nil {
		return nil, err
	}
	s := &stateSubscriber[T]{latest: make(chan T, 1), stream: streamFrom(ctx)}
	w := l.join(l.keyOf(ctx, s.stream, caller, sources, reflect.ValueOf(readAs)), sources, s, func(ctx context.Context) (any, error) { return read(ctx) })
	s.stream.onClose(func() { l.leave(w, s) }) // also if read panics
	// Join before reading, so that no change is missed.
	revision := l.begin(w)
	reading, cancel := context.WithTimeout(ctx, liveReadTimeout)
	defer cancel()
	state, err := read(reading)
	if err != nil {
		l.leave(w, s)
		return nil, err
	}
	s.stream.latestOnly = true
	s.publish(revision, state)
	return s.latest, nil
}

// withSelected returns the sources, and the tables of the models that the operation selects and no source covers.
func (l *watcher) withSelected(ctx context.Context, db *database.DB, sources Sources, result reflect.Type) Sources {
	field := graphql.GetFieldContext(ctx)
	if field == nil {
		return sources // not in a resolver
	}
	named := sources
	for _, read := range l.types.of(result, field.Field.Selections) {
		table := db.RowsOfModel(read.model)
		if !named.covers(table.Table(), read.further) && !slices.Contains(sources, table) {
			sources = sources.And(Sources{table})
			l.tellTable(field.Field.Name, table.Table())
		}
	}
	return sources
}

// tellTable logs once that a subscription is read again after each change of a table.
func (l *watcher) tellTable(field, table string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.told[field+" "+table]; known {
		return
	}
	l.told[field+" "+table] = struct{}{}
	l.log.Warn("a subscription is read again after every change of a table: give endpoint.Watch the rows that it shows, endpoint.RowsOf",
		"field", field, "table", table)
}

// keyOf returns the key of a read. Only the first read of an operation of a transport is shared.
func (l *watcher) keyOf(ctx context.Context, s *stream, caller database.Caller, sources Sources, read reflect.Value) (key watchKey) {
	hash := sha256.New()
	add := func(part string) { fmt.Fprintf(hash, "%d %s", len(part), part) }
	if s.firstWatch() && graphql.HasOperationContext(ctx) {
		op := graphql.GetOperationContext(ctx)
		variables, err := json.Marshal(op.Variables)
		if err == nil {
			add(op.RawQuery)
			add(op.OperationName)
			add(string(variables))
			add(caller.Role)
			add(string(caller.Claims))
			// A resolver may choose between reads.
			fmt.Fprintf(hash, "%#v %d %v", sources, read.Pointer(), read.Type())
			return watchKey(hash.Sum(nil))
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unshared++
	fmt.Fprint(hash, l.unshared)
	return watchKey(hash.Sum(nil))
}

// join adds a subscriber to the read of a key.
func (l *watcher) join(key watchKey, sources Sources, s subscriber, read func(context.Context) (any, error)) *watched {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.watches[key]
	if w == nil {
		w = &watched{key: key, sources: sources, read: read}
		w.unwatch = l.changes.Watch(sources, func() { l.enqueue(w) })
		l.watches[key] = w
	}
	w.subscribers = append(w.subscribers, s)
	return w
}

// leave removes a subscriber. The last one removes the read.
func (l *watcher) leave(w *watched, s subscriber) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.subscribers = slices.DeleteFunc(w.subscribers, func(other subscriber) bool { return other == s })
	if len(w.subscribers) == 0 && l.watches[w.key] == w {
		delete(l.watches, w.key)
		w.unwatch()
	}
}

// begin returns the revision of a read that starts now.
func (l *watcher) begin(w *watched) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.revision++
	return w.revision
}

// enqueue schedules a read. Changes before that read begins are merged into one.
func (l *watcher) enqueue(w *watched) {
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

// refreshLoop runs queued reads until the queue is empty.
func (l *watcher) refreshLoop() {
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

// refresh reads again and publishes the state to the subscribers.
func (l *watcher) refresh(w *watched) {
	revision := l.begin(w)
	ctx, cancel := context.WithTimeout(context.Background(), liveReadTimeout)
	defer cancel()
	state, err := l.readAgain(ctx, w)
	if err != nil && isTemporary(err) {
		l.log.Warn("what a subscription shows could not be read, trying again", "table", w.sources[0].Table(), "error", err)
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

// readAgain reads, unless the changes of a source are not announced after all. It converts a panic into an error, which
// ends only the subscriptions to this read.
func (l *watcher) readAgain(ctx context.Context, w *watched) (state any, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			l.log.Error("panic", "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
			err = fmt.Errorf("reading %s panicked", w.sources[0].Table())
		}
	}()
	if err := l.changes.Check(w.sources); err != nil {
		return nil, err
	}
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
