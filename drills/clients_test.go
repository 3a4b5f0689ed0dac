//go:build services

package drills_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5"

	"usergraph/internal/pgtest"
)

// manySockets is how many sockets and connections idle. A client has 28,000 ports by default.
const manySockets = 10_000

// slowClients keep a connection for as long as they are let.
var slowClients = []struct {
	name         string
	count        int
	first, again string // what is sent, at once and every pause; TOKEN is a caller's
	pause        time.Duration
}{
	{"send headers slowly", 500, "POST /graphql HTTP/1.1\r\nHost: a\r\nX-Slow: ", "x", time.Second},
	{"send a body slowly", 500, "POST /graphql HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", " ", time.Second},
	// About 50 answers fill the buffers between client and server.
	{"read no answers", 20, "", "GET /graphql?query=%7B__schema%7Btypes%7Bname%20description%20fields%7Bname%20description%20args%7Bname%20description%7D%7D%7D%7D%7D HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer TOKEN\r\nApollo-Require-Preflight: 1\r\n\r\n", 0},
}

// Clients that are as slow as they can are dropped, and disturb nobody meanwhile.
func TestSlowClients(t *testing.T) {
	t.Parallel() // it is mostly waiting
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 20)
	s := start(t, append(around.settings(fresh.URL), "REQUEST_TIMEOUT=1s")...)
	before := s.warm(t, around.callers)
	dropped := make(chan error, 2000)
	total, began := 0, time.Now()
	for _, kind := range slowClients {
		for n := range kind.count {
			total++
			fill := strings.NewReplacer("TOKEN", around.callers[n%len(around.callers)].token)
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
				t.Fatal(err)
			}
			go func() {
				_ = conn.SetWriteDeadline(time.Now().Add(3 * timeout))
				_, err := io.WriteString(conn, fill.Replace(kind.first))
				for again := fill.Replace(kind.again); err == nil; time.Sleep(kind.pause) {
					_, err = io.WriteString(conn, again)
				}
				if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
					err = nil // the server has hung up
				}
				dropped <- fmt.Errorf("%s: %w", kind.name, err) // wraps nil if all is well
			}()
		}
	}
	asked := begin(t, s.url, around.callers, 8)
	asked.more(t, 500)
	asked.onlyCodes(t)
	last := map[string]time.Duration{}
	for range total {
		err := <-dropped
		name, _, _ := strings.Cut(err.Error(), ":")
		if errors.Unwrap(err) != nil {
			t.Fatal("a slow client is still connected: ", err)
		}
		last[name] = time.Since(began).Round(time.Second)
	}
	t.Logf("the last was dropped after: %v", last)
	s.letsGo(t, before)
}

// Thousands of connections that say nothing cost a descriptor each, and no answers. A second crowd leaves no more behind
// than the first: Go keeps descriptions of as many goroutines as there have been, for the next ones.
func TestIdleConnections(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 20)
	s := start(t, around.settings(fresh.URL)...)
	t.Log("before: ", s.warm(t, around.callers))
	crowd := func() {
		conns := make([]net.Conn, manySockets)
		for n := range conns {
			var err error
			if conns[n], err = net.Dial("tcp", strings.TrimPrefix(s.url, "http://")); err != nil {
				t.Fatal(err)
			}
		}
		asked := begin(t, s.url, around.callers, 8)
		asked.more(t, 200)
		asked.onlyCodes(t)
		for _, conn := range conns {
			conn.Close()
		}
	}
	s.leavesNothing(t, crowd)
}

// Thousands of subscribers who hear nothing cost memory, which is given back, and no answers.
func TestIdleSockets(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 200)
	s := start(t, around.settings(fresh.URL)...)
	t.Log("before: ", s.warm(t, around.callers))
	crowd := func() {
		began := time.Now()
		many := subscribe(t, s.url, around.callers, manySockets)
		t.Logf("%d subscriptions after %s: %s", manySockets, time.Since(began).Round(100*time.Millisecond), s.holds(t))
		if open := s.metric(t, "usergraph_subscriptions_open"); open != manySockets {
			t.Errorf("%d subscriptions are open", open)
		}
		asked := begin(t, s.url, around.callers, 8)
		asked.more(t, 500)
		asked.onlyCodes(t)
		if open := many.stillOpen(); open != manySockets {
			t.Errorf("%d sockets are still open: %v", open, many.ended)
		}
		many.hangUp()
	}
	s.leavesNothing(t, crowd)
}

// The server is told to stop while sockets are open and requests wait for PostgreSQL: sockets are told to come back, the
// requests are answered, and the other replica takes them all.
func TestServerStops(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 50)
	settings := append(around.settings(fresh.URL), "DRAIN_DELAY=1s")
	s, other := start(t, settings...), start(t, settings...)
	s.warm(t, around.callers)
	before := other.warm(t, around.callers)
	open := subscribe(t, s.url, around.callers, 500)

	ctx := context.Background()
	conn, err := pgx.Connect(ctx, fresh.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "lock table public.users"); err != nil {
		t.Fatal(err)
	}
	const waiting = 10
	answers := make(chan error, waiting)
	for n := range waiting {
		go func() { answers <- works(ctx, s.url, around.callers[n]) }()
	}
	eventually(t, "requests wait for PostgreSQL", func() error {
		count, err := waitingForLocks(ctx, tx)
		if err == nil && count < waiting {
			err = fmt.Errorf("%d", count)
		}
		return err
	})
	told := time.Now()
	s.signal(t, syscall.SIGTERM)
	eventually(t, "the sockets are told to come back", func() error { return open.closed(websocket.StatusGoingAway) })
	t.Logf("all sockets had 1001 %s after SIGTERM, with DRAIN_DELAY=1s", time.Since(told).Round(10*time.Millisecond))
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	for range waiting {
		if err := <-answers; err != nil {
			t.Error("a request that had begun: ", err)
		}
	}
	s.waitForEnd(t)

	back := subscribe(t, other.url, around.callers, 500)
	back.hangUp()
	other.letsGo(t, before)
}
