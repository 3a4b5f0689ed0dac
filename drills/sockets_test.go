//go:build services

package drills_test

import (
	"context"
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

// open is connect up to the first answer.
func open(ctx context.Context, url string, c caller) (*websocket.Conn, error) {
	conn, err := connect(ctx, url, c)
	if err != nil {
		return nil, err
	}
	_, answer, err := conn.Read(ctx)
	if err == nil && !strings.Contains(string(answer), fmt.Sprintf(`{"fullName":%q}`, c.name)) {
		err = fmt.Errorf("%s hears %s", c.name, answer)
	}
	return conn, err
}

// connect speaks graphql-transport-ws up to the subscription of a caller's name.
func connect(ctx context.Context, url string, c caller) (*websocket.Conn, error) {
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(url, "http")+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		return nil, err
	}
	if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"connection_init","payload":{"authorization":"Bearer %s"}}`, c.token)); err != nil {
		return nil, err
	}
	if _, ack, err := conn.Read(ctx); err != nil || !strings.Contains(string(ack), `"connection_ack"`) {
		_ = conn.CloseNow()
		return nil, fmt.Errorf("no ack: %s %w", ack, err)
	}
	return conn, conn.Write(ctx, websocket.MessageText, []byte(`{"id":"1","type":"subscribe","payload":{"query":"subscription { me { fullName } }"}}`))
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
