//go:build services

package drills_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"usergraph/internal/pgtest"
)

// ceiling is the most that a server may hold: resident while a flood goes on, the rest when it is over.
type ceiling struct {
	resident, heap, goroutines int
}

const mb = 1 << 20

// machine is the memory that fly.toml gives a server. Garbage may fill it as far as GOMEMLIMIT says, and how much does is a matter
// of processors and load: at most twice as much from one run to the next. So a flood whose garbage comes near that limit has no
// ceiling of its own.
const machine = 256 * mb

// deployed are the settings of fly.toml.
func deployed(t *testing.T) (settings []string) {
	t.Helper()
	text, err := os.ReadFile("../fly.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range regexp.MustCompile(`(?m)^  ((?:GOMEMLIMIT|LIMIT_\w+)) = "(.+?)"`).FindAllStringSubmatch(string(text), -1) {
		settings = append(settings, setting[1]+"="+setting[2])
	}
	if len(settings) < 2 {
		t.Fatalf("fly.toml says %v", settings)
	}
	return settings
}

// clients are what one kind of client sends, all at once; it returns when the server has got it.
type clients func(t *testing.T, s *server, around *surroundings)

// What each kind of client can make the server keep: the table of docs/security.md.
func TestFloods(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 20)
	for _, row := range []struct {
		name     string
		settings []string
		flood    clients
		atMost   ceiling
	}{
		{"connections that say nothing", nil, idleConnections, ceiling{180 * mb, 30 * mb, 100}},
		{"headers that do not end", nil, slowHeaders, ceiling{180 * mb, 30 * mb, 100}},
		{"bodies that do not end", nil, slowBodies, ceiling{machine, 30 * mb, 100}},
		{"bodies of a user that do not end", nil, slowBodiesOfUser, ceiling{200 * mb, 30 * mb, 100}},
		{"answers that are not read", nil, unreadAnswers, ceiling{machine, 60 * mb, 100}},
		{"event streams that are not read", nil, unreadStreams, ceiling{machine, 60 * mb, 100}},
		{"documents, and their hashes", nil, manyDocuments, ceiling{200 * mb, 70 * mb, 100}},
		{"tokens of 16 KiB", nil, longTokens, ceiling{200 * mb, 70 * mb, 100}},
		{"forged tokens", nil, forgedTokens, ceiling{150 * mb, 30 * mb, 100}},
		{"addresses, with a rate limit", []string{"RATE_LIMIT_ANONYMOUS=5/1h", "TRUSTED_PROXIES=127.0.0.1"}, manyAddresses, ceiling{200 * mb, 60 * mb, 100}},
		{"batches", []string{"LIMIT_BATCH=100"}, batches, ceiling{machine, 60 * mb, 100}},
		{"bodies of an agent that do not end", agents, slowBodiesOfAgent, ceiling{120 * mb, 30 * mb, 100}},
		{"agents that begin, and do not read", agents, unreadAgents, ceiling{machine, 60 * mb, 100}},
		{"streams opened and reset", []string{"H2C=on"}, resetStreams, ceiling{machine, 40 * mb, 100}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := start(t, append(append(around.settings(fresh.URL), deployed(t)...), row.settings...)...)
			before := s.warm(t, around.callers)
			var peak atomic.Int64
			stop := make(chan struct{})
			var watching sync.WaitGroup
			watching.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(200 * time.Millisecond):
						if answer, err := client.Get(s.admin + "/metrics"); err == nil {
							text, _ := io.ReadAll(answer.Body)
							answer.Body.Close()
							if found := regexp.MustCompile(`(?m)^go_goroutines (\d+)`).FindSubmatch(text); found != nil {
								count, _ := strconv.ParseInt(string(found[1]), 10, 64)
								peak.Store(max(peak.Load(), count))
							}
						}
					}
				}
			})
			row.flood(t, s, around)
			good := works(t.Context(), s.url, around.callers[0])
			close(stop)
			watching.Wait()
			resident := s.peakResident(t)
			client.CloseIdleConnections()
			var after holding
			eventually(t, "the flood is over", func() error {
				after = s.holds(t)
				if after.goroutines > row.atMost.goroutines || after.heap > row.atMost.heap {
					return fmt.Errorf("%s", after)
				}
				return nil
			})
			t.Logf("before: %s; at most: resident %d MB, %d goroutines; afterwards: %s", before, resident/mb, peak.Load(), after)
			if resident > row.atMost.resident {
				t.Errorf("%d MB were resident, at most %d are allowed", resident/mb, row.atMost.resident/mb)
			}
			if good != nil {
				t.Errorf("right afterwards a user is told: %v", good)
			}
			if err := works(t.Context(), s.url, around.callers[1]); err != nil {
				t.Error(err)
			}
		})
	}
}

// peakResident is the most memory that the process has had, in bytes.
func (s *server) peakResident(t *testing.T) int {
	t.Helper()
	select {
	case <-s.ended:
		t.Fatalf("the server has ended:\n%s", lastLines(s.log.String(), 10))
	default:
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if found == nil {
		t.Fatal("no VmHWM")
	}
	kilobytes, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// hold opens connections that send a text each, and closes them when all have stood for a while.
func hold(t *testing.T, s *server, count int, text func(i int) string) {
	t.Helper()
	conns := make([]net.Conn, count)
	var dialing sync.WaitGroup
	for worker := range 32 {
		dialing.Go(func() {
			for i := worker; i < count; i += 32 {
				conn, err := (&net.Dialer{Timeout: timeout}).Dial("tcp", strings.TrimPrefix(s.url, "http://"))
				if err != nil {
					continue
				}
				conns[i] = conn
				_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
				_ = conn.SetWriteDeadline(time.Now().Add(3 * time.Second))
				_, _ = io.WriteString(conn, text(i))
			}
		})
	}
	dialing.Wait()
	time.Sleep(2 * time.Second) // what was sent is read
	for _, conn := range conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
}

func idleConnections(t *testing.T, s *server, _ *surroundings) {
	hold(t, s, 16_000, func(int) string { return "" }) // more than are kept
}

// slowHeaders are held while users ask, each of whom is answered.
func slowHeaders(t *testing.T, s *server, around *surroundings) {
	asked := begin(t, s.url, around.callers, 4)
	hold(t, s, 5000, func(int) string {
		return "POST /graphql HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Padding: "+strings.Repeat("x", 1000)+"\r\n", 44)
	})
	asked.onlyCodes(t)
}

func slowBodies(t *testing.T, s *server, _ *surroundings) {
	hold(t, s, 5000, func(int) string {
		return "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 65536\r\n\r\n" + strings.Repeat(" ", 65_000)
	})
}

func slowBodiesOfUser(t *testing.T, s *server, around *surroundings) {
	hold(t, s, 500, func(int) string {
		return "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + around.callers[2].token +
			"\r\nContent-Type: application/json\r\nContent-Length: 1048576\r\n\r\n" + strings.Repeat(" ", 1_000_000)
	})
}

// agents are the settings of a server that agents may ask.
var agents = []string{"MCP=on", "PUBLIC_URL=https://x"}

// agentToken is the token of an agent of a user who is new.
func (s *surroundings) agentToken() string {
	return s.issuer.Token(uuid.New(), func(claims jwt.MapClaims) { claims["client_id"] = "an agent" })
}

func slowBodiesOfAgent(t *testing.T, s *server, around *surroundings) {
	token := around.agentToken()
	hold(t, s, 500, func(int) string {
		return "POST /mcp HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token +
			"\r\nContent-Type: application/json\r\nContent-Length: 1048576\r\n\r\n" + strings.Repeat(" ", 1_000_000)
	})
}

// unreadAgents send what the SDK answers, which takes more memory than an operation. Half of their messages are large.
func unreadAgents(t *testing.T, s *server, around *surroundings) {
	var tokens []string
	for range 18 {
		tokens = append(tokens, around.agentToken())
	}
	hold(t, s, 2000, func(i int) string {
		body := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"` +
			strings.Repeat("x", 1+i%2*20_000) + `","version":"1"}}}`
		return strings.Repeat("POST /mcp HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+tokens[i%18]+
			"\r\nAccept: */*\r\nContent-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body, 20)
	})
}

func unreadAnswers(t *testing.T, s *server, around *surroundings) {
	// Pipelined, so that the buffers of the connection fill.
	body := `{"query":"{ __schema { types { name description fields { name description } } directives { name description } } }"}`
	hold(t, s, 2000, func(i int) string {
		return strings.Repeat("POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+around.callers[2+i%18].token+
			"\r\nAccept-Encoding: "+[]string{"gzip", "identity"}[i%2]+"\r\nContent-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body, 20)
	})
}

func unreadStreams(t *testing.T, s *server, around *surroundings) {
	hold(t, s, 3000, func(i int) string {
		// A document and a header of its own for each.
		body := fmt.Sprintf(`{"query":"subscription S%d { me { %s } }","extensions":{"a":%q}}`, i, strings.Repeat("id ", 120), strings.Repeat("x", 20_000))
		token := ""
		if i%2 == 0 {
			token = "Authorization: Bearer " + around.callers[2+i%18].token + "\r\n"
		}
		return "POST /graphql HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n" + token + "X-Padding: " + strings.Repeat("x", 30_000) +
			"\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	})
}

// askAll sends requests, 16 at a time, and wants each to be answered.
func askAll(t *testing.T, s *server, count int, request func(i int) (body string, header map[string]string)) {
	t.Helper()
	var asking sync.WaitGroup
	for worker := range 16 {
		asking.Go(func() {
			for i := worker; i < count; i += 16 {
				body, header := request(i)
				made, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/graphql", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				made.Header.Set("Content-Type", "application/json")
				for name, value := range header {
					made.Header.Set(name, value)
				}
				answer, err := client.Do(made)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
		})
	}
	asking.Wait()
}

func manyDocuments(t *testing.T, s *server, around *surroundings) {
	askAll(t, s, 6000, func(i int) (string, map[string]string) {
		document := fmt.Sprintf("query Q%d { me { %s } }", i, strings.Repeat("id ", 120))
		sum := sha256.Sum256([]byte(document))
		header := map[string]string{}
		if i%2 == 0 {
			header["Authorization"] = "Bearer " + around.callers[i%20].token
		}
		return fmt.Sprintf(`{"query":%q,"extensions":{"persistedQuery":{"version":1,"sha256Hash":%q}}}`, document, hex.EncodeToString(sum[:])), header
	})
}

func longTokens(t *testing.T, s *server, around *surroundings) {
	askAll(t, s, 4000, func(i int) (string, map[string]string) {
		token := around.issuer.Token(uuid.New(), func(c jwt.MapClaims) { c["email"] = strings.Repeat("x", 11_000) })
		return `{"query":"{ __typename }"}`, map[string]string{"Authorization": "Bearer " + token}
	})
}

func forgedTokens(t *testing.T, s *server, around *surroundings) {
	askAll(t, s, 10_000, func(i int) (string, map[string]string) {
		return `{"query":"{ __typename }"}`, map[string]string{"Authorization": "Bearer " + around.callers[0].token + strconv.Itoa(i) + strings.Repeat("x", 12_000)}
	})
}

func manyAddresses(t *testing.T, s *server, _ *surroundings) {
	askAll(t, s, 30_000, func(i int) (string, map[string]string) {
		return `{"query":"{ __typename }"}`, map[string]string{"X-Forwarded-For": fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff)}
	})
}

func batches(t *testing.T, s *server, around *surroundings) {
	one := `{"query":"{ __schema { types { name description fields { name description } } } }"}`
	batch := "[" + strings.TrimSuffix(strings.Repeat(one+",", 100), ",") + "]"
	hold(t, s, 300, func(i int) string {
		return "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + around.callers[2+i%18].token +
			"\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(batch)) + "\r\n\r\n" + batch
	})
}

// resetStreams opens streams of HTTP/2 with long headers and a body that does not end, and resets half of them.
func resetStreams(t *testing.T, s *server, _ *surroundings) {
	var connecting sync.WaitGroup
	for range 8 { // H2C is for a proxy, which has few connections
		connecting.Go(func() {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			_ = conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.WriteString(conn, http2.ClientPreface)
			framer := http2.NewFramer(conn, nil)
			_ = framer.WriteSettings()
			var header bytes.Buffer
			encoder := hpack.NewEncoder(&header)
			encoder.SetMaxDynamicTableSize(0)
			for _, field := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/graphql"}, {"content-type", "application/json"}, {"x-padding", strings.Repeat("x", 12_000)}} {
				_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1], Sensitive: true})
			}
			for i := range 2000 {
				stream := uint32(2*i + 1)
				if framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: header.Bytes(), EndHeaders: true}) != nil {
					return // the server has had enough
				}
				_ = framer.WriteData(stream, false, make([]byte, 1000))
				if i%2 == 0 || i > 400 {
					_ = framer.WriteRSTStream(stream, http2.ErrCodeCancel)
				}
			}
			time.Sleep(2 * time.Second)
		})
	}
	connecting.Wait()
}
