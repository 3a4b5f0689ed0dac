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

// newQueue is a queue to a client that reads what the test reads, and no more.
func newQueue(t *testing.T, all *held, who quotaKey, timeout time.Duration) (*writeQueue, net.Conn, chan error) {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	failed := make(chan error, 1)
	return &writeQueue{conn: near, timeout: timeout, failed: func(err error) { failed <- err },
		reserve: func(frame *holding, bytes int) bool {
			frame.held, frame.who = all, who
			return frame.resize(bytes)
		}}, far, failed
}

// Frames come in order, each told of once it is written, and the queue keeps nothing afterwards.
func TestQueueOrder(t *testing.T) {
	limits := DefaultLimits()
	all := newHeld(&limits)
	q, client, _ := newQueue(t, all, quotaKey{address: "a"}, time.Minute)
	const frames = 100
	written := make(chan int, frames)
	large := strings.Repeat("x", 10_000)
	for n := range frames {
		if err := q.push(ws.OpText, []byte(large+string(rune('0'+n))), func() { written <- n }); err != nil {
			t.Fatal(err)
		}
	}
	if all.all < frames*10_000-freeBytes {
		t.Errorf("%d bytes are counted", all.all)
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
	if q.writing || q.frames != nil || q.bytes != 0 || all.all != 0 || len(all.each) != 0 {
		t.Errorf("%+v %d %v", q, all.all, all.each)
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
			all := newHeld(&limits)
			q, client, failed := newQueue(t, all, quotaKey{user: uuid.New()}, 100*time.Millisecond)
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
			if all.all != 0 || len(all.each) != 0 || q.frames != nil {
				t.Errorf("%d %v", all.all, all.each)
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
		q, client, _ := newQueue(t, newHeld(&limits), quotaKey{address: "a"}, time.Minute)
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
func TestResize(t *testing.T) {
	limits := DefaultLimits()
	const one = 1 << 20
	limits.HeldBytes = 4 * one
	limits.SignedIn.BodyBytes, limits.SignedIn.ResponseBytes = 0, one
	limits.Anonymous.BodyBytes, limits.Anonymous.ResponseBytes = 0, one
	h := newHeld(&limits)
	address := func(name string) quotaKey { return quotaKey{address: name} }
	user := func(n byte) quotaKey { return quotaKey{user: uuid.UUID{n}} }
	var all []*holding
	resize := func(who quotaKey, bytes int, want bool) *holding {
		t.Helper()
		message := &holding{held: h, who: who}
		if got := message.resize(bytes); got != want {
			t.Fatalf("%v %d: %v", who, bytes, got)
		}
		all = append(all, message)
		return message
	}
	message := resize(address("a"), one-1, true)
	resize(address("a"), 2, false)
	resize(address("a"), 1, true)
	resize(address("b"), one, true)
	resize(address("c"), 1, false) // half is for those who are signed in
	resize(user(1), one, true)
	resize(user(1), 1, false)
	resize(user(2), one-1, true)
	resize(user(3), 2, false) // no more is left
	last := resize(user(3), 1, true)
	answer := &holding{held: h, who: user(4)}
	answer.insist(one) // to a mutation: more than there is room for
	if !message.resize(one/2) || last.resize(2) {
		t.Error("half of one is given back, and there is room for no more")
	}
	answer.release()
	if !last.resize(2) || message.resize(one) {
		t.Error("the room is for who comes first")
	}
	for _, message := range all {
		message.resize(0)
	}
	if h.all != 0 || h.anonymous != 0 || len(h.each) != 0 {
		t.Errorf("%d %d %v", h.all, h.anonymous, h.each)
	}
	// A message that is larger than its caller's part is taken where there is no other, and may grow.
	large := resize(address("a"), 10*one, true)
	resize(address("a"), 1, false)
	if !large.resize(20 * one) {
		t.Error("a large message may not grow")
	}
}

// What a socket has counted belongs to who it is when a message begins, and is given back to them.
func TestReserve(t *testing.T) {
	limits := DefaultLimits()
	all, h := newConnections(&limits), newHeld(&limits)
	s := &socket{transport: &websocketTransport{connections: all}, exec: &executor{held: h}}
	before, after := quotaKey{address: "a"}, quotaKey{user: uuid.New()}
	all.count(s, before)
	var message, next holding
	if !s.reserve(&message, 5000) || h.each[before] != 5000 || h.anonymous != 5000 {
		t.Errorf("%v", h.each)
	}
	if err := all.identify(s, after); err != nil {
		t.Fatal(err)
	}
	if !s.reserve(&message, 9000) || !s.reserve(&next, 3000) || h.each[before] != 9000 || h.each[after] != 3000 || h.anonymous != 9000 {
		t.Errorf("%v", h.each)
	}
	if !s.reserve(&message, 0) || !s.reserve(&message, 4000) || h.each[after] != 7000 || h.anonymous != 0 {
		t.Errorf("%v", h.each)
	}
	if !s.reserve(&message, 0) || !s.reserve(&next, 0) || h.all != 0 || len(h.each) != 0 {
		t.Errorf("%v", h.each)
	}
}

// A released slot goes to the first waiter that has not given up.
func TestWaitForSlot(t *testing.T) {
	var slots inFlight
	who := quotaKey{address: "a"}
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
