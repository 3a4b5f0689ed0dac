package endpoint_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"usergraph/endpoint"
)

// The fields of a state have the time of an operation. A field without a value by then is null with TIMEOUT, its
// statement is cancelled, and the subscription goes on.
func TestLiveFieldsHaveTheirTime(t *testing.T) {
	s := newLiveServer(t, func(o *endpoint.Options) {
		limits := endpoint.DefaultLimits()
		limits.SignedIn.Time = 3 * time.Second
		o.Limits = &limits
	})
	s.addTodos(ada, "a")
	const document = `subscription { me { fullName todos { nodes { title } } } }`
	const todos = `{"nodes":[{"title":"a"}]}`
	socket := s.connect(ada)
	socket.ask("1", document, `{}`)
	stream := s.post(ada, "text/event-stream", `{"query":"`+document+`"}`)

	// both wants a state with this name on both transports. Earlier states may come before.
	both := func(name, todos string, codes ...string) {
		t.Helper()
		for transport, receive := range map[string]func() string{
			"websocket": func() string {
				var message struct {
					Type    string
					Payload json.RawMessage
				}
				text := socket.receive()
				if err := json.Unmarshal([]byte(text), &message); err != nil || message.Type != "next" {
					t.Fatalf("websocket: %v %s", err, text)
				}
				return string(message.Payload)
			},
			"events": func() string {
				event := stream.event()
				data, isNext := strings.CutPrefix(event, "event: next\ndata: ")
				if !isNext {
					t.Fatalf("events: %s", event)
				}
				return data
			},
		} {
			for {
				text := receive()
				var state struct {
					Data struct {
						Me struct {
							FullName string
							Todos    json.RawMessage
						}
					}
					Errors []struct{ Extensions struct{ Code string } }
				}
				if err := json.Unmarshal([]byte(text), &state); err != nil {
					t.Fatalf("%s: %v", transport, err)
				}
				if state.Data.Me.FullName != name {
					continue
				}
				if string(state.Data.Me.Todos) != todos || len(state.Errors) != len(codes) {
					t.Errorf("%s: %s", transport, text)
				}
				for i, err := range state.Errors {
					if err.Extensions.Code != codes[i] {
						t.Errorf("%s: %s", transport, text)
					}
				}
				break
			}
		}
	}
	both("Ada", todos)
	s.pg.Exec(t, "create policy slow on todos as restrictive using (pg_sleep(3600) is not null)")
	s.rename(ada, "Ada waits")
	both("Ada waits", "null", endpoint.CodeTimeout)
	// This waits for the statements that read todos: they are cancelled.
	s.pg.Exec(t, "drop policy slow on todos")
	s.rename(ada, "Ada again")
	both("Ada again", todos)
}
