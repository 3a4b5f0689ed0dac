//go:build services

package drills_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"usergraph/internal/pgtest"
)

// memoryLimit is what fly.toml gives a server on a machine of 256 MB.
const memoryLimit = "GOMEMLIMIT=230MiB"

// What sockets may make a server of that size keep, whatever they send.
const (
	floodResident   = 180 * mb
	floodHeap       = 20 << 20 // more than before, after a collection
	floodGoroutines = 4        // of each socket that floods: the reader, the writer, and what is starting or ending
)

// frame is a masked frame of a websocket: 1 is text, 0 a continuation, 9 a ping, and 0x80 says that it is the last one.
func frame(first byte, payload string) string {
	header := []byte{first, 0x80 | byte(len(payload))}
	switch {
	case len(payload) >= 1<<16:
		panic("no message of a drill is so long")
	case len(payload) > 125:
		header = []byte{first, 0x80 | 126, byte(len(payload) >> 8), byte(len(payload))}
	}
	return string(append(header, 0, 0, 0, 0)) + payload // the mask
}

// upgraded is a connection that has become a websocket, from another address of this machine. Its system keeps few answers.
func upgraded(s *server, ip string) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}, Timeout: timeout}
	conn, err := dialer.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		return nil, err
	}
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	fmt.Fprint(conn, "GET /graphql HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n")
	_ = conn.SetReadDeadline(time.Now().Add(timeout))
	var head strings.Builder
	for one := make([]byte, 1); !strings.HasSuffix(head.String(), "\r\n\r\n"); {
		if _, err := conn.Read(one); err != nil {
			return conn, fmt.Errorf("%q: %w", head.String(), err)
		}
		head.Write(one)
	}
	if !strings.HasPrefix(head.String(), "HTTP/1.1 101 ") {
		return conn, fmt.Errorf("%s", head.String())
	}
	return conn, nil
}

// flood is what many sockets do until it ends.
type flood struct {
	pause   chan struct{} // closed when nothing more is sent
	stop    chan struct{} // closed when the sockets are
	sending sync.WaitGroup
}

// begin has sockets send first and then, again and again, what again returns. Those that the server closes are opened again.
func (f *flood) begin(s *server, ip string, sockets int, first string, again func(n int) string, pause time.Duration) {
	for range sockets {
		f.sending.Go(func() {
			for {
				conn, err := upgraded(s, ip)
				if err == nil {
					_, err = io.WriteString(conn, first)
				}
				for rest, n := "", 0; err == nil; {
					select {
					case <-f.stop:
						conn.Close()
						return
					case <-time.After(pause):
					case <-f.pause:
						<-f.stop
						continue
					}
					if rest == "" {
						rest = again(n)
						n++
					}
					_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
					var sent int
					sent, err = io.WriteString(conn, rest)
					rest = rest[sent:]
					if errors.Is(err, os.ErrDeadlineExceeded) {
						err = nil // the server does not read
					}
				}
				if conn != nil {
					conn.Close()
				}
				select {
				case <-f.stop:
					return
				case <-f.pause:
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}
}

const initMessage = `{"type":"connection_init"}`

// socketFloods are what sockets do at default settings, without a token.
var socketFloods = []struct {
	name    string
	sockets int
	first   string
	again   func(n int) string
	pause   time.Duration
}{
	{"refused, and never read", 3, frame(0x81, initMessage), func(n int) string {
		return strings.Repeat(frame(0x81, `{"id":"1","type":"subscribe","payload":{"query":"{a}","variables":{"a":[[[[[[[[]]]]]]]]}}}`), 1000)
	}, time.Microsecond},
	{"invalid, and never read", 30, frame(0x81, initMessage), func(n int) string {
		var many strings.Builder
		for i := range 300 {
			many.WriteString(frame(0x81, fmt.Sprintf(`{"id":"%d-%d","type":"subscribe","payload":{"query":"{ nothing }"}}`, n, i)))
		}
		return many.String()
	}, time.Microsecond},
	{"run, and never read", 30, frame(0x81, initMessage), func(n int) string {
		var many strings.Builder
		for i := range 100 {
			many.WriteString(frame(0x81, fmt.Sprintf(`{"id":"%d-%d","type":"subscribe","payload":{"query":"{ a%s: __typename }"}}`, n, i, strings.Repeat("x", 1000))))
		}
		return many.String()
	}, time.Microsecond},
	{"long pings, and never read", 30, frame(0x81, initMessage), func(n int) string {
		return frame(0x81, `{"type":"ping","payload":{"x":"`+strings.Repeat("x", 60_000)+`"}}`)
	}, time.Microsecond},
	{"begun, with pings", 1500, frame(0x81, initMessage) + frame(0x01, strings.Repeat("x", 65_000)), func(int) string {
		return frame(0x8a, "") + frame(0x89, "")
	}, time.Second},
	{"begun before connection_init", 1500, frame(0x01, strings.Repeat("x", 20_000)), func(int) string {
		return frame(0x00, "x")
	}, time.Second},
	{"begun in tiny fragments", 500, frame(0x81, initMessage) + frame(0x01, "x"), func(int) string {
		return strings.Repeat(frame(0x00, "x"), 10)
	}, 100 * time.Millisecond},
}

// Sockets of strangers that never read, or never end what they say, take little of a small server, which answers meanwhile.
// The short form has every third kind; package endpoint tests all of them, without a process around it.
func TestSocketFloods(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 20)
	for i, kind := range socketFloods {
		if testing.Short() && i%3 > 0 {
			continue
		}
		t.Run(kind.name, func(t *testing.T) {
			s := start(t, append(around.settings(fresh.URL), memoryLimit)...)
			before := s.warm(t, around.callers)
			f := &flood{pause: make(chan struct{}), stop: make(chan struct{})}
			f.begin(s, "127.0.0.2", kind.sockets, kind.first, kind.again, kind.pause)
			most := holding{}
			asked := begin(t, s.url, around.callers, 2)
			// Longer than the server waits for a client, so that sockets are cut off and come again.
			for began := time.Now(); time.Since(began) < 15*time.Second; time.Sleep(500 * time.Millisecond) {
				now := s.holds(t)
				most = holding{max(most.goroutines, now.goroutines), max(most.files, now.files), max(most.heap, now.heap), max(most.resident, now.resident)}
			}
			asked.more(t, 5)
			asked.onlyCodes(t)
			// While nobody allocates, what is allocated lives.
			close(f.pause)
			live := math.MaxInt
			for range 3 {
				time.Sleep(time.Second)
				live = min(live, s.holds(t).heap)
			}
			t.Logf("before: %s; at most: %s; live: %.1f MB", before, most, float64(live)/1e6)
			// An idle socket is a goroutine and, of its heap and stack, some 10 KB.
			if most.resident > floodResident+20_000*kind.sockets {
				t.Errorf("%d bytes are resident", most.resident)
			}
			if live > before.heap+floodHeap+10_000*kind.sockets {
				t.Errorf("%d bytes live", live)
			}
			if most.goroutines > before.goroutines+moreGoroutines+200+floodGoroutines*kind.sockets {
				t.Errorf("%d goroutines", most.goroutines)
			}
			close(f.stop)
			f.sending.Wait()
			s.letsGo(t, before)
		})
	}
}
