package graph

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// operation is a query, a mutation or a subscription on a socket.
type operation struct {
	socket *socket
	id     string
	stream stream
	ctx    context.Context
	cancel context.CancelFunc
	// lasting says that it is a subscription. Under socket.mu.
	lasting bool

	responses graphql.ResponseHandler
	// pending counts the answers of a watched row that can be taken, and the start as one. Whoever makes it one takes them.
	pending atomic.Int32

	// mu is held while something is sent, so that nothing is sent once the operation is over.
	mu   sync.Mutex
	over bool
}

// start runs the operation. It returns when a query or a mutation is done; a watched row goes on without a goroutine,
// any other subscription with this one.
func (o *operation) start(params *graphql.RawParams) {
	defer o.socket.recover()
	exec := o.socket.exec
	ctx := withStream(o.ctx, &o.stream)
	operation, refusal := exec.prepare(ctx, params)
	if refusal != nil {
		o.fail(refusal.Errors)
		return
	}
	if operation.Operation.Operation == ast.Subscription {
		o.socket.mu.Lock()
		o.lasting = true
		o.socket.mu.Unlock()
		o.socket.settle()
	}
	o.responses, o.ctx = exec.run(ctx, operation)
	if o.stream.states {
		if o.pending.Add(-1) > 0 {
			o.take()
		}
		return
	}
	for o.next() {
	}
}

// ready is called by the stream.
func (o *operation) ready() {
	if o.pending.Add(1) == 1 {
		go func() {
			defer o.socket.recover()
			o.take()
		}()
	}
}

// take sends the answers that are there.
func (o *operation) take() {
	for o.next() && o.pending.Add(-1) > 0 {
	}
}

// next waits for an answer and sends it. It returns false after the last.
func (o *operation) next() bool {
	response := o.responses(o.ctx)
	switch {
	case response == nil && o.stream.failure() != nil:
		o.fail(o.socket.exec.fail(o.ctx, o.stream.failure()).Errors)
		return false
	case response == nil:
		o.last(message{Type: "complete"})
		return false
	case response.Data == nil && len(response.Errors) > 0:
		// Nothing was executed.
		o.fail(response.Errors)
		return false
	}
	payload := marshal(response)
	if o.stream.repeats(payload) {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.over && o.socket.send(message{ID: &o.id, Type: "next", Payload: payload}) == nil
}

// fail sends errors as the last message.
func (o *operation) fail(errs gqlerror.List) {
	payload, err := json.Marshal(errs)
	if err != nil {
		payload = []byte("[]")
	}
	o.last(message{Type: "error", Payload: payload})
}

// refuse answers instead of running the operation.
func (o *operation) refuse(refusal *gqlerror.Error) {
	defer o.socket.recover()
	payload, _ := json.Marshal(gqlerror.List{refusal})
	_ = o.socket.send(message{ID: &o.id, Type: "error", Payload: payload})
}

// last sends a message after which the id is free again.
func (o *operation) last(m message) {
	m.ID = &o.id
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return
	}
	o.over = true
	o.end()
	// Free before the client knows, who may use it again at once.
	if o.socket.forget(o) {
		_ = o.socket.send(m)
		o.socket.parted()
	}
}

// finish ends the operation without a message: the client has asked for it.
func (o *operation) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return
	}
	o.over = true
	o.end()
	if o.socket.forget(o) {
		o.socket.parted()
	}
}

// end gives back what the operation has. It may be called twice.
func (o *operation) end() {
	o.cancel()
	o.stream.end()
}
