package graph

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"usergraph/auth"
	"usergraph/models"
)

// Nobody takes the room of everybody, and everything is given back.
func TestHeld(t *testing.T) {
	limits := DefaultLimits()
	limits.HeldBytes, limits.SignedIn.BodyBytes, limits.SignedIn.ResponseBytes = 16<<20, 0, 0
	h := newHeld(&limits)
	took := map[runner]int{}
	fill := func(who runner) {
		for h.take(who, 64<<10) {
			took[who] += 64 << 10
		}
	}
	address := func(i int) runner { return runner{address: fmt.Sprint(i)} }
	user := func(i int) runner { return runner{user: uuid.NewSHA1(uuid.Nil, []byte{byte(i)})} }
	fill(address(0))
	if most := 2*limits.Anonymous.BodyBytes + limits.Anonymous.ResponseBytes; took[address(0)] > most || took[address(0)] < most-128<<10 {
		t.Errorf("an address takes %d", took[address(0)])
	}
	for i := range 100 {
		fill(address(i))
	}
	if h.all != 8<<20 || h.anonymous != h.all {
		t.Errorf("addresses take %d", h.all)
	}
	fill(user(0))
	if took[user(0)] != 2<<20 {
		t.Errorf("a user takes %d", took[user(0)])
	}
	for i := range 100 {
		fill(user(i))
	}
	if h.all != 16<<20 {
		t.Errorf("all take %d", h.all)
	}
	for who, bytes := range took {
		h.give(who, bytes)
	}
	if h.all != 0 || h.anonymous != 0 || len(h.each) != 0 {
		t.Errorf("afterwards: %d %d %v", h.all, h.anonymous, h.each)
	}
}

// Callers who subscribe to one document share it; each document of its own takes room.
func TestHeldSubscriptions(t *testing.T) {
	limits := DefaultLimits()
	h := newHeld(&limits)
	ctx, cancel := context.WithCancel(t.Context())
	shared := &document{shape: shape{bytes: 2000, tokens: 500}}
	for range 10_000 {
		if !h.subscribe(ctx, runner{user: uuid.New()}, shared, map[string]any{"a": ""}) {
			t.Fatal("a shared document takes room for each")
		}
	}
	own := 0
	for who := (runner{user: uuid.New()}); h.subscribe(ctx, who, &document{shape: shape{bytes: 2000, tokens: 500}}, map[string]any{"a": strings.Repeat("x", 1000)}); own++ {
	}
	if most := (2*limits.SignedIn.BodyBytes + limits.SignedIn.ResponseBytes) / shared.weight(); own > most || own < most/2 {
		t.Errorf("a user has %d documents of their own", own)
	}
	cancel()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		h.mu.Lock()
		all, rest := h.all, len(h.each)+len(h.documents)
		h.mu.Unlock()
		if all == 0 && rest == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes and %d entries are left", all, rest)
		}
	}
}

// Bodies that are not whole and answers that nobody takes are counted, and refused when there is no room; afterwards
// nothing is left.
func TestRequestsAreHeld(t *testing.T) {
	limits := DefaultLimits()
	limits.HeldBytes, limits.Anonymous.BodyBytes, limits.Anonymous.ResponseBytes = 1<<20, 64<<10, 64<<10
	name := strings.Repeat("x", 20_000)
	handler := newScripted(t, func(context.Context) (*models.User, error) { return &models.User{FullName: &name}, nil }, func(o *Options) { o.Limits = &limits })
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	var open []net.Conn
	for range 100 { // slow bodies of one address
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		open = append(open, conn)
		if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n%s", strings.Repeat(" ", 50_000)); err != nil {
			t.Log(err) // refused already
		}
	}
	held := handler.exec.held
	await(t, "bodies fill their room", func() bool {
		answer, err := http.Post(server.URL, "application/json", strings.NewReader(`{"query":"{ __typename }`+strings.Repeat(" ", 60_000)+`"}`))
		if err != nil {
			return false
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		return answer.StatusCode == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") != "" && strings.Contains(string(text), CodeUnavailable)
	})
	held.mu.Lock()
	if held.all > limits.HeldBytes/2 {
		t.Errorf("%d bytes are held", held.all)
	}
	held.mu.Unlock()
	if answer := handler.ask(&auth.Claims{UserID: uuid.New()}, `{"query":"{ me { fullName } }"}`); answer.Code != 200 {
		t.Errorf("a signed-in caller gets %d %s", answer.Code, answer.Body)
	}
	for _, conn := range open {
		_ = conn.Close()
	}
	await(t, "nothing is held", func() bool {
		held.mu.Lock()
		defer held.mu.Unlock()
		return held.all == 0 && len(held.each) == 0
	})
}

// A response has a bound, a batch has one for all of its responses, and what is more is not told.
func TestResponseBytes(t *testing.T) {
	limits := DefaultLimits()
	limits.SignedIn.ResponseBytes, limits.SignedIn.Batch = 10_000, 10
	name := strings.Repeat("x", 6000)
	handler := newScripted(t, func(context.Context) (*models.User, error) { return &models.User{FullName: &name}, nil }, func(o *Options) { o.Limits = &limits })
	ada := &auth.Claims{UserID: uuid.New()}
	if answer := handler.ask(ada, `{"query":"{ me { fullName } }"}`); answer.Code != 200 || !strings.Contains(answer.Body.String(), name) {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if answer := handler.ask(ada, `{"query":"{ me { fullName a: fullName } }"}`); answer.Code != 200 || answer.Body.Len() > 500 || !strings.Contains(answer.Body.String(), CodeResponseLimit) || !strings.Contains(answer.Body.String(), `"data":null`) {
		t.Errorf("%d %.500s", answer.Code, answer.Body)
	}
	batch := "[" + strings.TrimSuffix(strings.Repeat(`{"query":"{ me { fullName } }"},`, 10), ",") + "]"
	if answer := handler.ask(ada, batch); strings.Count(answer.Body.String(), name) != 2 || strings.Count(answer.Body.String(), CodeResponseLimit) != 8 {
		t.Errorf("%d answers, %d refused", strings.Count(answer.Body.String(), name), strings.Count(answer.Body.String(), CodeResponseLimit))
	}
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}
