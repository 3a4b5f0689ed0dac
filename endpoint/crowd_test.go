//go:build unix

package endpoint_test

import (
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/coder/websocket"
	"github.com/google/uuid"
)

// Many sockets come, subscribe, hear of a change and go, some without a word. The server has then what it had before.
func TestCrowdLeavesNothing(t *testing.T) {
	const (
		users   = 40
		sockets = 2000
		spare   = 500 // file descriptors for all else
		// leftBytes is a twentieth of what so many have.
		leftBytes = sockets * 400
	)
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if files.Max < 2*sockets+spare {
		t.Fatalf("this test needs %d file descriptors and may have %d: ulimit -Hn", 2*sockets+spare, files.Max)
	}
	s := newLiveServer(t)
	tokens := map[uuid.UUID]string{}
	for range users {
		id := uuid.New()
		s.pg.Exec(t, `insert into auth.users (id, raw_user_meta_data) values ($1, '{"full_name": "before"}')`, id)
		tokens[id] = s.issuer.Token(id)
	}
	s.crowd(tokens, sockets) // Go keeps the descriptors of goroutines, and the size of maps
	goroutines, heap := runtime.NumGoroutine(), heapInUse()

	s.crowd(tokens, sockets)
	s.until("all goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
	left := int64(0)
	s.until("the memory is free again", func() bool {
		left = int64(heapInUse()) - int64(heap)
		return left < leftBytes
	})
	t.Logf("%d sockets leave %d bytes", sockets, left)
}

// crowd opens as many sockets as asked, of all users in turn, has each hear of a change, and closes them.
func (s *liveServer) crowd(tokens map[uuid.UUID]string, sockets int) {
	s.t.Helper()
	s.pg.Exec(s.t, "update users set full_name = 'before'")
	var clients []*client
	for len(clients) < sockets {
		for _, token := range tokens {
			conn, _, err := websocket.Dial(s.t.Context(), s.url+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
			if err != nil {
				s.t.Fatal(err)
			}
			c := &client{s.t, conn}
			clients = append(clients, c)
			c.init(token)
			c.subscribe("1")
		}
	}
	for _, c := range clients {
		c.expect(next("1", "before"))
	}
	s.pg.Exec(s.t, "update users set full_name = 'after'")
	var closing sync.WaitGroup
	for i, c := range clients {
		c.expect(next("1", "after"))
		closing.Go(func() {
			if i%2 == 0 {
				_ = c.conn.CloseNow()
			} else if err := c.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
				s.t.Error(err)
			}
		})
	}
	closing.Wait()
	s.until("all have gone", func() bool { return s.handler.Connections() == 0 && s.handler.Watches() == 0 })
}
