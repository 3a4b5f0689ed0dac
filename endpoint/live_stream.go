package endpoint

import (
	"context"
	"crypto/sha256"
	"sync"
)

// stream is what a resolver of a subscription and the transport that sends its answers tell each other. Every operation
// on a transport that can stream has one.
type stream struct {
	// ready is called once for each answer that can be taken without waiting, and once for the end. It does not wait.
	ready func()
	// states says that answers are states: one that equals the last need not be sent. The resolver calls ready then.
	states bool

	mu    sync.Mutex
	err   error
	ended bool
	onEnd []func()
	// last is the hash of the last answer that was sent.
	last [sha256.Size]byte
}

type streamKey struct{}

func withStream(ctx context.Context, s *stream) context.Context {
	return context.WithValue(ctx, streamKey{}, s)
}

// streamFrom returns the stream of a subscription. Without a transport it is one that nobody reads, which ends with ctx.
func streamFrom(ctx context.Context) *stream {
	if s, ok := ctx.Value(streamKey{}).(*stream); ok {
		return s
	}
	s := &stream{ready: func() {}}
	context.AfterFunc(ctx, s.end)
	return s
}

// fail keeps why a subscription ends.
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

// whenEnded has a function called when the subscription ends, or at once if it has.
func (s *stream) whenEnded(do func()) {
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

// end is called by the transport when the subscription ends. It may be called twice.
func (s *stream) end() {
	s.mu.Lock()
	all := s.onEnd
	s.ended, s.onEnd = true, nil
	s.mu.Unlock()
	for _, do := range all {
		do()
	}
}

// repeats tells whether an answer is what was sent last. Only one goroutine at a time sends.
func (s *stream) repeats(answer []byte) bool {
	if !s.states {
		return false
	}
	sum := sha256.Sum256(answer)
	if sum == s.last {
		return true
	}
	s.last = sum
	return false
}
