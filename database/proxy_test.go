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

// proxy forwards between the pool and PostgreSQL, and counts messages.
type proxy struct {
	// URL is the database's connection string through the proxy.
	URL string

	mu      sync.Mutex
	turns   int          // round trips: the client's sends after the server's
	message map[byte]int // the client's messages by type, as in pgproto3
	starts  int          // new connections, including those that cancel
	conns   map[net.Conn]struct{}

	// held, while locked, holds back the clients' messages, except the first of a connection.
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
			spoke := new(bool) // the last message was the server's
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

// hangUp closes all connections silently.
func (p *proxy) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close()
	}
	clear(p.conns)
}

// reset sets the counts to zero.
func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turns = 0
	clear(p.message)
}

// started returns the number of connections that have begun.
func (p *proxy) started() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starts
}

// count returns the round trips, and the number of messages of a type.
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
		// The first message has no type byte.
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
			continue // what was read at once is written at once, so that PostgreSQL never answers a part of it
		}
		if _, err := server.Write(outgoing); err != nil {
			return
		}
		outgoing = outgoing[:0]
	}
}
