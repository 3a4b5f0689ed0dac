package endpoint

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gobwas/ws"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"usergraph/auth"
)

// Hurry makes the endpoint as impatient as a test wants it.
func (o *Options) Hurry(init, ping, pong, write time.Duration) {
	o.timeouts = timeouts{init: init, ping: ping, pong: pong, write: write}
}

// AskOften has sessions asked about again after a pause.
func (o *Options) AskOften(pause time.Duration) { o.sessionPause = pause }

// Watches is how many rows are watched, each caller's counted by itself.
func (h *Handler) Watches() int {
	h.watcher.mu.Lock()
	defer h.watcher.mu.Unlock()
	return len(h.watcher.watches)
}

// Enter counts an operation of an address that does not end.
func (h *Handler) Enter(address string) { h.exec.inFlight.tryAcquire(quotaKey{address: address}, 1) }

// Held returns how many bytes of clients are counted, and for how many callers.
func (h *Handler) Held() (bytes, callers int) {
	h.exec.held.mu.Lock()
	defer h.exec.held.mu.Unlock()
	return h.exec.held.all, len(h.exec.held.each)
}

// Ask posts a body as a caller, or as nobody.
func (h *Handler) Ask(claims *auth.Claims, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", mediaGraphQL)
	if claims != nil {
		request = request.WithContext(auth.NewContext(request.Context(), claims))
	}
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, request)
	return answer
}

// WrapSchema puts another schema around the one that operations run on.
func (h *Handler) WrapSchema(wrap func(graphql.ExecutableSchema) graphql.ExecutableSchema) {
	h.exec.schema = wrap(h.exec.schema)
}

// BreakSchema makes the next operation panic outside of resolvers.
func (h *Handler) BreakSchema() { h.exec.schema = nil }

// BreakDecoding makes the decoding of requests panic until repair is called.
func BreakDecoding() (repair func()) {
	whole := readers.New
	readers = sync.Pool{New: func() any { panic("hunter2") }}
	return func() { readers = sync.Pool{New: whole} }
}

// WithCaller puts the caller of claims into ctx, as an operation does.
func WithCaller(ctx context.Context) context.Context {
	return withCaller(ctx, ast.Query, replicaRouter{})
}

// ReadFrame reads a frame of the server, and returns its payload.
func ReadFrame(from io.Reader) (string, error) {
	header, err := ws.ReadHeader(from)
	if err != nil {
		return "", err
	}
	payload := make([]byte, header.Length)
	_, err = io.ReadFull(from, payload)
	return string(payload), err
}

// PlansTake returns how many bytes the plans of a document take for these values of its variables, and what is counted for them.
func (h *Handler) PlansTake(text string, values []map[string]any) (takes, counted int, refusal error) {
	const copies = 32
	bounds := DefaultLimits().SignedIn
	kept := make([]*document, copies)
	for i := range kept {
		var err *gqlerror.Error
		if kept[i], err = h.exec.documents.parseAndValidate(strings.Clone(text), &bounds, true); err != nil {
			return 0, 0, err
		}
	}
	before := liveHeap()
	for _, d := range kept {
		for _, variables := range values {
			d.plans.of(h.exec.rows, d.parsed, &graphql.OperationContext{Doc: d.parsed, Operation: d.parsed.Operations[0], Variables: variables})
		}
	}
	takes = (liveHeap() - before) / copies
	without := kept[0].stats
	without.fields = 0
	return takes, kept[0].weight() - (&document{stats: without}).weight(), nil
}
