package endpoint_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/google/uuid"

	"usergraph/auth"
	"usergraph/endpoint"
)

// masked is a frame of a client.
func masked(code ws.OpCode, fin bool, payload string) string {
	frame := ws.NewFrame(code, fin, []byte(payload))
	return string(ws.MustCompileFrame(ws.MaskFrameInPlaceWith(frame, [4]byte{1, 2, 3, 4})))
}

// subscribeWith is a subscribe message.
func subscribeWith(id, payload string) string {
	return masked(ws.OpText, true, `{"id":"`+id+`","type":"subscribe","payload":`+payload+`}`)
}

// acknowledged is a raw connection that has become a websocket of a user, or of nobody.
func (s *liveServer) acknowledged(t *testing.T, user uuid.UUID) net.Conn {
	t.Helper()
	conn := s.rawUpgrade(t)
	s.initRaw(t, conn, user)
	return conn
}

func (s *liveServer) initRaw(t *testing.T, conn net.Conn, user uuid.UUID) {
	t.Helper()
	payload := "{}"
	if user != uuid.Nil {
		payload = `{"authorization":"Bearer ` + s.issuer.Token(user) + `"}`
	}
	fmt.Fprint(conn, masked(ws.OpText, true, `{"type":"connection_init","payload":`+payload+`}`))
	_ = conn.SetReadDeadline(time.Now().Add(soon))
	ack, err := endpoint.ReadFrame(conn)
	if err != nil || !strings.Contains(ack, "connection_ack") {
		t.Fatal(ack, err)
	}
}

// floods are what a client sends again and again. Each has an answer that it does not read.
var floods = map[string]func(n int) string{
	"too deep": func(n int) string {
		return subscribeWith(fmt.Sprint(n), `{"query":"{a}","variables":{"a":`+strings.Repeat("[", 30)+strings.Repeat("]", 30)+`}}`)
	},
	"too many values": func(n int) string {
		return subscribeWith(fmt.Sprint(n), `{"query":"{a}","extensions":{"a":[`+strings.Repeat("[1,1,1,1,1,1,1,1,1,1],", 1000)+`1]}}`)
	},
	"a long list": func(n int) string {
		return subscribeWith(fmt.Sprint(n), `{"query":"{a}","variables":{"a":[`+strings.Repeat("1,", 1000)+`1]}}`)
	},
	"no document":    func(n int) string { return subscribeWith(fmt.Sprint(n), `{"query":"{"}`) },
	"an invalid one": func(n int) string { return subscribeWith(fmt.Sprint(n), `{"query":"{ nothing }"}`) },
	"a wrong variable": func(n int) string {
		return subscribeWith(fmt.Sprint(n), `{"query":"query($a: Boolean!) { __typename @skip(if: $a) }","variables":{"a":1}}`)
	},
	"no such operation": func(n int) string {
		return subscribeWith(fmt.Sprint(n), `{"query":"{ __typename }","operationName":"x"}`)
	},
	"unknown document": func(n int) string { return subscribeWith(fmt.Sprint(n), `{"documentId":"x"}`) },
	"introspection":    func(n int) string { return subscribeWith(fmt.Sprint(n), `{"query":"{ __schema { types { name } } }"}`) },
	"not allowed": func(n int) string {
		return subscribeWith(fmt.Sprint(n), `{"query":"mutation { updateMe(input: {fullName: \"\"}) { id } }"}`)
	},
	"a query":        func(n int) string { return subscribeWith(fmt.Sprint(n), `{"query":"{ __typename }"}`) },
	"a large answer": func(n int) string { return subscribeWith(fmt.Sprint(n), `{"query":"{ `+largeAnswer+` }"}`) },
	"a subscription": func(n int) string {
		return subscribeWith(fmt.Sprint(n), `{"query":"subscription { me { fullName } }"}`)
	},
	"one id":        func(n int) string { return subscribeWith("1", `{"query":"{`+strings.Repeat(" ", n%2)+`"}`) },
	"one id, begun": func(n int) string { return subscribeWith("1", `{"query":"{ __typename }"}`) },
	"begun and ended": func(n int) string {
		return subscribeWith("1", `{"query":"{ __typename }"}`) + masked(ws.OpText, true, `{"id":"1","type":"complete"}`)
	},
	"a ping": func(n int) string { return masked(ws.OpText, true, `{"type":"ping"}`) },
	"a long ping": func(n int) string {
		return masked(ws.OpText, true, `{"type":"ping","payload":{"a":"`+strings.Repeat("x", 60_000)+`"}}`)
	},
	"a ping frame": func(n int) string { return masked(ws.OpPing, true, strings.Repeat("x", 125)) },
	"fragments of a one": func(n int) string {
		return masked(ws.OpText, false, `{"type"`) + masked(ws.OpPing, true, "") + masked(ws.OpContinuation, true, `:"ping"}`)
	},
}

// largeAnswer has some 20 KB.
var largeAnswer = func() string {
	var fields strings.Builder
	for i := range 10 {
		fmt.Fprintf(&fields, "a%d%s: __typename ", i, strings.Repeat("x", 2000))
	}
	return fields.String()
}()

const (
	floodSockets = 3
	// floodBytes are more than the system keeps of answers to them; a goroutine for each was hundreds of megabytes.
	floodBytes = 8 << 20
	// floodGoroutines: of each socket the reader, the writer and one that is starting or ending; of a caller the operations
	// that run, which a moment later do not. For each of them the goroutine of another one may be about to end.
	floodGoroutines = 3*floodSockets + 5
	runningAtOnce   = 100 + 32
	floodHeap       = 12 << 20
)

// What a client sends that does not read its answers, or reads them slowly, is not read once enough of them are on their way.
// The short form is a third: of nobody, who does not read.
func TestFloods(t *testing.T) {
	for _, who := range []struct {
		name string
		user uuid.UUID
	}{{"nobody", uuid.Nil}, {"ada", ada}} {
		for name, message := range floods {
			for _, slowly := range []bool{false, true} {
				if signedIn := who.user != uuid.Nil; signedIn && slowly || testing.Short() && (signedIn || slowly) {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/reads slowly %v", who.name, name, slowly), func(t *testing.T) {
					s := newLiveServer(t, func(o *endpoint.Options) {
						o.Hurry(soon, soon, soon, soon)
						admitted := 0
						var mu sync.Mutex
						o.Admit = func(ctx context.Context) (time.Duration, bool) { // each third is one too many
							mu.Lock()
							defer mu.Unlock()
							admitted++
							claims, _ := auth.FromContext(ctx)
							return time.Second, admitted%3 != 0 || claims != nil && claims.UserID == bob
						}
					})
					conns := make([]net.Conn, floodSockets)
					for i := range conns {
						conns[i] = s.acknowledged(t, who.user)
						_ = conns[i].(*net.TCPConn).SetReadBuffer(4 << 10)
					}
					var text strings.Builder
					for n := 0; text.Len() < 64<<10; n++ {
						text.WriteString(message(n))
					}
					before, heap := runtime.NumGoroutine(), heapInUse()
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					var slow, flooding sync.WaitGroup
					for _, conn := range conns {
						if slowly {
							slow.Go(func() { readSlowly(ctx, conn) })
						}
						flooding.Go(func() { flood(conn, text.String()) })
					}
					done := make(chan struct{})
					go func() { flooding.Wait(); close(done) }()
					peak, own := 0, 2*floodSockets+1
					for running := true; running; {
						select {
						case <-done:
							running = false
						case <-time.After(5 * time.Millisecond):
						}
						peak = max(peak, runtime.NumGoroutine()-before-own)
					}
					if peak > floodGoroutines+2*runningAtOnce && name != "introspection" { // which has one for each type that it lists
						t.Errorf("%d goroutines at once", peak)
					}
					most := floodGoroutines + floodSockets
					if slowly { // operations go on, as answers are taken
						most += runningAtOnce
					}
					s.until("operations end", func() bool { return runtime.NumGoroutine()-before <= most })
					s.until("memory is given back", func() bool { return int64(heapInUse())-int64(heap) <= floodHeap })
					// Others notice nothing.
					c := s.connect(bob)
					c.subscribe("1")
					c.expect(next("1", "Bob"))
					cancel()
					for _, conn := range conns {
						conn.Close()
					}
					slow.Wait()
					s.until("all are gone", func() bool { return s.handler.Connections() == 1 })
					s.until("nothing is counted but Bob's subscription", func() bool {
						_, callers := s.handler.Held()
						return callers == 1
					})
				})
			}
		}
	}
}

// flood writes a text again and again, until floodBytes are sent, the connection is closed, or nothing goes any more.
func flood(conn net.Conn, text string) {
	for sent := 0; sent < floodBytes; {
		_ = conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := io.WriteString(conn, text)
		if err != nil {
			return
		}
		sent += n
	}
}

func readSlowly(ctx context.Context, conn net.Conn) {
	few := make([]byte, 500)
	_ = conn.SetReadDeadline(time.Time{})
	for ctx.Err() == nil {
		if _, err := conn.Read(few); err != nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// A client that takes nothing for the time that it has is cut off, and so is one that asked for a ping's answer in between.
func TestFloodsAreCutOff(t *testing.T) {
	s := newLiveServer(t, func(o *endpoint.Options) { o.Hurry(soon, 50*time.Millisecond, soon, 500*time.Millisecond) })
	for _, name := range []string{"no document", "a large answer", "a long ping", "a ping frame"} {
		var text strings.Builder
		for n := 0; text.Len() < 64<<10; n++ {
			text.WriteString(floods[name](n))
		}
		conn := s.acknowledged(t, uuid.Nil)
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		go func() {
			for deadline := time.Now().Add(soon); time.Now().Before(deadline); {
				if _, err := io.WriteString(conn, text.String()); err != nil {
					return
				}
			}
		}()
		s.until(name+" is cut off", func() bool { return s.handler.Connections() == 0 })
	}
}

// A client that reads has all answers, however many it asks for before it reads the first: each once, and none is lost.
func TestFloodIsAnswered(t *testing.T) {
	s := newLiveServer(t)
	conn := s.acknowledged(t, ada)
	const questions = 2000
	go func() {
		for n := range questions {
			_, _ = io.WriteString(conn, subscribeWith(fmt.Sprint(n), `{"query":"{"}`))
		}
	}()
	answers := map[string]bool{}
	for range questions {
		_ = conn.SetReadDeadline(time.Now().Add(soon))
		frame, err := endpoint.ReadFrame(conn)
		if err != nil {
			t.Fatal(len(answers), err)
		}
		answers[frame] = true
	}
	if len(answers) != questions {
		t.Errorf("%d different answers", len(answers))
	}
}

// unfinished are messages that a client begins and never ends: what it sends at once, and then again and again.
var unfinished = map[string]struct{ first, again string }{
	"a byte":                           {first: "\x81"},
	"half a header":                    {first: "\x81\xfe\x10"},
	"a frame":                          {first: masked(ws.OpText, true, strings.Repeat("x", 5000))[:4000]},
	"a short frame":                    {first: masked(ws.OpText, true, `{"type":"ping"}`)[:12]},
	"a frame, byte by byte":            {first: masked(ws.OpText, true, strings.Repeat("x", 5000))[:20], again: "x"},
	"the first fragment":               {first: masked(ws.OpText, false, strings.Repeat("x", 5000))},
	"an empty fragment":                {first: masked(ws.OpText, false, "")},
	"fragments":                        {first: masked(ws.OpText, false, "x"), again: masked(ws.OpContinuation, false, "x")},
	"empty fragments":                  {first: masked(ws.OpText, false, ""), again: masked(ws.OpContinuation, false, "")},
	"a fragment, then pings":           {first: masked(ws.OpText, false, "x"), again: masked(ws.OpPing, true, "x")},
	"a fragment, then pongs":           {first: masked(ws.OpText, false, "x"), again: masked(ws.OpPong, true, "")},
	"a fragment, then half a ping":     {first: masked(ws.OpText, false, "x") + masked(ws.OpPing, true, "xx")[:7]},
	"half a fragment of a second":      {first: masked(ws.OpText, false, "x") + masked(ws.OpContinuation, true, "xx")[:7]},
	"a ping":                           {first: masked(ws.OpPing, true, "xx")[:7]},
	"a close":                          {first: masked(ws.OpClose, true, "\x03\xe8")[:7]},
	"a message, and another begun":     {first: masked(ws.OpText, true, `{"type":"pong"}`) + masked(ws.OpText, false, "x"), again: masked(ws.OpPong, true, "")},
	"a ping, and a message begun":      {first: masked(ws.OpPing, true, "") + "\x81", again: ""},
	"fragments with pings in between":  {first: masked(ws.OpText, false, "x"), again: masked(ws.OpPing, true, "") + masked(ws.OpContinuation, false, "x")},
	"fragments with pongs and nothing": {first: masked(ws.OpText, false, ""), again: masked(ws.OpPong, true, "") + masked(ws.OpContinuation, false, "")},
}

// A message that has begun must end in time, whatever comes meanwhile.
func TestUnfinishedMessages(t *testing.T) {
	s := newLiveServer(t, func(o *endpoint.Options) { o.Hurry(10*soon, soon, soon, 300*time.Millisecond) })
	for state, prepare := range map[string]func(*testing.T) net.Conn{
		"before connection_init": func(t *testing.T) net.Conn { return s.rawUpgrade(t) },
		"nobody":                 func(t *testing.T) net.Conn { return s.acknowledged(t, uuid.Nil) },
		"ada":                    func(t *testing.T) net.Conn { return s.acknowledged(t, ada) },
	} {
		for name, test := range unfinished {
			t.Run(state+"/"+name, func(t *testing.T) {
				t.Parallel()
				conn := prepare(t)
				fmt.Fprint(conn, test.first)
				ended := make(chan struct{})
				defer func() { <-ended }()
				go func() {
					defer close(ended)
					for test.again != "" {
						if _, err := io.WriteString(conn, test.again); err != nil {
							return
						}
						time.Sleep(10 * time.Millisecond)
					}
				}()
				_ = conn.SetReadDeadline(time.Now().Add(soon))
				var got strings.Builder
				if _, err := io.Copy(&got, conn); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("the socket is still open")
				}
				conn.Close()
				if !strings.Contains(got.String(), "\x11\x38") { // 4408
					t.Errorf("closed without 4408: %q", got.String())
				}
			})
		}
	}
}

// Only an unfinished message has a deadline: what is idle between two messages, or ends them in time, stays.
func TestFinishedMessages(t *testing.T) {
	const timeout = 300 * time.Millisecond
	s := newLiveServer(t, func(o *endpoint.Options) { o.Hurry(soon, soon, soon, timeout) })
	for name, message := range map[string][]string{
		"whole":           {masked(ws.OpText, true, `{"type":"ping"}`)},
		"in fragments":    {masked(ws.OpText, false, `{"type"`), masked(ws.OpContinuation, false, `:"ping`), masked(ws.OpContinuation, true, `"}`)},
		"and a pong":      {masked(ws.OpPong, true, ""), masked(ws.OpText, true, `{"type":"ping"}`)},
		"in halves":       {masked(ws.OpText, true, `{"type":"ping"}`)[:9], masked(ws.OpText, true, `{"type":"ping"}`)[9:]},
		"ping in between": {masked(ws.OpText, false, `{"type":"ping"`), masked(ws.OpPong, true, ""), masked(ws.OpContinuation, true, `}`)},
	} {
		conn := s.acknowledged(t, ada)
		for range 3 {
			for _, part := range message {
				fmt.Fprint(conn, part)
				time.Sleep(10 * time.Millisecond)
			}
			_ = conn.SetReadDeadline(time.Now().Add(soon))
			if frame, err := endpoint.ReadFrame(conn); err != nil || frame != `{"type":"pong"}` {
				t.Fatal(name, frame, err)
			}
			time.Sleep(2 * timeout)
		}
	}
}

// What is sent before connection_init is short, and does not grow by fragments.
func TestUnknownClientsSayLittle(t *testing.T) {
	s := newLiveServer(t)
	for name, bytes := range map[string]string{
		"a frame":   masked(ws.OpText, true, strings.Repeat("x", 25<<10)),
		"fragments": masked(ws.OpText, false, strings.Repeat("x", 13<<10)) + masked(ws.OpContinuation, false, strings.Repeat("x", 13<<10)),
	} {
		conn := s.rawUpgrade(t)
		go func() { _, _ = io.WriteString(conn, bytes) }()
		_ = conn.SetReadDeadline(time.Now().Add(soon))
		if frame, err := endpoint.ReadFrame(conn); err != nil || !strings.HasPrefix(frame, "\x03\xf1") { // 1009
			t.Errorf("%s: %q %v", name, frame, err)
		}
	}
}

// from dials from another address of this machine.
func (s *liveServer) from(t *testing.T, ip string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	conn, err := dialer.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	s.upgradeRaw(t, conn)
	return conn
}

// The bytes of unfinished messages have a bound: of an address first, of all who are not signed in, and of all. Half is left to
// those who are.
func TestUnfinishedBytes(t *testing.T) {
	limits := endpoint.DefaultLimits()
	limits.HeldBytes = 32 << 20 // as deployed: 2 MB of an address, 16 MB of all of them
	s := newLiveServer(t, func(o *endpoint.Options) {
		o.Limits = &limits
		o.Hurry(soon, soon, soon, soon)
	})
	begin := func(conn net.Conn, bytes int) { // bytes of a message, which lasts
		t.Helper()
		if _, err := io.WriteString(conn, masked(ws.OpText, false, strings.Repeat("x", bytes))); err != nil {
			t.Log(err)
		}
	}
	heap := heapInUse()
	const each = 60_000
	for i := range 9 {
		ip := fmt.Sprintf("127.0.0.%d", i+1)
		for range 70 { // 4 MB
			conn := s.from(t, ip)
			s.initRaw(t, conn, uuid.Nil)
			begin(conn, each)
		}
		whole := s.from(t, ip)
		s.initRaw(t, whole, uuid.Nil)
		fmt.Fprint(whole, masked(ws.OpText, true, `{"type":"ping"}`))
		if frame, err := endpoint.ReadFrame(whole); err != nil || frame != `{"type":"pong"}` {
			t.Errorf("a short message from %s: %q %v", ip, frame, err)
		}
	}
	s.until("an anonymous half is full", func() bool { n, _ := s.handler.Held(); return n > 15<<20 && n <= 16<<20 })
	if held := int64(heapInUse()) - int64(heap); held > 40<<20 { // and of 600 sockets, of clients too
		t.Errorf("%d bytes are kept", held)
	}
	conn := s.from(t, "127.0.0.10")
	s.initRaw(t, conn, uuid.Nil)
	begin(conn, each)
	_ = conn.SetReadDeadline(time.Now().Add(soon))
	if frame, err := endpoint.ReadFrame(conn); err != nil || !strings.HasPrefix(frame, "\x03\xf5") { // 1013
		t.Errorf("%q %v", frame, err)
	}
	c := s.connect(ada)
	c.send(`{"type":"pong","payload":{"x":"` + strings.Repeat("x", 200_000) + `"}}`)
	c.send(`{"type":"ping"}`)
	c.expect(`{"type":"pong"}`)
}

// What is refused on a socket counts for the rate limit, as what is run.
func TestRefusedOperationsCount(t *testing.T) {
	for name, message := range floods {
		if strings.Contains(name, "ping") || strings.Contains(name, "fragments") || strings.Contains(name, "ended") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			counted := make(chan struct{}, 1)
			s := newLiveServer(t, func(o *endpoint.Options) {
				o.Admit = func(context.Context) (time.Duration, bool) {
					counted <- struct{}{}
					return 3 * time.Second, len(counted) == 0 // never
				}
			})
			conn := s.acknowledged(t, uuid.Nil)
			fmt.Fprint(conn, message(1))
			frame, err := endpoint.ReadFrame(conn)
			if err != nil || !strings.Contains(frame, "RATE_LIMITED") || len(counted) != 1 {
				t.Errorf("%d counted: %q %v", len(counted), frame, err)
			}
		})
	}
}

// Addresses of one IPv6 network of 64 bits share LIMIT_CONNECTIONS.
func TestConnectionsOfNetwork(t *testing.T) {
	limits := endpoint.DefaultLimits()
	limits.Anonymous.Connections = 2
	s := newLiveServer(t, func(o *endpoint.Options) { o.Limits = &limits })
	remote := ""
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = remote
		s.root.ServeHTTP(w, r)
	}))
	defer front.Close()
	s.url = front.URL
	for _, test := range []struct {
		remote  string
		refused bool
	}{
		{"[2001:db8:0:1::1]:1", false},
		{"[2001:db8:0:1::2]:1", false},
		{"[2001:db8:0:1:ffff::3]:1", true},
		{"[2001:db8:0:2::1]:1", false},
		{"192.0.2.1:1", false},
		{"[::ffff:192.0.2.1]:1", false},
		{"192.0.2.1:2", true},
		{"192.0.2.2:1", false},
	} {
		remote = test.remote
		_, err := s.tryDial(nil)
		if refused := err != nil && strings.HasPrefix(err.Error(), "503"); refused != test.refused || err != nil && !refused {
			t.Errorf("%s: %v", test.remote, err)
		}
	}
}

// heapInUse is what is reachable.
func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // what pools keep for one more collection
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
