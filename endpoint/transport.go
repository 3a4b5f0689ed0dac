package endpoint

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// httpTransport implements GraphQL over HTTP: one response to one request. It supports every request, so it is the
// last transport. https://graphql.github.io/graphql-over-http/draft/
type httpTransport struct {
	limits *Limits
	held   *held
	admit  func(context.Context) (time.Duration, bool) // nil admits every request
}

func (httpTransport) Supports(*http.Request) bool { return true }

func (t httpTransport) Do(w http.ResponseWriter, r *http.Request, exec *executor) {
	switch r.Method {
	case http.MethodPost, http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		w.Header().Set("Allow", allowedMethods)
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		w.Header().Set("Allow", allowedMethods)
		refuse(w, r, http.StatusMethodNotAllowed, refusef(CodeBadRequest, "send POST, or GET for a query"))
		return
	}
	media := negotiate(r.Header["Accept"])
	if media == "" {
		refuse(w, r, http.StatusNotAcceptable, refusef(CodeBadRequest, "accept %s or %s", mediaGraphQL, mediaJSON))
		return
	}
	holding, refusal := t.held.begin(r)
	if refusal != nil {
		refuseBody(w, r, http.StatusServiceUnavailable, refusal)
		return
	}
	defer holding.release()
	if r.Method == http.MethodPost {
		t.post(w, r, exec, media, holding)
		return
	}
	t.get(w, r, exec, media, holding)
}

const allowedMethods = "GET, HEAD, OPTIONS, POST"

func (t httpTransport) post(w http.ResponseWriter, r *http.Request, exec *executor, media string, holding *holding) {
	if !isJSON(r.Header.Get("Content-Type")) {
		refuse(w, r, http.StatusUnsupportedMediaType, refusef(CodeBadRequest, "send JSON in UTF-8: Content-Type: application/json"))
		return
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		refuse(w, r, http.StatusUnsupportedMediaType, refusef(CodeBadRequest, "send the body as it is, not compressed"))
		return
	}
	ctx := r.Context()
	bounds := t.limits.of(ctx)
	buffer := bodies.Get().(*bytes.Buffer)
	defer putBody(buffer)
	if refusal, status := readBody(buffer, w, r, bounds.BodyBytes, holding); refusal != nil {
		refuseBody(w, r, status, refusal)
		return
	}
	requests, isArray, refusal := decodeBatch(buffer.Bytes(), bounds)
	if refusal != nil {
		refuse(w, r, http.StatusBadRequest, refusal)
		return
	}
	body := responses.Get().(*responseWriter)
	defer body.release()
	if !isArray {
		response, kind := execute(ctx, exec, requests[0], r.Header, false)
		setRetryAfter(w.Header(), response.Errors)
		body.append(response)
		body.send(w, r, media, statusOf(response, media), holding, kind == ast.Query)
		return
	}
	body.body = append(body.body, '[')
	repeatable := true
	for i, params := range requests {
		if i > 0 {
			body.body = append(body.body, ',')
		}
		response, kind := t.ofBatch(ctx, w.Header(), exec, params, r.Header, i == 0, len(body.body) > bounds.ResponseBytes)
		repeatable = repeatable && kind == ast.Query
		body.append(response)
	}
	body.body = append(body.body, ']')
	body.send(w, r, media, http.StatusOK, holding, repeatable)
}

// ofBatch answers one operation of a batch. A panic fails this one, which may have changed something, and no other.
func (t httpTransport) ofBatch(ctx context.Context, answer http.Header, exec *executor, params *graphql.RawParams, headers http.Header, first, full bool) (response *graphql.Response, kind ast.Operation) {
	defer func() {
		if panicked := recover(); panicked == http.ErrAbortHandler {
			panic(panicked)
		} else if panicked != nil {
			response, kind = exec.fail(ctx, exec.presenter.recovered(ctx, panicked)), ast.Mutation
		}
	}()
	if full {
		return exec.refuse(ctx, tooLarge(t.limits.of(ctx))), ast.Query
	}
	if !first && t.admit != nil { // the first was counted as the request
		if wait, ok := t.admit(ctx); !ok {
			after := strconv.Itoa(int(math.Ceil(wait.Seconds())))
			answer.Set("Retry-After", after)
			return exec.refuse(ctx, refusef(CodeRateLimited, "too many requests, try again in %s s", after)), ast.Query
		}
	}
	return execute(ctx, exec, params, headers, false)
}

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// putBody returns the buffer of a body to bodies, unless the body was large.
func putBody(buffer *bytes.Buffer) {
	if buffer.Cap() <= keepBytes {
		buffer.Reset()
		bodies.Put(buffer)
	}
}

// readBody reads at most atMost bytes, while held has room for them.
func readBody(buffer *bytes.Buffer, w http.ResponseWriter, r *http.Request, atMost int, holding *holding) (*gqlerror.Error, int) {
	tooLarge := func() (*gqlerror.Error, int) {
		return refusef(CodeBodyLimit, "the body is too large: at most %d bytes are allowed", atMost), http.StatusRequestEntityTooLarge
	}
	if r.ContentLength > int64(atMost) {
		w.Header().Set("Connection", "close")
		return tooLarge()
	}
	body := r.Body
	if r.ContentLength < 0 { // else net/http stops at ContentLength
		body = http.MaxBytesReader(w, r.Body, int64(atMost))
	}
	if _, err := buffer.ReadFrom(&heldBody{body, holding}); err != nil {
		if errors.Is(err, errNoRoom) {
			w.Header().Set("Connection", "close")
			return errNoRoom, http.StatusServiceUnavailable
		}
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			return tooLarge()
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return refusef(CodeBadRequest, "the body ended too early"), http.StatusBadRequest
		}
		return refusef(CodeBadRequest, "the body could not be read"), http.StatusBadRequest
	}
	return nil, 0
}

func (t httpTransport) get(w http.ResponseWriter, r *http.Request, exec *executor, media string, holding *holding) {
	bounds := t.limits.of(r.Context())
	if len(r.URL.RawQuery) > bounds.BodyBytes {
		refuse(w, r, http.StatusRequestURITooLong, refusef(CodeBodyLimit, "the query string is too large: at most %d bytes are allowed", bounds.BodyBytes))
		return
	}
	params, refusal := decodeQuery(r.URL.RawQuery, bounds)
	if refusal != nil {
		refuse(w, r, http.StatusBadRequest, refusal)
		return
	}
	response, _ := execute(r.Context(), exec, params, r.Header, true)
	status := statusOf(response, media)
	if response == onlyQueries {
		w.Header().Set("Allow", http.MethodPost)
		status = http.StatusMethodNotAllowed
	}
	setRetryAfter(w.Header(), response.Errors)
	body := responses.Get().(*responseWriter)
	defer body.release()
	body.append(response)
	body.send(w, r, media, status, holding, true)
}

// decodeQuery decodes a request from the query string of a GET.
func decodeQuery(rawQuery string, bounds *Bounds) (*graphql.RawParams, *gqlerror.Error) {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, refusef(CodeBadRequest, "the query string is malformed")
	}
	params := &graphql.RawParams{}
	for name, given := range values {
		if len(given) > 1 {
			return nil, refusef(CodeBadRequest, "a parameter is given more than once")
		}
		if !utf8.ValidString(name) || !utf8.ValidString(given[0]) {
			return nil, refusef(CodeBadRequest, "the query string is not in UTF-8")
		}
		var refusal *gqlerror.Error
		switch value := given[0]; name {
		case "query":
			params.Query = value
		case "operationName":
			params.OperationName = value
		case "variables":
			params.Variables, refusal = decodeObject("variables", value, bounds)
		case "extensions":
			params.Extensions, refusal = decodeObject("extensions", value, bounds)
		}
		if refusal != nil {
			return nil, refusal
		}
	}
	if id := values.Get("documentId"); id != "" {
		params.Extensions = with(params.Extensions, documentIDKey, id)
	}
	return params, checkComplete(params)
}

func decodeObject(name, text string, bounds *Bounds) (map[string]any, *gqlerror.Error) {
	if text == "" {
		return nil, nil
	}
	r := newRequestReader([]byte(text), bounds)
	defer r.release()
	object, refusal := r.object(name)
	if refusal == nil {
		refusal = r.end()
	}
	if refusal == errMalformed {
		refusal = refusef(CodeBadRequest, "%s is not a JSON object with unique names, in UTF-8", name)
	}
	return object, refusal
}

// onlyQueries is the response to a mutation by GET.
var onlyQueries = &graphql.Response{Errors: gqlerror.List{refusef(CodeBadRequest, "GET is for queries: send this with POST")}}

// onlyStreams is the response to a subscription over plain HTTP, which would deliver only the first event.
var onlyStreams = &graphql.Response{Errors: gqlerror.List{refusef(CodeBadRequest,
	"subscriptions need a stream: use a websocket (graphql-transport-ws), or accept text/event-stream first")}}

// execute runs one request and returns the kind of its operation. A request that did not run counts as a query: it
// changed nothing.
func execute(ctx context.Context, exec *executor, params *graphql.RawParams, headers http.Header, queriesOnly bool) (*graphql.Response, ast.Operation) {
	params.Headers = headers
	operation, refusal := exec.prepare(ctx, params)
	if refusal != nil {
		return refusal, ast.Query
	}
	kind := operation.Operation.Operation
	switch {
	case kind == ast.Subscription:
		return onlyStreams, ast.Query
	case kind != ast.Query && queriesOnly:
		return onlyQueries, ast.Query
	}
	answers, ctx := exec.run(ctx, operation)
	return answers(ctx), kind
}
