package endpoint_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"

	"usergraph/auth"
	. "usergraph/endpoint"
	"usergraph/internal/testapi/models"
)

// panics are the places where an operation named Bad may panic; others go well.
var panics = map[string]func(o *Options, panicIf func(context.Context)){
	"when it begins":  func(o *Options, panicIf func(context.Context)) { o.Observer = panicky{begin: panicIf} },
	"when it answers": func(o *Options, panicIf func(context.Context)) { o.Observer = panicky{answer: panicIf} },
	"in a field": func(o *Options, panicIf func(context.Context)) {
		o.AroundFields = func(ctx context.Context, next graphql.Resolver) (any, error) {
			panicIf(ctx)
			return next(ctx)
		}
	},
}

// panicky is an Observer that panics.
type panicky struct{ begin, answer func(context.Context) }

func (p panicky) Begin(ctx context.Context, o Operation) context.Context {
	ctx = context.WithValue(ctx, panicKey{}, o.Name)
	if p.begin != nil {
		p.begin(ctx)
	}
	return ctx
}

func (p panicky) Answer(ctx context.Context, _ []string) {
	if p.answer != nil {
		p.answer(ctx)
	}
}

func (panicky) End(context.Context)              {}
func (panicky) Refuse(context.Context, []string) {}

type panicKey struct{}

// panicking is a schema that panics for operations named Bad.
type panicking struct{ graphql.ExecutableSchema }

func (p panicking) Exec(ctx context.Context) graphql.ResponseHandler {
	if graphql.GetOperationContext(ctx).OperationName == "Bad" {
		panic("hunter2")
	}
	return p.ExecutableSchema.Exec(ctx)
}

// newPanicking serves an endpoint on which operations named Bad panic somewhere. Everybody is signed in.
func newPanicking(t *testing.T, where func(o *Options, panicIf func(context.Context)), log io.Writer) (*Handler, string) {
	t.Helper()
	e := newScripted(t, func(context.Context) (*models.User, error) { return nil, nil }, func(o *Options) {
		o.Log = slog.New(slog.NewTextHandler(log, nil))
		o.RequestID = func(context.Context) string { return "request-7" }
		limits := DefaultLimits()
		limits.SignedIn.Batch = 3
		o.Limits = &limits
		if where != nil {
			where(o, func(ctx context.Context) {
				name, _ := ctx.Value(panicKey{}).(string)
				if graphql.HasOperationContext(ctx) {
					name = graphql.GetOperationContext(ctx).OperationName
				}
				if name == "Bad" {
					panic("hunter2")
				}
			})
		}
	})
	if where == nil {
		e.WrapSchema(func(schema graphql.ExecutableSchema) graphql.ExecutableSchema { return panicking{schema} })
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims := *signedIn
		claims.ExpiresAt = time.Now().Add(time.Hour)
		e.ServeHTTP(w, r.WithContext(auth.NewContext(r.Context(), &claims)))
	}))
	t.Cleanup(server.Close)
	return e, server.URL
}

var badOperations = []string{
	`{"query":"query Bad { me { id } }","operationName":"Bad"}`,
	`{"query":"mutation Bad { updateMe(input: {fullName: \"x\"}) { id } }","operationName":"Bad"}`,
	`{"query":"subscription Bad { me { id } }","operationName":"Bad"}`,
}

// An operation that panics is one that has failed: its client is told, and the socket and its other operations live.
func TestPanicsOnSockets(t *testing.T) {
	for name, where := range allPanics() {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			_, url := newPanicking(t, where, &log)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			conn, _, err := websocket.Dial(ctx, url+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			send := func(text string) {
				t.Helper()
				if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			receive := func() string {
				t.Helper()
				_, text, err := conn.Read(ctx)
				if err != nil {
					t.Fatal(err)
				}
				return string(text)
			}
			send(`{"type":"connection_init"}`)
			receive()
			for i, bad := range badOperations {
				send(fmt.Sprintf(`{"id":"bad%d","type":"subscribe","payload":%s}`, i, bad))
				// The error ends the operation, or is in an answer that is followed by complete.
				if got := receive(); !strings.Contains(got, fmt.Sprintf(`"bad%d"`, i)) || !strings.Contains(got, CodeInternal) || strings.Contains(got, "hunter2") {
					t.Fatal(got)
				} else if strings.Contains(got, `"next"`) {
					receive()
				}
				send(`{"id":"good","type":"subscribe","payload":{"query":"query Good { me { id } }","operationName":"Good"}}`)
				if got := receive(); got != `{"id":"good","type":"next","payload":{"data":{"me":null}}}` {
					t.Fatal(got)
				}
				if got := receive(); got != `{"id":"good","type":"complete"}` {
					t.Fatal(got)
				}
			}
			_ = conn.Close(websocket.StatusNormalClosure, "")
			if !strings.Contains(log.String(), "hunter2") && !strings.Contains(log.String(), "nil pointer") {
				t.Errorf("logged: %s", log.String())
			}
		})
	}
}

// allPanics are the places where operations panic; the one without a function is the schema.
func allPanics() map[string]func(o *Options, panicIf func(context.Context)) {
	all := map[string]func(o *Options, panicIf func(context.Context)){"in the schema": nil}
	for name, where := range panics {
		all[name] = where
	}
	return all
}

// What is read before there is an operation may panic, too.
func TestPanicOfAdmission(t *testing.T) {
	asked := 0
	where := func(o *Options, _ func(context.Context)) {
		o.Admit = func(context.Context) (time.Duration, bool) {
			if asked++; asked == 1 {
				panic("hunter2")
			}
			return 0, true
		}
	}
	_, url := newPanicking(t, where, io.Discard)
	conn, _, err := websocket.Dial(t.Context(), url+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	want := []string{"connection_ack", CodeInternal, `"data":{"__typename":"Query"}`, "complete"}
	for _, text := range []string{`{"type":"connection_init"}`, `{"id":"1","type":"subscribe","payload":{"query":"{ __typename }"}}`, `{"id":"1","type":"subscribe","payload":{"query":"{ __typename }"}}`} {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range want {
		if _, got, err := conn.Read(t.Context()); err != nil || !strings.Contains(string(got), part) {
			t.Fatalf("%s %v, without %s", got, err, part)
		}
	}
}

// An event stream tells that its operation has panicked before it completes.
func TestPanicsOnEventStreams(t *testing.T) {
	for name, where := range allPanics() {
		t.Run(name, func(t *testing.T) {
			_, url := newPanicking(t, where, io.Discard)
			for _, bad := range badOperations {
				wantFailedStream(t, url, bad)
			}
		})
	}
	t.Run("in decoding", func(t *testing.T) {
		_, url := newPanicking(t, nil, io.Discard)
		defer BreakDecoding()()
		wantFailedStream(t, url, `{"query":"{ __typename }"}`)
	})
}

// wantFailedStream wants the answer to a request to be one event with an internal error, and the end.
func wantFailedStream(t *testing.T, url, body string) {
	t.Helper()
	status, text := post(t, url, "text/event-stream", body)
	events := strings.Split(strings.TrimPrefix(text, ":\n\n"), "\n\n")
	if status != http.StatusOK || len(events) != 3 || !strings.HasPrefix(events[0], "event: next\ndata: {") || !strings.Contains(events[0], CodeInternal) ||
		!strings.HasPrefix(events[1], "event: complete") || strings.Contains(text, "hunter2") {
		t.Errorf("%s: %d %q", body, status, text)
	}
}

// post sends a body and returns the whole answer.
func post(t *testing.T, url, accept, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/graphql", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", accept)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%s: %q %v", body, text, err)
	}
	return answer.StatusCode, string(text)
}

// An operation of a batch that panics is one that has failed: the others are answered.
func TestPanicsInBatches(t *testing.T) {
	places := allPanics()
	places["when it is admitted"] = func(o *Options, _ func(context.Context)) {
		asked := 0
		o.Admit = func(context.Context) (time.Duration, bool) {
			if asked++; asked%2 == 1 { // of the three, the second and the third are asked for
				panic("hunter2")
			}
			return 0, true
		}
	}
	for name, where := range places {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			_, url := newPanicking(t, where, &log)
			for _, bad := range badOperations[:2] { // a subscription is refused
				log.Reset()
				const good = `{"query":"query Good { me { id } }","operationName":"Good"}`
				status, text := post(t, url, "application/json", "["+good+","+bad+","+good+"]")
				var answers []struct {
					Data   json.RawMessage
					Errors []struct {
						Extensions struct{ Code, RequestID string }
					}
				}
				if err := json.Unmarshal([]byte(text), &answers); err != nil || status != http.StatusOK || len(answers) != 3 || strings.Contains(text, "hunter2") {
					t.Fatalf("%d %s %v", status, text, err)
				}
				for i, answer := range answers {
					failed := len(answer.Errors) == 1 && answer.Errors[0].Extensions.Code == CodeInternal && answer.Errors[0].Extensions.RequestID == "request-7"
					if i == 1 && !failed || i != 1 && (len(answer.Errors) > 0 || string(answer.Data) != `{"me":null}`) {
						t.Errorf("%s: number %d of %s", bad, i, text)
					}
				}
				if !strings.Contains(log.String(), ".go:") {
					t.Errorf("logged without a stack: %s", log.String())
				}
			}
		})
	}
}
