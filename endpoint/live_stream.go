package endpoint

import (
	"context"
	"crypto/sha256"
	"sync"
)

// stream connects the resolver of a subscription with the transport that sends its responses. Every operation on a
// transport with streaming has one.
type stream struct {
	// ready is called once for each response that can be taken without blocking, and once for the end. It must not
	// block.
	ready func()
	// latestOnly reports whether responses are states, of which only the latest counts. The transport may then skip a
	// response that equals the last one, and the resolver calls ready.
	latestOnly bool

	mu    sync.Mutex
	err   error
	ended bool
	onEnd []func()
	// watched reports whether the resolver has called Watch.
	watched bool
	// last is the hash of the last response that was sent.
	last [sha256.Size]byte
}

type streamKey struct{}

func withStream(ctx context.Context, s *stream) context.Context {
	return context.WithValue(ctx, streamKey{}, s)
}

// streamFrom returns the stream of a subscription. Without a transport it returns a stream without a reader, which
// ends with ctx.
func streamFrom(ctx context.Context) *stream {
	if s, ok := ctx.Value(streamKey{}).(*stream); ok {
		return s
	}
	s := &stream{ready: func() {}}
	context.AfterFunc(ctx, s.end)
	return s
}

// fail stores the error that ends the subscription.
func (s *stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *stream) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// firstWatch reports whether it is called for the first time.
func (s *stream) firstWatch() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.watched
	s.watched = true
	return first
}

// onClose registers a function to call when the subscription ends. If it has ended, onClose calls the function.
func (s *stream) onClose(do func()) {
	s.mu.Lock()
	ended := s.ended
	if !ended {
		s.onEnd = append(s.onEnd, do)
	}
	s.mu.Unlock()
	if ended {
		do()
	}
}

// end ends the subscription and calls the registered functions. The transport calls it; a second call has no effect.
func (s *stream) end() {
	s.mu.Lock()
	all := s.onEnd
	s.ended, s.onEnd = true, nil
	s.mu.Unlock()
	for _, do := range all {
		do()
	}
}

// repeats reports whether a response equals the last one. It must not be called concurrently.
func (s *stream) repeats(answer []byte) bool {
	if !s.latestOnly {
		return false
	}
	sum := sha256.Sum256(answer)
	if sum == s.last {
		return true
	}
	s.last = sum
	return false
}
