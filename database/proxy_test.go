package database_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy stands between the pool and PostgreSQL, and counts what goes by.
type proxy struct {
	// URL is the database's, through the proxy.
	URL string

	mu      sync.Mutex
	turns   int          // times the client spoke after the server had: round trips
	message map[byte]int // messages of the client by type, as in pgproto3
	starts  int          // connections that have begun, those that cancel among them
	conns   map[net.Conn]struct{}

	// held, while locked, holds back what clients say, but for the first message of a connection.
	held sync.Mutex
}

// newProxy listens in front of the PostgreSQL of target.
func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	address := u.Host
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{message: map[byte]int{}, conns: map[net.Conn]struct{}{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", address)
			if err != nil {
				client.Close()
				continue
			}
			p.mu.Lock()
			p.conns[client], p.conns[server] = struct{}{}, struct{}{}
			p.mu.Unlock()
			spoke := new(bool) // the server spoke last
			running.Go(func() { p.fromClient(client, server, spoke) })
			running.Go(func() { p.fromServer(server, client, spoke) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		p.hangUp()
		running.Wait()
	})
	u.Host = listener.Addr().String()
	p.URL = u.String()
	return p
}

// hangUp closes all connections without a word.
func (p *proxy) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close()
	}
	clear(p.conns)
}

// reset forgets what was counted.
func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turns = 0
	clear(p.message)
}

// started returns how many connections have begun.
func (p *proxy) started() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starts
}

// count returns the round trips, and how many messages of a type there were.
func (p *proxy) count(kind byte) (turns, messages int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.turns, p.message[kind]
}

func (p *proxy) fromServer(server, client net.Conn, spoke *bool) {
	defer client.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		*spoke = true
		p.mu.Unlock()
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) fromClient(client, server net.Conn, spoke *bool) {
	defer server.Close()
	header := make([]byte, 5)
	incoming := bufio.NewReaderSize(client, 64<<10)
	var outgoing []byte
	for started := false; ; started = true {
		// The first message has no type.
		from := 0
		if !started {
			from = 1
		}
		if _, err := io.ReadFull(incoming, header[from:]); err != nil {
			return
		}
		body := make([]byte, int(binary.BigEndian.Uint32(header[1:]))-4)
		if _, err := io.ReadFull(incoming, body); err != nil {
			return
		}
		if started {
			p.held.Lock()
		}
		p.mu.Lock()
		if *spoke {
			p.turns++
			*spoke = false
		}
		if started {
			p.message[header[0]]++
			p.held.Unlock()
		} else {
			p.starts++
		}
		p.mu.Unlock()
		outgoing = append(append(outgoing, header[from:]...), body...)
		if incoming.Buffered() > 0 {
			continue // what came in one write goes out in one, so that PostgreSQL does not answer the half of it
		}
		if _, err := server.Write(outgoing); err != nil {
			return
		}
		outgoing = outgoing[:0]
	}
}
