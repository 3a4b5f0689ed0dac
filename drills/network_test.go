//go:build services

package drills_test

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// network stands between the server and PostgreSQL, and can be slow, swallow everything, or be cut.
type network struct {
	target string

	mu      sync.Mutex
	delay   time.Duration
	hole    chan struct{} // closed when the black hole ends; nil if there is none
	severed bool
	conns   map[net.Conn]struct{}
}

// through returns a database URL by way of a network.
func through(t *testing.T, databaseURL string) (*network, string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{target: u.Host, conns: map[net.Conn]struct{}{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { n.join(client) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		n.mend()
		n.cut()
		running.Wait()
	})
	u.Host = listener.Addr().String()
	return n, u.String()
}

func (n *network) join(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", n.target)
	if err != nil {
		return
	}
	defer server.Close()
	n.mu.Lock()
	severed := n.severed
	n.conns[client], n.conns[server] = struct{}{}, struct{}{}
	n.mu.Unlock()
	if severed {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			n.carry(way[1], way[0])
			way[1].Close()
			way[0].Close()
		})
	}
	both.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.conns, client)
	delete(n.conns, server)
}

// carry copies what is sent, in the state that the network has then.
func (n *network) carry(to io.Writer, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		count, err := from.Read(buffer)
		n.mu.Lock()
		delay, hole := n.delay, n.hole
		n.mu.Unlock()
		time.Sleep(delay)
		if hole != nil {
			<-hole
		}
		if _, writeErr := to.Write(buffer[:count]); err != nil || writeErr != nil {
			return
		}
	}
}

// slow delays everything that is sent from now on.
func (n *network) slow(delay time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delay = delay
}

// swallow lets nothing through, and says so to nobody.
func (n *network) swallow() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hole = make(chan struct{})
}

// mend ends what slow, swallow and cut began. What was swallowed arrives late, as it does after a real black hole.
func (n *network) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hole != nil {
		close(n.hole)
	}
	n.delay, n.hole, n.severed = 0, nil, false
}

// cut ends all connections and lets none through until mend.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.severed = true
	for conn := range n.conns {
		conn.Close()
	}
}
