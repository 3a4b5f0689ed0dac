package endpoint

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/google/uuid"
)

// counted is a connection that is only counted.
type counted struct{ connection }

// newQueue is a queue to a client that reads what the test reads, and no more.
func newQueue(t *testing.T, all *connections, who runner, timeout time.Duration) (*writeQueue, net.Conn, chan error) {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	one := &counted{}
	all.count(one, who)
	failed := make(chan error, 1)
	return &writeQueue{conn: near, timeout: timeout, failed: func(err error) { failed <- err },
		reserve: func(r *reservation, bytes int) bool { return all.reserve(one, r, bytes) }}, far, failed
}

// Frames come in order, each told of once it is written, and the queue keeps nothing afterwards.
func TestQueueOrder(t *testing.T) {
	limits := DefaultLimits()
	all := newConnections(&limits)
	q, client, _ := newQueue(t, all, runner{address: "a"}, time.Minute)
	const frames = 100
	written := make(chan int, frames)
	large := strings.Repeat("x", 10_000)
	for n := range frames {
		if err := q.push(ws.OpText, []byte(large+string(rune('0'+n))), func() { written <- n }); err != nil {
			t.Fatal(err)
		}
	}
	if all.buffered.all < frames*10_000-freeBytes {
		t.Errorf("%d bytes are counted", all.buffered.all)
	}
	for n := range frames {
		frame, err := ReadFrame(client)
		if err != nil || frame != large+string(rune('0'+n)) {
			t.Fatal(n, err)
		}
		if got := <-written; got != n {
			t.Errorf("%d is written, not %d", got, n)
		}
	}
	q.finish()
	if q.writing || q.frames != nil || q.bytes != 0 || all.buffered.all != 0 || len(all.buffered.each) != 0 {
		t.Errorf("%+v %+v", q, all.buffered)
	}
	if err := q.push(ws.OpText, nil, nil); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// However it ends, nothing stays counted, and who waits goes on.
func TestQueueEnds(t *testing.T) {
	for name, end := range map[string]func(q *writeQueue, client net.Conn){
		"the client reads nothing":     func(*writeQueue, net.Conn) {},
		"the client is gone":           func(_ *writeQueue, client net.Conn) { client.Close() },
		"the socket is closed":         func(q *writeQueue, _ net.Conn) { q.conn.Close() },
		"the client reads a frame":     func(_ *writeQueue, client net.Conn) { _, _ = ReadFrame(client) },
		"a close frame follows":        func(q *writeQueue, _ net.Conn) { _ = q.push(ws.OpClose, nil, nil) },
		"the server waits for the end": func(q *writeQueue, _ net.Conn) { q.finish() },
	} {
		t.Run(name, func(t *testing.T) {
			limits := DefaultLimits()
			all := newConnections(&limits)
			q, client, failed := newQueue(t, all, runner{user: uuid.New()}, 100*time.Millisecond)
			for range maxQueuedFrames + 1 {
				if err := q.push(ws.OpText, make([]byte, 5000), nil); err != nil {
					t.Fatal(err)
				}
			}
			waited := make(chan struct{})
			go func() {
				q.await(nil)
				close(waited)
			}()
			end(q, client)
			if err := <-failed; err == nil {
				t.Error("it has not failed")
			}
			<-waited
			if all.buffered.all != 0 || len(all.buffered.each) != 0 || q.frames != nil {
				t.Errorf("%+v", all.buffered)
			}
		})
	}
}

// Whoever reads waits while the queue is full, of frames or of bytes, and no longer.
func TestQueueIsBounded(t *testing.T) {
	for name, test := range map[string]struct{ frames, bytes int }{
		"many":  {maxQueuedFrames, 10},
		"large": {1, maxQueuedBytes},
	} {
		limits := DefaultLimits()
		q, client, _ := newQueue(t, newConnections(&limits), runner{address: "a"}, time.Minute)
		for range test.frames {
			q.await(nil) // there is room for each
			if err := q.push(ws.OpText, make([]byte, test.bytes), nil); err != nil {
				t.Fatal(err)
			}
		}
		done, waited := make(chan struct{}), make(chan struct{})
		go func() {
			q.await(done)
			close(waited)
		}()
		select {
		case <-waited:
			t.Error(name, "has room")
		case <-time.After(50 * time.Millisecond):
		}
		_, _ = ReadFrame(client)
		<-waited
		close(done)
		client.Close()
	}
}

// A caller, those who are not signed in, and all together have their bounds. What is given back is free at once.
func TestReserve(t *testing.T) {
	limits := DefaultLimits()
	c := newConnections(&limits)
	address := func(name string) runner { return runner{address: name} }
	user := func(n byte) runner { return runner{user: uuid.UUID{n}} }
	var held []*reservation
	reserve := func(who runner, bytes int, want bool) *reservation {
		t.Helper()
		one, r := &counted{}, &reservation{}
		c.count(one, who)
		if got := c.reserve(one, r, bytes); got != want {
			t.Fatalf("%v %d: %v", who, bytes, got)
		}
		held = append(held, r)
		return r
	}
	const one = maxBufferedOfOne
	r := reserve(address("a"), one-1, true)
	reserve(address("a"), 2, false)
	reserve(address("a"), 1, true)
	reserve(address("b"), one, true)
	reserve(address("c"), 1, false) // half is for those who are signed in
	reserve(user(1), one, true)
	reserve(user(1), 1, false)
	reserve(user(2), one-1, true)
	reserve(user(3), 2, false) // no more is left
	last := reserve(user(3), 1, true)
	if !c.reserve(nil, r, one/2) || !c.reserve(nil, last, 2) || c.reserve(nil, r, one) {
		t.Error("half of one is given back")
	}
	for _, r := range held {
		c.reserve(nil, r, 0)
	}
	if c.buffered.all != 0 || c.buffered.anonymous != 0 || len(c.buffered.each) != 0 {
		t.Errorf("%+v", c.buffered)
	}
	// A message that is larger than its caller's part is taken where there is no other.
	reserve(address("a"), 10*one, true)
	reserve(address("a"), 1, false)
}

// A released slot goes to the first waiter that has not given up.
func TestWaitForSlot(t *testing.T) {
	var slots inFlight
	who := runner{address: "a"}
	if !slots.acquire(who, 1, nil) {
		t.Fatal("no slot")
	}
	waits := func() int {
		slots.mu.Lock()
		defer slots.mu.Unlock()
		return len(slots.waiting[who])
	}
	gone, granted := make(chan struct{}), make(chan string, 3)
	for i, name := range []string{"first", "second", "third"} {
		go func() {
			done := make(chan struct{})
			if name == "second" {
				done = gone
			}
			if slots.acquire(who, 1, done) {
				granted <- name
			} else {
				granted <- "gone"
			}
		}()
		for waits() != i+1 {
			time.Sleep(time.Millisecond)
		}
	}
	close(gone)
	if got := <-granted; got != "gone" {
		t.Error(got)
	}
	for _, want := range []string{"first", "third"} {
		slots.release(who)
		if got := <-granted; got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
	slots.release(who)
	if len(slots.count) != 0 || len(slots.waiting) != 0 {
		t.Errorf("%+v", &slots)
	}
}
