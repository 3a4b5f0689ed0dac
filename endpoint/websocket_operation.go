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

// socketOperation is a query, a mutation or a subscription on a socket.
type socketOperation struct {
	socket *socket
	id     string
	stream stream
	ctx    context.Context
	cancel context.CancelFunc
	// lasting reports whether the operation is a subscription. Guarded by socket.mu.
	lasting bool

	responses graphql.ResponseHandler
	// pending counts the responses of a watched row that were not written yet, and the start as one. The goroutine
	// that raises it from 0 to 1 sends one; each written response starts the next.
	pending atomic.Int32

	// mu guards over, and is held while a message is queued: no message follows the last one.
	mu   sync.Mutex
	over bool
}

// start runs the operation. For a query or a mutation it returns at the end, for a watched row after the start, and
// for any other subscription at the end: only the latter keeps this goroutine.
func (o *socketOperation) start(params *graphql.RawParams, who quotaKey) {
	exec := o.socket.exec
	started := sync.OnceFunc(func() { exec.starting.release(who) })
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
		o.socket.closeIfIdle()
	}
	o.responses, o.ctx = exec.run(ctx, operation)
	switch {
	case o.stream.latestOnly:
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

// ready counts a response, and sends it if no other is being sent. The stream calls it.
func (o *socketOperation) ready() {
	if o.pending.Add(1) == 1 {
		go o.take()
	}
}

// take sends a response that is available.
func (o *socketOperation) take() {
	defer o.recover()
	o.next(o.taken)
}

// taken uncounts a response and sends the next one, if it is available.
func (o *socketOperation) taken() {
	if o.pending.Add(-1) > 0 {
		go o.take()
	}
}

// recover limits a panic to this operation.
func (o *socketOperation) recover() {
	if panicked := recover(); panicked != nil {
		exec := o.socket.exec
		o.fail(exec.fail(o.ctx, exec.presenter.recovered(o.ctx, panicked)).Errors)
	}
}

// next waits for a response and sends it. It calls written when the response is written or skipped. It returns false
// after the last response.
func (o *socketOperation) next(written func()) bool {
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
func (o *socketOperation) fail(errs gqlerror.List) {
	payload, err := json.Marshal(errs)
	if err != nil {
		payload = []byte("[]")
	}
	o.last(message{Type: "error", Payload: payload})
}

// last ends the operation with a message and frees its id.
func (o *socketOperation) last(m message) {
	m.ID = &o.id
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return
	}
	o.over = true
	o.end()
	// Free the id before sending: the client may reuse it at once.
	if o.socket.forget(o) {
		_ = o.socket.send(m, nil)
		o.socket.finished()
	}
}

// finish ends the operation without a message, at the client's request.
func (o *socketOperation) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return
	}
	o.over = true
	o.end()
	if o.socket.forget(o) {
		o.socket.finished()
	}
}

// end releases the resources of the operation. It may be called twice.
func (o *socketOperation) end() {
	o.cancel()
	o.stream.end()
}
