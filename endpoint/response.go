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
	// compressFrom is the size in bytes from which a response is compressed: a smaller one fits into a packet or two.
	compressFrom = 2 << 10
	// jitter is how many random bytes may be added to a compressed response, so that its length tells nothing of a secret
	// that stands beside what an attacker chose (the BREACH attack).
	jitter = 64
	// retryAfter is the number of seconds after which a client may try again what was unavailable.
	retryAfter = "5"
)

// The values of headers are shared, and never changed.
var (
	contentTypes = map[string][]string{
		mediaGraphQL: {mediaGraphQL + "; charset=utf-8"},
		mediaJSON:    {mediaJSON + "; charset=utf-8"},
	}
	retryLater = []string{retryAfter}
)

// responseWriter collects what is sent, to send it at once.
type responseWriter struct {
	body []byte
}

var responses = sync.Pool{New: func() any { return &responseWriter{body: make([]byte, 0, 4<<10)} }}

// keepBytes is the size of a buffer that is worth keeping for the next response.
const keepBytes = 64 << 10

// release keeps the buffer for another response.
func (w *responseWriter) release() {
	if cap(w.body) <= keepBytes {
		w.body = w.body[:0]
		responses.Put(w)
	}
}

// append adds a response as JSON. One that was refused before it ran has no data (GraphQL, section 7.1).
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

// send writes what was collected, and counts it until the client has taken it. Where there is no room for an answer that
// changed nothing, the client is told to ask again.
func (w *responseWriter) send(to http.ResponseWriter, r *http.Request, media string, status int, holding *holding, repeatable bool) {
	w.compress(to, r, media, status)
	if len(w.body) >= compressFrom && holding != nil { // a smaller one waits in the buffers of the connection
		if repeatable && !holding.grow(len(w.body)) {
			to.Header().Del("Content-Encoding")
			refuseBody(to, r, http.StatusServiceUnavailable, errNoRoom)
			return
		} else if !repeatable {
			holding.insist(len(w.body))
		}
	}
	if len(w.body) >= compressFrom || r.Method == http.MethodHead { // else net/http counts
		to.Header()["Content-Length"] = []string{strconv.Itoa(len(w.body))}
	}
	to.WriteHeader(status)
	_, _ = to.Write(w.body)
}

// compress sets the headers of what was collected, and compresses it if that is worth it. It is done before anything is
// sent: what compresses takes a megabyte, and would wait with the client.
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

// collected keeps what is written.
type collected struct {
	http.ResponseWriter
	body []byte
}

func (c *collected) WriteHeader(int) {}

func (c *collected) Write(text []byte) (int, error) {
	c.body = append(c.body, text...)
	return len(text), nil
}

// compress wraps a handler whose response is worth it. gzip comes first: graphql-codegen and others that use graphql-tools
// ask for zstd on every Node.js, and crash where it is too old to read it.
var compress = func() func(http.Handler) http.HandlerFunc {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(compressFrom), gzhttp.RandomJitter(jitter, 0, false), gzhttp.PreferZstd(false))
	if err != nil {
		panic(err) // the options are constants
	}
	return wrap
}()

// refuse answers a request that is not run.
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

// statusOf is the status of a response. What was refused before it ran has its own; but a client that takes
// application/json gets 200 where the request itself was well formed (GraphQL over HTTP, section 6.4.1).
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

// statuses are those of errors whose status does not depend on the media type.
var statuses = map[string]int{
	CodeBadRequest:     http.StatusBadRequest,
	CodeBodyLimit:      http.StatusRequestEntityTooLarge,
	CodeOperationLimit: http.StatusTooManyRequests,
	CodeTimeout:        http.StatusServiceUnavailable,
	CodeInternal:       http.StatusInternalServerError,
	// As Apollo Server: the client then sends the text.
	CodeDocumentNotFound: http.StatusOK,
}

// setRetryAfter tells a client when to come back, if one of the errors makes it sensible.
func setRetryAfter(header http.Header, errs gqlerror.List) {
	for _, err := range errs {
		switch err.Extensions["code"] {
		case CodeUnavailable, CodeOperationLimit:
			header["Retry-After"] = retryLater
			return
		}
	}
}
