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
