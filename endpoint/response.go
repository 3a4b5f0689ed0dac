package endpoint

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/klauspost/compress/gzhttp"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

const (
	// compressFrom is the smallest size in bytes of a compressed response: a smaller one fits into one or two packets.
	compressFrom = 2 << 10
	// jitter bounds the random bytes added to a compressed response. They hide its length, which could reveal a secret
	// beside text that an attacker chose (BREACH).
	jitter = 64
	// retryAfter is the Retry-After of unavailable errors, in seconds.
	retryAfter = "5"
)

// The values of these headers are shared and must not be modified.
var (
	contentTypes = map[string][]string{
		mediaGraphQL: {mediaGraphQL + "; charset=utf-8"},
		mediaJSON:    {mediaJSON + "; charset=utf-8"},
	}
	retryLater = []string{retryAfter}
)

// responseWriter buffers a response, which is then sent in one write.
type responseWriter struct {
	body []byte
}

var responses = sync.Pool{New: func() any { return &responseWriter{body: make([]byte, 0, 4<<10)} }}

// keepBytes bounds the buffers that are pooled, in bytes.
const keepBytes = 64 << 10

// release returns the buffer to the pool.
func (w *responseWriter) release() {
	if cap(w.body) <= keepBytes {
		w.body = w.body[:0]
		responses.Put(w)
	}
}

// append encodes a response as JSON. A response to a request that did not run has no data (GraphQL, section 7.1).
func (w *responseWriter) append(response *graphql.Response) {
	w.body = append(w.body, '{')
	if len(response.Errors) > 0 {
		text, err := json.Marshal(response.Errors)
		if err != nil {
			text = []byte(`[{"message":"internal error","extensions":{"code":"` + CodeInternal + `"}}]`)
		}
		w.body = append(append(w.body, `"errors":`...), text...)
	}
	if response.Data != nil {
		w.member("data", response.Data)
	}
	if len(response.Extensions) > 0 {
		if text, err := json.Marshal(response.Extensions); err == nil {
			w.member("extensions", text)
		}
	}
	w.body = append(w.body, '}')
}

func (w *responseWriter) member(name string, text []byte) {
	if w.body[len(w.body)-1] != '{' {
		w.body = append(w.body, ',')
	}
	w.body = append(append(append(append(w.body, '"'), name...), `":`...), text...)
}

// send writes the response and counts it until the client has received it. If there is no room, a repeatable response
// is replaced by an error that asks the client to try again.
func (w *responseWriter) send(to http.ResponseWriter, r *http.Request, media string, status int, holding *holding, repeatable bool) {
	w.compress(to, r, media, status)
	if len(w.body) >= compressFrom && holding != nil { // a smaller response fits into the buffers of the connection
		if repeatable && !holding.grow(len(w.body)) {
			to.Header().Del("Content-Encoding")
			refuseBody(to, r, http.StatusServiceUnavailable, errNoRoom)
			return
		} else if !repeatable {
			holding.insist(len(w.body))
		}
	}
	if len(w.body) >= compressFrom || r.Method == http.MethodHead { // else net/http sets it
		to.Header()["Content-Length"] = []string{strconv.Itoa(len(w.body))}
	}
	to.WriteHeader(status)
	_, _ = to.Write(w.body)
}

// compress sets the headers of the response and compresses it if that is worth it. Compression ends before the first
// write: a compressor occupies a megabyte, which must not wait for a slow client.
func (w *responseWriter) compress(to http.ResponseWriter, r *http.Request, media string, status int) {
	header := to.Header()
	header["Content-Type"] = contentTypes[media]
	if len(w.body) < compressFrom || r.Header.Get("Accept-Encoding") == "" {
		return
	}
	var short collected
	short.ResponseWriter = to
	compress(http.HandlerFunc(func(to http.ResponseWriter, _ *http.Request) {
		to.WriteHeader(status)
		_, _ = to.Write(w.body)
	})).ServeHTTP(&short, r)
	w.body = short.body
}

// collected is a http.ResponseWriter that buffers the body.
type collected struct {
	http.ResponseWriter
	body []byte
}

func (c *collected) WriteHeader(int) {}

func (c *collected) Write(text []byte) (int, error) {
	c.body = append(c.body, text...)
	return len(text), nil
}

// compress wraps a handler with compression. It prefers gzip: graphql-codegen and other clients built on graphql-tools
// ask for zstd on every Node.js, and crash on versions that cannot decode it.
var compress = func() func(http.Handler) http.HandlerFunc {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(compressFrom), gzhttp.RandomJitter(jitter, 0, false), gzhttp.PreferZstd(false))
	if err != nil {
		panic(err) // the options are constants
	}
	return wrap
}()

// refuse answers a request that does not run.
func refuse(w http.ResponseWriter, r *http.Request, status int, errs ...*gqlerror.Error) {
	media := negotiate(r.Header["Accept"])
	if media == "" {
		media = mediaJSON
	}
	body := responses.Get().(*responseWriter)
	defer body.release()
	body.append(&graphql.Response{Errors: errs})
	body.send(w, r, media, status, nil, false)
}

// statusOf returns the status of a response. A request that did not run has the status of its error. With
// application/json the status is 200 if the request is well-formed (GraphQL over HTTP, section 6.4.1).
func statusOf(response *graphql.Response, media string) int {
	if response.Data != nil || len(response.Errors) == 0 {
		return http.StatusOK
	}
	code, _ := response.Errors[0].Extensions["code"].(string)
	if status, ok := statuses[code]; ok {
		return status
	}
	if media == mediaGraphQL {
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// statuses are the statuses that do not depend on the media type.
var statuses = map[string]int{
	CodeBadRequest:     http.StatusBadRequest,
	CodeBodyLimit:      http.StatusRequestEntityTooLarge,
	CodeOperationLimit: http.StatusTooManyRequests,
	CodeTimeout:        http.StatusServiceUnavailable,
	CodeInternal:       http.StatusInternalServerError,
	// As in Apollo Server: the client then sends the document.
	CodeDocumentNotFound: http.StatusOK,
}

// setRetryAfter sets Retry-After if an error is temporary.
func setRetryAfter(header http.Header, errs gqlerror.List) {
	for _, err := range errs {
		switch err.Extensions["code"] {
		case CodeUnavailable, CodeOperationLimit:
			header["Retry-After"] = retryLater
			return
		}
	}
}
