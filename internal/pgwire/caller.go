package pgwire

import (
	"context"
	"errors"
	"time"
)

// Caller is who a statement runs as.
type Caller struct {
	Role     string
	Claims   []byte // a JSON object
	Subject  string // the claim sub, if there is one
	ReadOnly bool
	Timeout  time.Duration // of a statement; 0 for none but the operation's and the role's
	Err      error         // why no statement may run
}

// WithCaller returns the context with which a statement comes to the driver through database/sql.
func WithCaller(ctx context.Context, caller *Caller) context.Context {
	return &statementContext{ctx, caller}
}

// WithTxCaller returns ctx with the caller of a transaction, which database/sql rolls back when ctx ends.
func WithTxCaller(ctx context.Context, caller *Caller) context.Context {
	return context.WithValue(ctx, contextKey{}, &statementContext{ctx, caller})
}

// contextKey finds the scope of a statement in its context.
type contextKey struct{}

// statementContext is the context in which a statement comes to the driver: it brings the caller, and holds the statement's own
// context. It never ends itself, or database/sql would start a goroutine for each statement to wait for that; there is
// nothing to end, because a result is whole when it is returned.
type statementContext struct {
	context.Context
	caller *Caller
}

func (*statementContext) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }
func (*statementContext) Done() <-chan struct{}                   { return nil }
func (*statementContext) Err() error                              { return nil }

func (s *statementContext) Value(key any) any {
	if key == (contextKey{}) {
		return s
	}
	return s.Context.Value(key)
}

// fromContext returns what a statement's context brings, or an error if it may not run.
func fromContext(ctx context.Context) (*statementContext, error) {
	found, ok := ctx.Value(contextKey{}).(*statementContext)
	if !ok {
		return nil, errors.New("a statement without a caller")
	}
	return found, found.caller.Err
}
