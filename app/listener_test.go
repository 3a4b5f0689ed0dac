package app

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// newBounded serves "ok" behind the bounds.
func newBounded(t *testing.T) (*boundedListener, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/websocket" {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			go func() { _, _ = io.Copy(conn, conn) }() // an echo, without WriteTo's way around Read
			return
		}
		fmt.Fprint(w, "ok")
	})}
	bounded := bound(server, listener).(*boundedListener)
	go func() { _ = server.Serve(bounded) }()
	t.Cleanup(func() { server.Close() })
	return bounded, listener.Addr().String()
}

// dial sends a text on a connection of its own.
func dial(t *testing.T, address, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// ok wants the answer to what was sent.
func ok(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "ok" {
		t.Fatalf("%s %v", body, err)
	}
}

// closed wants the server to have closed a connection.
func closed(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	_, err := conn.Read(make([]byte, 1))
	if timeout, isTimeout := err.(net.Error); err == nil || isTimeout && timeout.Timeout() {
		t.Errorf("it is open: %v", err)
	}
}

// counts waits until so many connections are silent and reading.
func (l *boundedListener) counts(t *testing.T, silent, reading int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		l.mu.Lock()
		gotSilent, gotReading := l.silent.Len(), l.reading.Len()
		l.mu.Unlock()
		if gotSilent == silent && gotReading == reading {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d are silent, %d are reading, not %d and %d", gotSilent, gotReading, silent, reading)
		}
	}
}

const (
	wholeRequest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	begunRequest = "GET / HTTP/1.1\r\nHo"
)

// A connection counts by what it does, on its first request and on a later one.
func TestConnectionsAreCounted(t *testing.T) {
	l, address := newBounded(t)
	var conns []net.Conn
	silent, reading := 0, 0
	for _, step := range []struct {
		text            string
		silent, reading int // more
	}{
		{"", 1, 0},
		{"G", 0, 1},
		{begunRequest, 0, 1},
		{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nbo", 0, 0}, // a body has bounds of its own
		{wholeRequest, 1, 0},
		{wholeRequest + wholeRequest, 1, 0},
		{"GET /websocket HTTP/1.1\r\nHost: x\r\n\r\n", 0, 0},
	} {
		conns = append(conns, dial(t, address, step.text))
		silent, reading = silent+step.silent, reading+step.reading
		l.counts(t, silent, reading)
	}
	_, _ = io.WriteString(conns[4], "GET") // the second request of a connection
	l.counts(t, silent-1, reading+1)
	_, _ = io.WriteString(conns[4], " / HTTP/1.1\r\nHost: x\r\n\r\n")
	l.counts(t, silent, reading)
	_, _ = io.WriteString(conns[6], "hello") // on what became a websocket
	if _, err := io.ReadFull(conns[6], make([]byte, 5)); err != nil {
		t.Error(err)
	}
	l.counts(t, silent, reading)
	_, _ = io.WriteString(conns[0], "nonsense\r\n\r\n") // 400, and the end
	l.counts(t, silent-1, reading)
	for _, conn := range conns {
		conn.Close()
	}
	l.counts(t, 0, 0)
}

// Of too many headers that do not end the oldest is given up. Whoever sends whole ones is answered meanwhile, on a new
// connection or an old one.
func TestHeadersThatDoNotEnd(t *testing.T) {
	l, address := newBounded(t)
	kept := dial(t, address, wholeRequest)
	ok(t, kept)
	var slow []net.Conn
	for i := range maxReading + 100 {
		slow = append(slow, dial(t, address, begunRequest))
		l.counts(t, 1, min(i+1, maxReading))
	}
	for _, conn := range slow[:100] {
		closed(t, conn)
	}
	_, _ = io.WriteString(kept, wholeRequest)
	ok(t, kept)
	ok(t, dial(t, address, wholeRequest)) // it takes nobody's place
	for _, conn := range slow[100:] {
		_, _ = io.WriteString(conn, "st: x\r\n\r\n")
		ok(t, conn)
	}
}

// A header that is there with the first read is not counted, however long its goroutine takes to parse it.
func TestWholeHeadersAreNotCounted(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bounded := bound(new(http.Server), listener)
	defer bounded.Close()
	dial(t, listener.Addr().String(), wholeRequest)
	accepted, err := bounded.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	c := accepted.(*boundedConn)
	c.stage.Store(silent)
	if read, err := c.Read(make([]byte, 4<<10)); read != len(wholeRequest) || err != nil || c.in != nil {
		t.Errorf("%d bytes %v, in a list: %v", read, err, c.in != nil)
	}
}

// Of too many connections without a request the oldest is given up.
func TestSilentConnections(t *testing.T) {
	var l boundedListener
	conn := func() *boundedConn {
		server, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		tcp, err := net.Dial("tcp", server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tcp.Close() })
		return &boundedConn{TCPConn: tcp.(*net.TCPConn), listener: &l}
	}
	first, second, third := conn(), conn(), conn()
	for _, c := range []*boundedConn{first, second, first, third} { // the first was used meanwhile
		l.move(c, &l.silent, 2)
	}
	for c, want := range map[*boundedConn]bool{first: true, second: false, third: true} {
		if open := c.SetDeadline(time.Now()) == nil; open != want || (c.in != nil) != want {
			t.Errorf("open: %v, want %v", open, want)
		}
	}
}
