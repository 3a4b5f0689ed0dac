package endpoint

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"usergraph/auth"
)

// eventStream is the media type of server-sent events.
const eventStream = "text/event-stream"

// availableResponses bounds the calls of stream.ready that a transport has not acted on: one for a state, which later
// states replace, and one for the end.
const availableResponses = 2

// sseTransport sends the responses of an operation as server-sent events, in the distinct connections mode of
// https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md.
type sseTransport struct {
	log         *slog.Logger
	connections *connections
	sessions    *sessions
	limits      *Limits
	held        *held
	timeouts    timeouts
}

// Supports requires text/event-stream as the first media type of Accept. Clients that prefer JSON list it later.
func (t *sseTransport) Supports(r *http.Request) bool { return wantsEventStream(r) }

func wantsEventStream(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	return r.Method == http.MethodPost && mediaType(first) == eventStream && mediaType(r.Header.Get("Content-Type")) == mediaJSON
}

// Do sends events until the operation, the token or the connection ends.
func (t *sseTransport) Do(w http.ResponseWriter, r *http.Request, exec *executor) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s, leave, err := t.join(w, r)
	if err != nil {
		refuseConnection(w, r, err)
		return
	}
	defer leave()

	bounds := t.limits.of(ctx)
	header, refusal := t.held.begin(r)
	if refusal != nil {
		refuseBody(w, r, http.StatusServiceUnavailable, refusal)
		return
	}
	defer header.release()
	var body bytes.Buffer
	reading := &holding{held: t.held, who: header.who}
	defer reading.release()
	if refusal, status := readBody(&body, w, r, bounds.BodyBytes, reading); refusal != nil {
		refuseBody(w, r, status, refusal)
		return
	}
	t.begin(ctx, s)

	answers := make(chan []byte)
	go t.run(ctx, exec, body.Bytes(), reading, answers)
	// The connection counts until its operation has ended, even if the client disconnects before.
	defer func() {
		cancel()
		for range answers {
		}
	}()
	switch err := t.forward(ctx, s, answers, s.next); {
	case err == nil:
		s.complete()
	case s.err != nil:
		t.log.WarnContext(ctx, "event stream cut off", "error", s.err)
	case errors.Is(err, errStopping) || ctx.Err() != nil: // without complete the client connects again
	default:
		s.refuse(err)
	}
}

// join counts an event stream until leave is called, or returns the reason to refuse it.
func (t *sseTransport) join(w http.ResponseWriter, r *http.Request) (s *events, leave func(), err error) {
	s = &events{w: w, control: http.NewResponseController(w), timeouts: t.timeouts, stopping: make(chan struct{})}
	if err := t.connections.add(s, quotaKeyOf(r.Context())); err != nil {
		return nil, nil, err
	}
	claims, signedIn := auth.FromContext(r.Context())
	if signedIn {
		t.sessions.add(s, claims)
	}
	return s, func() {
		if signedIn {
			t.sessions.remove(s, claims)
		}
		t.connections.remove(s)
	}, nil
}

// begin sends the headers of an event stream.
func (t *sseTransport) begin(ctx context.Context, s *events) {
	// Clear the server's read deadline: it bounds the request body, and a stream lasts longer.
	if err := s.control.SetReadDeadline(time.Time{}); err != nil {
		t.log.WarnContext(ctx, "an event stream will end early", "error", err)
	}
	header := s.w.Header()
	header.Set("Content-Type", eventStream+"; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // turns off the buffering of nginx
	s.w.WriteHeader(http.StatusOK)
	s.comment()
}

// forward writes answers until they are closed. Its error says why it has stopped before: the token has expired, the
// session has ended, the server is stopping, the client has left, or does not read.
func (t *sseTransport) forward(ctx context.Context, s *events, answers <-chan []byte, write func([]byte)) error {
	var expired <-chan time.Time
	if claims, signedIn := auth.FromContext(ctx); signedIn {
		expired = time.After(time.Until(claims.ExpiresAt.Add(expiryLeeway)))
	}
	alive := time.NewTicker(t.timeouts.ping)
	defer alive.Stop()
	for s.err == nil {
		select {
		case answer, ok := <-answers:
			if !ok {
				return nil
			}
			write(answer)
		case <-alive.C:
			s.comment()
		case <-expired:
			return auth.ErrTokenExpired
		case <-s.stopping:
			return cmp.Or(s.revoked, errStopping)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.err
}

// run executes the operation of a body and sends its responses until ctx ends. Then it closes answers.
func (t *sseTransport) run(ctx context.Context, exec *executor, body []byte, reading *holding, answers chan<- []byte) {
	defer close(answers)
	gone := ctx.Done() // not the operation's context, which may end before its response is sent
	send := func(answer []byte) bool {
		select {
		case answers <- answer:
			return true
		case <-gone:
			return false
		}
	}
	if ctx.Err() != nil { // the client has disconnected
		return
	}
	defer func() {
		if panicked := recover(); panicked != nil {
			send(marshal(exec.fail(ctx, exec.presenter.recovered(ctx, panicked))))
		}
	}()
	params, problem := decodeRequest(body, t.limits.of(ctx))
	reading.release() // what a subscription keeps of it is counted by itself
	if problem != nil {
		send(marshal(exec.refuse(ctx, problem)))
		return
	}
	available := make(chan struct{}, availableResponses)
	state := &stream{ready: func() {
		select {
		case available <- struct{}{}:
		default: // the loop below will not wait
		}
	}}
	defer state.end()
	ctx = withStream(ctx, state)
	operation, refusal := exec.prepare(ctx, params)
	if refusal != nil {
		send(marshal(refusal))
		return
	}
	responses, ctx := exec.run(ctx, operation)
	for {
		if state.latestOnly {
			select {
			case <-available:
			case <-gone:
				return
			}
		}
		response := responses(ctx)
		if response == nil {
			break
		}
		if answer := marshal(response); !state.repeats(answer) && !send(answer) {
			return
		}
	}
	if err := state.failure(); err != nil {
		send(marshal(exec.fail(ctx, err)))
	}
}

// marshal encodes a response as JSON, like the response to a plain HTTP request.
func marshal(response *graphql.Response) []byte {
	var w responseWriter
	w.append(response)
	return w.body
}

// events writes an event stream. After an error it writes nothing.
type events struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	timeouts timeouts
	err      error

	stop     sync.Once
	stopping chan struct{}
	revoked  error // set before stopping is closed
}

func (s *events) shutdown() { s.stop.Do(func() { close(s.stopping) }) }

func (s *events) revoke(err error) {
	s.stop.Do(func() {
		s.revoked = err
		close(s.stopping)
	})
}

// refuse ends the stream with an error of package auth.
func (s *events) refuse(err error) {
	s.next(marshal(&graphql.Response{Errors: gqlerror.List{presentEnd(err)}}))
	s.complete()
}

func (s *events) next(answer []byte) { s.write("event: next\ndata: " + string(answer) + "\n\n") }

// complete sends a complete event. Its data is empty: without data, EventSource in browsers drops the event.
func (s *events) complete() { s.write("event: complete\ndata:\n\n") }

// comment sends a keep-alive comment. A failed write reveals a dead connection.
func (s *events) comment() { s.write(":\n\n") }

func (s *events) write(text string) {
	if s.err != nil {
		return
	}
	if s.err = s.control.SetWriteDeadline(time.Now().Add(s.timeouts.write)); s.err != nil {
		return
	}
	if _, s.err = io.WriteString(s.w, text); s.err != nil {
		return
	}
	if s.err = s.control.Flush(); s.err != nil {
		return
	}
	// Over HTTP/2 a write deadline also ends an idle stream.
	s.err = s.control.SetWriteDeadline(time.Time{})
}
