//go:build services && unix

package ratelimit

import (
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/google/uuid"

	"usergraph/internal/redistest"
)

// kept reports whether Redis has a key.
func kept(t *testing.T, server *redistest.Server, key string) bool {
	t.Helper()
	conn, err := redis.DialURLContext(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	exists, err := redis.Bool(conn.Do("EXISTS", key))
	if err != nil {
		t.Fatal(err)
	}
	return exists
}

// While Redis is down each replica counts for itself, and logs that once.
func TestRedisGoesAndComes(t *testing.T) {
	for name, outage := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "hangs": syscall.SIGSTOP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, "")
			var failures atomic.Int64
			client := redisOf(t, server, func(error) { failures.Add(1) })
			l := newLimiter(t, Config{Caller: Limit{2, time.Hour}, Redis: client})
			ada := uuid.New()
			if answer := request(l, ada, ""); answer.Code != 200 || answer.Header().Get("RateLimit-Remaining") != "1" {
				t.Fatal(answer.Code, answer.Header())
			}
			if err := server.Process.Signal(outage); err != nil {
				t.Fatal(err)
			}
			for failures.Load() == 0 { // a signal takes a moment
				request(l, uuid.New(), "")
			}
			for i, want := range []int{200, 200, 429} {
				if answer := request(l, ada, ""); answer.Code != want {
					t.Errorf("request %d: %d", i, answer.Code)
				}
			}
			if failures.Load() != 1 {
				t.Errorf("%d failures were told", failures.Load())
			}
			if outage == syscall.SIGSTOP {
				_ = server.Process.Signal(syscall.SIGCONT)
			} else {
				server.Kill()
				redistest.Start(t, server.Port)
			}
			bob := uuid.New()
			for deadline := time.Now().Add(time.Minute); !kept(t, server, "rate:usergraph:caller:"+bob.String()); time.Sleep(50 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("nothing is kept in Redis")
				}
				request(l, bob, "")
			}
			if failures.Load() != 1 {
				t.Errorf("%d failures were told", failures.Load())
			}
		})
	}
}
