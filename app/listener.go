package app

import (
	"container/list"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

const (
	// maxReading is how many connections may have begun a header that is not whole. Each takes up to 75 KB, which is 38 MB of
	// the 256 MB that fly.toml has.
	maxReading = 512
	// maxSilent is how many connections may be open without a request: new ones, and those that clients keep for the next
	// request. Each takes some 7 KB, which is 57 MB. Websockets and requests that run have limits of their own.
	maxSilent = 8192
)

// boundedListener closes the connection that has been silent, or has been reading a header, for longest when there are too
// many of that kind. So a flood closes its own connections. A header that comes whole with its first read is not counted: even
// if the system lets its goroutine wait, nobody gives it up.
type boundedListener struct {
	net.Listener

	mu              sync.Mutex
	silent, reading list.List // of *boundedConn, in the order in which they became so
}

// boundedConn is a connection of net/http, which tells ConnState when a header is whole, and not when it begins.
type boundedConn struct {
	*net.TCPConn
	listener *boundedListener
	stage    atomic.Int32

	in    *list.List    // nil while a request runs, and after that of a websocket. Under listener.mu
	place *list.Element // in it
}

// The stages of a connection, as far as Read must know them.
const (
	counted int32 = iota // or its request runs
	silent
	begun // the first read of a header has returned; if there is a second one, the header was not whole
)

// bound makes server accept connections of a listener, with bounds.
func bound(server *http.Server, listener net.Listener) net.Listener {
	bounded := &boundedListener{Listener: listener}
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		c, ok := conn.(*boundedConn)
		if !ok {
			return
		}
		if state == http.StateNew || state == http.StateIdle {
			c.stage.Store(silent)
			bounded.move(c, &bounded.silent, maxSilent)
		} else {
			c.stage.Store(counted)
			bounded.move(c, nil, 0)
		}
	}
	return bounded
}

func (l *boundedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		return &boundedConn{TCPConn: tcp, listener: l}, err
	}
	return conn, err
}

func (c *boundedConn) Read(into []byte) (int, error) {
	if c.stage.CompareAndSwap(begun, counted) {
		c.listener.move(c, &c.listener.reading, maxReading)
	}
	read, err := c.TCPConn.Read(into)
	if read > 0 {
		c.stage.CompareAndSwap(silent, begun)
	}
	return read, err
}

// move puts a connection at the end of a list, or of none, and closes the first of more than atMost.
func (l *boundedListener) move(c *boundedConn, to *list.List, atMost int) {
	l.mu.Lock()
	c.leave()
	var oldest *boundedConn
	if to != nil {
		c.in, c.place = to, to.PushBack(c)
		if to.Len() > atMost {
			oldest = to.Front().Value.(*boundedConn)
			oldest.leave()
		}
	}
	l.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close()
	}
}

// leave takes a connection out of its list. The listener is locked.
func (c *boundedConn) leave() {
	if c.in != nil {
		c.in.Remove(c.place)
		c.in, c.place = nil, nil
	}
}
