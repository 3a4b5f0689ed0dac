package endpoint_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"usergraph/auth"
	"usergraph/database/rows"
	. "usergraph/endpoint"
	"usergraph/internal/testapi/models"
)

type sendEvent = func([]byte) error

// newStream serves a protocol that does what a test says, to the caller of claims.
func newStream(t *testing.T, claims *auth.Claims, run func(ctx context.Context, message map[string]any, send sendEvent) error, changes ...func(*Options)) (*Handler, *httptest.Server) {
	t.Helper()
	h := newScripted(t, func(context.Context) (*models.User, error) { return nil, nil }, changes...)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if claims != nil {
			r = r.WithContext(auth.NewContext(r.Context(), claims))
		}
		h.Stream(w, r, EventStream{
			Open: func(_ *http.Request, message map[string]any) (func(context.Context, func([]byte) error) error, error) {
				switch message["open"] {
				case "missing":
					return nil, rows.ErrNotFound
				case "broken":
					return nil, errors.New("hunter2")
				case "panic":
					panic("hunter2")
				}
				return func(ctx context.Context, send func([]byte) error) error { return run(ctx, message, send) }, nil
			},
			Fail: func(err *gqlerror.Error) []byte {
				return fmt.Appendf(nil, "%v: %s", err.Extensions["code"], err.Message)
			},
		})
	}))
	t.Cleanup(server.Close)
	return h, server
}

func callerUntil(expires time.Time) *auth.Claims {
	claims := *signedIn
	claims.ExpiresAt = expires
	return &claims
}

func ask(t *testing.T, url, body string) (int, string) {
	t.Helper()
	answer, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestStream(t *testing.T) {
	var log bytes.Buffer
	h, server := newStream(t, callerUntil(time.Now().Add(time.Hour)), func(_ context.Context, message map[string]any, send sendEvent) error {
		for i := range message["count"].(int64) {
			if err := send(fmt.Append(nil, i)); err != nil {
				return err
			}
		}
		switch message["end"] {
		case "missing":
			return rows.ErrNotFound
		case "broken":
			return errors.New("hunter2")
		case "panic":
			panic("hunter2")
		}
		return nil
	}, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	for _, test := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"count":3}`, 200, ":\n\ndata: 0\n\ndata: 1\n\ndata: 2\n\n"},
		{`{"count":0}`, 200, ":\n\n"},
		{`{"count":1,"end":"missing"}`, 200, ":\n\ndata: 0\n\ndata: NOT_FOUND: not found\n\n"},
		{`{"count":1,"end":"broken"}`, 200, ":\n\ndata: 0\n\ndata: INTERNAL_SERVER_ERROR: internal error\n\n"},
		{`{"count":1,"end":"panic"}`, 200, ":\n\ndata: 0\n\ndata: INTERNAL_SERVER_ERROR: internal error\n\n"},
		{`{"open":"missing"}`, 404, `{"errors":[{"message":"not found","extensions":{"code":"NOT_FOUND"}}]}`},
		{`{"open":"broken"}`, 500, `{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}`},
		{`{"open":"panic"}`, 500, `{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}`},
		{`[]`, 400, "BATCH_LIMIT_EXCEEDED"},
		{`{"count":`, 400, "BAD_REQUEST"},
		{`{"x":"` + strings.Repeat("x", 2<<20) + `"}`, 413, "BODY_LIMIT_EXCEEDED"},
	} {
		status, got := ask(t, server.URL, test.body)
		if status != test.status || got != test.want && (status < 400 || !strings.Contains(got, test.want)) {
			t.Errorf("%.40s: %d %q", test.body, status, got)
		}
	}
	for header, want := range map[string]string{"": "415", "application/x-www-form-urlencoded": "415"} {
		if answer, err := http.Post(server.URL, header, strings.NewReader("{}")); err != nil || !strings.HasPrefix(answer.Status, want) {
			t.Errorf("Content-Type %q: %v %v", header, answer, err)
		}
	}
	if answer, err := http.Get(server.URL); err != nil || answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %v %v", answer, err)
	}
	if h.Connections() != 0 || strings.Count(log.String(), "hunter2") < 4 {
		t.Errorf("%d streams are open, logged\n%s", h.Connections(), log.String())
	}
}

// A stream ends with its client, its token and its server, and the function that sends has then returned.
func TestStreamEnds(t *testing.T) {
	began, ended := make(chan struct{}, 1), make(chan error, 1)
	wait := func(ctx context.Context, _ map[string]any, send sendEvent) error {
		if err := send([]byte("here")); err != nil {
			return err
		}
		began <- struct{}{}
		<-ctx.Done()
		err := send([]byte("too late"))
		ended <- err
		return err
	}
	t.Run("client", func(t *testing.T) {
		h, server := newStream(t, callerUntil(time.Now().Add(time.Hour)), wait)
		ctx, leave := context.WithCancel(t.Context())
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		<-began
		leave()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := h.Shutdown(t.Context()); err != nil || h.Connections() != 0 {
			t.Error(err, h.Connections())
		}
	})
	t.Run("token", func(t *testing.T) {
		// Longer ago than any leeway for clocks.
		_, server := newStream(t, callerUntil(time.Now().Add(-time.Hour)), func(ctx context.Context, _ map[string]any, _ sendEvent) error {
			<-ctx.Done()
			return ctx.Err()
		})
		if _, got := ask(t, server.URL, "{}"); !strings.Contains(got, "data: TOKEN_EXPIRED") {
			t.Errorf("%q", got)
		}
	})
	t.Run("server", func(t *testing.T) {
		h, server := newStream(t, callerUntil(time.Now().Add(time.Hour)), wait)
		stopped := make(chan error, 1)
		go func() {
			<-began
			stopped <- h.Shutdown(context.Background())
		}()
		_, got := ask(t, server.URL, "{}")
		if want := ":\n\ndata: here\n\ndata: UNAVAILABLE: the server is stopping, connect again\n\n"; got != want {
			t.Errorf("%q", got)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if status, got := ask(t, server.URL, "{}"); status != http.StatusServiceUnavailable || !strings.Contains(got, "UNAVAILABLE") {
			t.Errorf("a new stream: %d %s", status, got)
		}
	})
}

// A caller has so many streams, together with subscriptions.
func TestStreamsAreCounted(t *testing.T) {
	for name, claims := range map[string]*auth.Claims{"signed in": callerUntil(time.Now().Add(time.Hour)), "anonymous": nil} {
		t.Run(name, func(t *testing.T) {
			began, end := make(chan struct{}), make(chan struct{})
			_, server := newStream(t, claims, func(context.Context, map[string]any, sendEvent) error {
				close(began)
				<-end
				return nil
			}, func(o *Options) {
				limits := DefaultLimits()
				limits.SignedIn.Connections, limits.Anonymous.Connections = 1, 1
				o.Limits = &limits
			})
			first := make(chan int, 1)
			go func() {
				status, _ := ask(t, server.URL, "{}")
				first <- status
			}()
			<-began
			if status, got := ask(t, server.URL, "{}"); status != http.StatusServiceUnavailable || !strings.Contains(got, "too many connections") {
				t.Errorf("%d %s", status, got)
			}
			close(end)
			if status := <-first; status != http.StatusOK {
				t.Error("the first:", status)
			}
		})
	}
}
