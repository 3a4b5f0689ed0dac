package graph

import (
	"context"
	"crypto/sha256"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// stream is what a resolver of a subscription and the transport that sends its answers tell each other. Every operation
// on a transport that can stream has one.
type stream struct {
	// ready is called once for each answer that can be taken without waiting, and once for the end. It does not wait.
	ready func()
	// states says that answers are states: one that equals the last need not be sent. The resolver calls ready then.
	states bool

	mu  sync.Mutex
	err error
	// last is the hash of the last answer that was sent.
	last [sha256.Size]byte
}

type streamKey struct{}

func withStream(ctx context.Context, s *stream) context.Context {
	return context.WithValue(ctx, streamKey{}, s)
}

// streamFrom returns the stream of a subscription. The transports that answer once refuse subscriptions.
func streamFrom(ctx context.Context) *stream {
	return ctx.Value(streamKey{}).(*stream)
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

// subscriptions refuses those of several fields, of which the validation counts two aliases of one as one. It is a gqlgen extension.
type subscriptions struct{}

func (subscriptions) ExtensionName() string                          { return "Subscriptions" }
func (subscriptions) Validate(schema graphql.ExecutableSchema) error { return nil }

func (subscriptions) MutateOperationContext(ctx context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	if operation.Operation.Operation != ast.Subscription {
		return nil
	}
	if fields := graphql.CollectFields(operation, operation.Operation.SelectionSet, []string{"Subscription"}); len(fields) != 1 {
		return refusef(CodeValidationFailed, "a subscription has exactly one field")
	}
	return nil
}
