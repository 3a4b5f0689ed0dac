package ratelimit

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"usergraph/auth"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Limit{"off": {}, "600/1m": {600, time.Minute}, "1/1s": {1, time.Second}} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "600", "600/m", "0/1s", "-1/1s", "1/1ms", "1/48h", "2000000/1s", "1/1s/1s"} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestBuckets(t *testing.T) {
	l, err := newLocal(time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	limit, start := Limit{3, 30 * time.Second}, time.Now()
	for i, want := range []struct {
		after time.Duration
		result
	}{
		{0, result{true, 2, 0, 10 * time.Second}},
		{0, result{true, 1, 0, 20 * time.Second}},
		{0, result{true, 0, 0, 30 * time.Second}},
		{0, result{false, 0, 10 * time.Second, 30 * time.Second}},
		{4 * time.Second, result{false, 0, 6 * time.Second, 26 * time.Second}},
		{10 * time.Second, result{true, 0, 0, 30 * time.Second}},
		{10 * time.Second, result{false, 0, 10 * time.Second, 30 * time.Second}},
		{time.Hour, result{true, 2, 0, 10 * time.Second}},
	} {
		got := l.take("ada", limit, start.Add(want.after))
		got.resetAfter, got.retryAfter = got.resetAfter.Round(time.Millisecond), got.retryAfter.Round(time.Millisecond)
		if got != want.result {
			t.Errorf("request %d: %+v, want %+v", i, got, want.result)
		}
	}
	if got := l.take("bob", limit, start); !got.allowed {
		t.Error("callers share a bucket")
	}
}

func TestBucketsAreBounded(t *testing.T) {
	l, err := newLocal(time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * maxBuckets {
		l.take(strconv.Itoa(i), Limit{1, time.Second}, time.Now())
	}
	if size := l.buckets.EstimatedSize(); size > maxBuckets*11/10 {
		t.Errorf("%d buckets", size)
	}
}

// request sends a request as a user, or anonymously from an address.
func request(l *Limiter, user uuid.UUID, address string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/graphql", nil)
	r.RemoteAddr = address
	if user != uuid.Nil {
		r = r.WithContext(auth.NewContext(r.Context(), &auth.Claims{UserID: user}))
	}
	answer := httptest.NewRecorder()
	l.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(answer, r)
	return answer
}

func newLimiter(t *testing.T, cfg Config) *Limiter {
	t.Helper()
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestMiddleware(t *testing.T) {
	var hits []string
	l := newLimiter(t, Config{Caller: Limit{2, time.Hour}, Anonymous: Limit{1, time.Hour}, Hit: func(limit string) { hits = append(hits, limit) }})
	ada, bob := uuid.New(), uuid.New()
	for i, test := range []struct {
		user    uuid.UUID
		address string
		status  int
		left    string
	}{
		{ada, "192.0.2.1:1", 200, "1"}, {ada, "192.0.2.2:1", 200, "0"}, {ada, "192.0.2.3:1", 429, "0"},
		{bob, "192.0.2.1:1", 200, "1"},
		{uuid.Nil, "192.0.2.1:1", 200, "0"}, {uuid.Nil, "192.0.2.1:2", 429, "0"}, {uuid.Nil, "192.0.2.2:1", 200, "0"},
	} {
		answer := request(l, test.user, test.address)
		if answer.Code != test.status || answer.Header().Get("RateLimit-Remaining") != test.left {
			t.Errorf("request %d: %d %v", i, answer.Code, answer.Header())
		}
		if answer.Code != 429 {
			continue
		}
		var body struct {
			Errors []struct{ Extensions struct{ Code string } }
		}
		wait, err := strconv.Atoi(answer.Header().Get("Retry-After"))
		if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil || body.Errors[0].Extensions.Code != "RATE_LIMITED" {
			t.Errorf("%s %v", answer.Body, err)
		}
		if err != nil || wait < 1 || wait > 3600 || answer.Header().Get("RateLimit-Limit") == "" || answer.Header().Get("RateLimit-Reset") == "" {
			t.Errorf("%v %v", answer.Header(), err)
		}
	}
	if fmt.Sprint(hits) != "[caller anonymous]" {
		t.Error(hits)
	}
	off := newLimiter(t, Config{Caller: Limit{1, time.Hour}})
	for range 3 {
		if answer := request(off, uuid.Nil, "192.0.2.1:1"); answer.Code != 200 || answer.Header().Get("RateLimit-Limit") != "" {
			t.Error(answer.Code, answer.Header())
		}
	}
}

// A refused request counts for its address, never for the user that its token names, and does not limit a valid token.
// A 503 does not count.
func TestRefusedCounts(t *testing.T) {
	for name, test := range map[string]struct {
		err   error
		after int // the status of the next anonymous request after five of five were refused
	}{
		"a forged token": {auth.ErrTokenInvalid, 429}, "an expired token": {auth.ErrTokenExpired, 429}, "no API key": {auth.ErrUnauthenticated, 429},
		"an ended session": {auth.ErrSessionRevoked, 429}, "keys unavailable": {auth.ErrKeysUnavailable, 200}, "session unchecked": {auth.ErrSessionUnchecked, 200},
		"something else": {errors.New("unknown"), 200},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLimiter(t, Config{Caller: Limit{1, time.Hour}, Anonymous: Limit{5, time.Hour}})
			refused := l.Refused(func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusUnauthorized) })
			for i := range 60 {
				answer, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/graphql", nil)
				r.RemoteAddr = fmt.Sprintf("[2001:db8::%x]:1", i) // one customer
				refused(answer, r, test.err)
				if want := 401; test.after == 429 && i >= 5 {
					want = 429
					if answer.Code != want || answer.Header().Get("Retry-After") == "" {
						t.Errorf("refusal %d: %d %v", i, answer.Code, answer.Header())
					}
				} else if answer.Code != want {
					t.Errorf("refusal %d: %d", i, answer.Code)
				}
			}
			if got := request(l, uuid.Nil, "[2001:db8::9]:1").Code; got != test.after {
				t.Errorf("the next anonymous request: %d, want %d", got, test.after)
			}
			if got := request(l, uuid.New(), "[2001:db8::9]:1").Code; got != 200 {
				t.Errorf("a good token: %d", got)
			}
			if got := request(l, uuid.Nil, "192.0.2.1:1").Code; got != 200 {
				t.Errorf("another address: %d", got)
			}
		})
	}
}

// A user and each OAuth app that acts for the user have limits of their own.
func TestAppsOfAUser(t *testing.T) {
	l, err := New(Config{Caller: Limit{1, time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	ada, bob := uuid.New(), uuid.New()
	for i, test := range []struct {
		user    uuid.UUID
		app     string
		allowed bool
	}{
		{ada, "", true}, {ada, "", false}, {ada, "one", true}, {ada, "one", false}, {ada, "two", true}, {bob, "one", true}, {bob, "", true}, {ada, "two", false},
	} {
		found, _ := l.count(t.Context(), &auth.Claims{UserID: test.user, ClientID: test.app}, "192.0.2.1:1")
		if found.allowed != test.allowed {
			t.Errorf("%d: %+v, allowed %t", i, test, found.allowed)
		}
	}
}
