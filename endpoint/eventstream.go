package endpoint

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"usergraph/auth"
	"usergraph/internal/address"
)

// EventStream is a protocol of a team's own that answers a JSON object with server-sent events, such as the words of a
// model as they come.
type EventStream struct {
	// Open is called with the body of the request, which has the types of encoding/json, but for whole numbers, which are
	// int64. It returns the function that sends the events, or an error, which the client receives as from /graphql.
	//
	// The function calls send for the data of each event, which must be one line. send waits until the event is written, and
	// fails when ctx has ended: the client has left, its token or session has ended, or the server is stopping. The stream
	// counts until the function returns, and the server stops after that.
	Open func(r *http.Request, message map[string]any) (func(ctx context.Context, send func(data []byte) error) error, error)
	// Fail returns the data of the last event of a stream that fails: what the function has returned, as clients may see it,
	// or why the stream ended.
	Fail func(*gqlerror.Error) []byte
}

// refusalStatuses are the statuses of errors of EventStream.Open, besides statuses. Others have 400.
var refusalStatuses = map[string]int{
	CodeUnauthenticated: http.StatusUnauthorized,
	CodeForbidden:       http.StatusForbidden,
	CodeNotFound:        http.StatusNotFound,
	CodeRateLimited:     http.StatusTooManyRequests,
	CodeUnavailable:     http.StatusServiceUnavailable,
}

// Stream receives one JSON object by POST and sends events, with the rules and bounds of subscriptions over server-sent
// events: media type, strict JSON, bytes of the body, streams of a caller and of all, clients that do not read, the end of
// tokens, sessions and the server, panics.
func (h *Handler) Stream(w http.ResponseWriter, r *http.Request, protocol EventStream) {
	begun := false
	defer func() {
		if begun {
			return // too late for a status
		}
		if refusal := h.panicked(r, recover()); refusal != nil {
			refuse(w, r, http.StatusInternalServerError, refusal)
		}
	}()
	if status, refusal := checkJSON(w, r); refusal != nil {
		refuse(w, r, status, refusal)
		return
	}
	r = withAddress(r)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s, leave, err := h.events.join(w, r)
	if err != nil {
		refuseConnection(w, r, err)
		return
	}
	defer leave()
	holding, refusal := h.exec.held.begin(r)
	if refusal != nil {
		refuseBody(w, r, http.StatusServiceUnavailable, refusal)
		return
	}
	defer holding.release()
	run, status, refusal := h.openStream(w, r, protocol, holding)
	if refusal != nil {
		refuseBody(w, r, status, refusal)
		return
	}
	begun = true
	h.events.begin(ctx, s)

	answers := make(chan []byte)
	var failed *gqlerror.Error // when answers is closed
	go func() {
		defer close(answers)
		defer func() {
			if panicked := recover(); panicked != nil {
				_ = h.exec.presenter.recovered(ctx, panicked)
				failed = h.exec.presenter.internal(ctx)
			}
		}()
		err := run(ctx, func(data []byte) error {
			select {
			case answers <- data:
			case <-ctx.Done():
			}
			return ctx.Err() // what comes after the end is not written
		})
		switch {
		case err != nil && ctx.Err() == nil:
			failed = h.exec.presenter.present(ctx, err)
		case err != nil && !errors.Is(err, context.Canceled):
			h.exec.presenter.log.WarnContext(ctx, "an event stream that had ended has failed", "error", err)
		}
	}()
	write := func(data []byte) { s.write("data: " + string(data) + "\n\n") }
	ended := h.events.forward(ctx, s, answers, write)
	gone := ctx.Err() != nil
	cancel()
	for range answers { // the function has returned when they are closed
	}
	switch {
	case s.err != nil:
		h.exec.presenter.log.WarnContext(ctx, "event stream cut off", "error", s.err)
	case gone:
	case ended != nil:
		write(protocol.Fail(presentEnd(ended)))
	case failed != nil:
		write(protocol.Fail(failed))
	}
}

// openStream reads the body and opens the stream.
func (h *Handler) openStream(w http.ResponseWriter, r *http.Request, protocol EventStream, holding *holding) (func(context.Context, func([]byte) error) error, int, *gqlerror.Error) {
	bounds := h.exec.limits.of(r.Context())
	var body bytes.Buffer
	if refusal, status := readBody(&body, w, r, bounds.BodyBytes, holding); refusal != nil {
		return nil, status, refusal
	}
	message, refusal := decodeMessage(body.Bytes(), bounds)
	if refusal != nil {
		return nil, http.StatusBadRequest, refusal
	}
	run, err := protocol.Open(r, message)
	if err == nil {
		return run, 0, nil
	}
	refusal = h.exec.presenter.present(r.Context(), err)
	code, _ := refusal.Extensions["code"].(string)
	for _, known := range []map[string]int{refusalStatuses, statuses} {
		if status := known[code]; status != 0 {
			return nil, status, refusal
		}
	}
	return nil, http.StatusBadRequest, refusal
}

// presentEnd is what clients see of an error of forward.
func presentEnd(err error) *gqlerror.Error {
	if err == errStopping {
		return refusef(CodeUnavailable, "%s", err)
	}
	code, text := auth.Public(err)
	return refusef(code, "%s", text)
}

// withAddress adds the address of an anonymous caller to a request.
func withAddress(r *http.Request) *http.Request {
	if _, signedIn := auth.FromContext(r.Context()); signedIn {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), addressKey{}, address.Key(r.RemoteAddr)))
}
