package endpoint

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
	// pending counts the answers of a watched row that can be taken or are not written yet, and the start as one. One answer
	// at a time is taken, and the next when it is written.
	pending atomic.Int32

	// mu is held while something is put into the queue, so that nothing is once the operation is over.
	mu   sync.Mutex
	over bool
}

// start runs the operation. It returns when a query or a mutation is done; a watched row goes on without a goroutine,
// any other subscription with this one.
func (o *operation) start(params *graphql.RawParams, who runner) {
	exec := o.socket.exec
	started := sync.OnceFunc(func() { exec.starting.leave(who) })
	defer started()
	defer o.recover()
	ctx := withStream(o.ctx, &o.stream)
	operation, refusal := exec.prepare(ctx, params)
	if refusal != nil {
		o.fail(refusal.Errors)
		return
	}
	lasting := operation.Operation.Operation == ast.Subscription
	if lasting {
		o.socket.mu.Lock()
		o.lasting = true
		o.socket.mu.Unlock()
		o.socket.settle()
	}
	o.responses, o.ctx = exec.run(ctx, operation)
	switch {
	case o.stream.states:
		o.taken()
	case lasting:
		started()
		written := make(chan struct{}, 1)
		for o.next(func() { written <- struct{}{} }) {
			select {
			case <-written:
			case <-o.ctx.Done():
			}
		}
	default:
		for o.next(nil) {
		}
	}
}

// ready is called by the stream.
func (o *operation) ready() {
	if o.pending.Add(1) == 1 {
		go o.take()
	}
}

// take sends an answer that is there.
func (o *operation) take() {
	defer o.recover()
	o.next(o.taken)
}

// taken goes on to the next answer, if it is there.
func (o *operation) taken() {
	if o.pending.Add(-1) > 0 {
		go o.take()
	}
}

// recover keeps a panic in the operation from ending anything else.
func (o *operation) recover() {
	if panicked := recover(); panicked != nil {
		exec := o.socket.exec
		o.fail(exec.fail(o.ctx, exec.presenter.recovered(o.ctx, panicked)).Errors)
	}
}

// next waits for an answer and sends it; written is called when it is written, or needs not be. It returns false after the
// last.
func (o *operation) next(written func()) bool {
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
		written()
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.over && o.socket.send(message{ID: &o.id, Type: "next", Payload: payload}, written) == nil
}

// fail sends errors as the last message.
func (o *operation) fail(errs gqlerror.List) {
	payload, err := json.Marshal(errs)
	if err != nil {
		payload = []byte("[]")
	}
	o.last(message{Type: "error", Payload: payload})
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
		_ = o.socket.send(m, nil)
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
