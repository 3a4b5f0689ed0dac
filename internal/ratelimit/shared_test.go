//go:build services

package ratelimit

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"usergraph/internal/redisclient"
	"usergraph/internal/redistest"
)

// redisOf returns a client of a Redis.
func redisOf(t *testing.T, server *redistest.Server, failed func(error)) *redisclient.Client {
	t.Helper()
	client, err := redisclient.New(server.URL(), failed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestReplicasShareBuckets(t *testing.T) {
	server := redistest.Start(t, "")
	cfg := Config{Caller: Limit{3, time.Hour}, Redis: redisOf(t, server, func(err error) { t.Error(err) })}
	one := newLimiter(t, cfg)
	cfg.Redis = redisOf(t, server, func(err error) { t.Error(err) })
	other := newLimiter(t, cfg)
	ada := uuid.New()
	for i, want := range []struct {
		replica *Limiter
		status  int
		left    string
	}{{one, 200, "2"}, {other, 200, "1"}, {one, 200, "0"}, {other, 429, "0"}, {one, 429, "0"}} {
		answer := request(want.replica, ada, "192.0.2.1:1")
		if answer.Code != want.status || answer.Header().Get("RateLimit-Remaining") != want.left {
			t.Errorf("request %d: %d %v", i, answer.Code, answer.Header())
		}
	}
}

// Each request takes one, however a double rounds the times, and the last one is still allowed.
func TestSharedBucketsAreExact(t *testing.T) {
	server := redistest.Start(t, "")
	shared := &shared{redisOf(t, server, nil)}
	for _, limit := range []Limit{{1, 24 * time.Hour}, {7, 24 * time.Hour}, {60, 24 * time.Hour}, {97, 23 * time.Hour}} {
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			err := empty(t, shared, limit)
			if err == nil {
				break
			}
			if time.Now().After(deadline) { // on a busy machine Redis may need longer than a request waits
				t.Fatal(err)
			}
		}
	}
}

// empty takes all requests out of a bucket, and two more.
func empty(t *testing.T, shared *shared, limit Limit) error {
	key, each := uuid.NewString(), limit.Per/time.Duration(limit.Requests)
	for n := range limit.Requests + 2 {
		taken, err := shared.take(t.Context(), key, limit)
		if err != nil {
			return err
		}
		left := limit.Requests - n - 1
		if taken.allowed != (left >= 0) || taken.remaining != max(left, 0) {
			t.Fatalf("%v, request %d: %+v", limit, n, taken)
		}
		full := limit.Per - time.Duration(max(left, 0))*each
		if taken.resetAfter > full+time.Second || taken.resetAfter < full-2*time.Minute {
			t.Errorf("%v, request %d: full after %s instead of %s", limit, n, taken.resetAfter, full)
		}
		if refused := left < 0; refused != (taken.retryAfter > 0) || taken.retryAfter > each {
			t.Errorf("%v, request %d: again after %s", limit, n, taken.retryAfter)
		}
	}
	return nil
}
