//go:build services

package drills_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// sockets are websockets with a subscription each, which nobody closes but the server or hangUp.
type sockets struct {
	conns   []*websocket.Conn
	reading sync.WaitGroup

	mu    sync.Mutex
	ended map[websocket.StatusCode]int // how they ended; -1 without a close frame
}

// subscribe opens as many sockets, of all callers in turn, and returns when each has had its first answer.
func subscribe(t *testing.T, url string, callers []caller, count int) *sockets {
	t.Helper()
	s := &sockets{conns: make([]*websocket.Conn, count), ended: map[websocket.StatusCode]int{}}
	const atOnce = 32
	failed := make(chan error, atOnce)
	for worker := range atOnce {
		go func() {
			for n := worker; n < count; n += atOnce {
				var err error
				if s.conns[n], err = open(t.Context(), url, callers[n%len(callers)]); err != nil {
					failed <- fmt.Errorf("socket %d: %w", n, err)
					return
				}
			}
			failed <- nil
		}()
	}
	for range atOnce {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	for _, conn := range s.conns {
		s.reading.Go(func() { s.read(conn) })
	}
	t.Cleanup(s.hangUp)
	return s
}

// open speaks graphql-transport-ws up to the first answer.
func open(ctx context.Context, url string, c caller) (*websocket.Conn, error) {
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(url, "http")+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		return nil, err
	}
	init, err := json.Marshal(map[string]any{"type": "connection_init", "payload": map[string]string{"authorization": "Bearer " + c.token}})
	if err != nil {
		return nil, err
	}
	for _, step := range []struct{ say, hear string }{
		{string(init), `"connection_ack"`},
		{`{"id":"1","type":"subscribe","payload":{"query":"subscription { me { fullName } }"}}`, fmt.Sprintf(`{"fullName":%q}`, c.name)},
	} {
		if err := conn.Write(ctx, websocket.MessageText, []byte(step.say)); err != nil {
			return nil, err
		}
		_, heard, err := conn.Read(ctx)
		if err != nil {
			return nil, err
		}
		if !strings.Contains(string(heard), step.hear) {
			return nil, fmt.Errorf("%s hears %s", c.name, heard)
		}
	}
	return conn, nil
}

// read takes what comes, and answers pings.
func (s *sockets) read(conn *websocket.Conn) {
	for {
		if _, _, err := conn.Read(context.Background()); err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.ended[websocket.CloseStatus(err)]++
			return
		}
	}
}

// closed wants all sockets to have ended with a code.
func (s *sockets) closed(code websocket.StatusCode) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended[code] != len(s.conns) {
		return fmt.Errorf("%d sockets, of which have ended: %v", len(s.conns), s.ended)
	}
	return nil
}

// stillOpen is how many have not ended.
func (s *sockets) stillOpen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := len(s.conns)
	for _, count := range s.ended {
		open -= count
	}
	return open
}

// hangUp closes all without a word, as a network does that is gone.
func (s *sockets) hangUp() {
	for _, conn := range s.conns {
		_ = conn.CloseNow()
	}
	s.reading.Wait()
}
