package endpoint_test

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
	. "usergraph/endpoint"
	"usergraph/internal/testapi/models"
)

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
	await(t, "bodies fill their room", func() bool {
		answer, err := http.Post(server.URL, "application/json", strings.NewReader(`{"query":"{ __typename }`+strings.Repeat(" ", 60_000)+`"}`))
		if err != nil {
			return false
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		return answer.StatusCode == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") != "" && strings.Contains(string(text), CodeUnavailable)
	})
	if held, _ := handler.Held(); held > limits.HeldBytes/2 {
		t.Errorf("%d bytes are held", held)
	}
	if answer := handler.Ask(&auth.Claims{UserID: uuid.New()}, `{"query":"{ me { fullName } }"}`); answer.Code != 200 {
		t.Errorf("a signed-in caller gets %d %s", answer.Code, answer.Body)
	}
	for _, conn := range open {
		_ = conn.Close()
	}
	await(t, "nothing is held", func() bool {
		held, callers := handler.Held()
		return held == 0 && callers == 0
	})
}

// A response has a bound, a batch has one for all of its responses, and what is more is not told.
func TestResponseBytes(t *testing.T) {
	limits := DefaultLimits()
	limits.SignedIn.ResponseBytes, limits.SignedIn.Batch = 10_000, 10
	name := strings.Repeat("x", 6000)
	handler := newScripted(t, func(context.Context) (*models.User, error) { return &models.User{FullName: &name}, nil }, func(o *Options) { o.Limits = &limits })
	ada := &auth.Claims{UserID: uuid.New()}
	if answer := handler.Ask(ada, `{"query":"{ me { fullName } }"}`); answer.Code != 200 || !strings.Contains(answer.Body.String(), name) {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if answer := handler.Ask(ada, `{"query":"{ me { fullName a: fullName } }"}`); answer.Code != 200 || answer.Body.Len() > 500 || !strings.Contains(answer.Body.String(), CodeResponseLimit) || !strings.Contains(answer.Body.String(), `"data":null`) {
		t.Errorf("%d %.500s", answer.Code, answer.Body)
	}
	batch := "[" + strings.TrimSuffix(strings.Repeat(`{"query":"{ me { fullName } }"},`, 10), ",") + "]"
	if answer := handler.Ask(ada, batch); strings.Count(answer.Body.String(), name) != 2 || strings.Count(answer.Body.String(), CodeResponseLimit) != 8 {
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
