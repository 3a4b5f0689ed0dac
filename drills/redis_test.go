//go:build services

package drills_test

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"usergraph/internal/pgtest"
	"usergraph/internal/redistest"
)

// Redis, where two replicas share their rate limits, is killed, comes back, hangs, and goes on. Callers notice nothing,
// the log says it every 5 s, and afterwards the replicas share again.
func TestRedisFails(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 20)
	redis := redistest.Start(t, "")
	const limit = 1_000_000 // a day, and one comes back each 86 ms
	settings := append(around.settings(fresh.URL), fmt.Sprintf("RATE_LIMIT=%d/24h", limit), "REDIS_URL="+redis.URL())
	s, other := start(t, settings...), start(t, settings...)
	ada, others := around.callers[0], around.callers[1:]
	left := func(s *server) (int, error) {
		got, err := ask(t.Context(), s.url, ada.token, whoAmI)
		if err != nil || got.name != ada.name {
			return 0, fmt.Errorf("%v %v", got, err)
		}
		return strconv.Atoi(got.header.Get("RateLimit-Remaining"))
	}
	share := func() error {
		before, err := left(other)
		if err != nil {
			return err
		}
		const requests = 100
		for range requests {
			if _, err := left(s); err != nil {
				return err
			}
		}
		after, err := left(other)
		if err == nil && after > before-requests/2 {
			err = fmt.Errorf("%d requests to one replica, and the other has %d left of %d", requests, after, before)
		}
		return err
	}
	before := s.warm(t, others)
	if err := share(); err != nil {
		t.Error(err)
	}
	failures := 0
	for _, fault := range []struct {
		name       string
		begin, end func()
	}{
		{"killed", redis.Kill, func() { redis = redistest.Start(t, redis.Port) }},
		{"hangs", func() { _ = redis.Process.Signal(syscall.SIGSTOP) }, func() { _ = redis.Process.Signal(syscall.SIGCONT) }},
	} {
		t.Run(fault.name, func(t *testing.T) {
			asked := begin(t, s.url, others, 8)
			asked.more(t, 200)
			began := time.Now()
			fault.begin()
			asked.more(t, 1000)
			fault.end()
			t.Logf("shared again %s after Redis was back", eventually(t, "the replicas share", share))
			// Redis is tried once in 5 s.
			atMost := failures + 1 + int(time.Since(began)/(5*time.Second))
			before := failures
			if failures = s.metric(t, "usergraph_redis_failures_total"); failures <= before || failures > atMost {
				t.Errorf("Redis has failed %d times, and there should be %d to %d", failures, before+1, atMost)
			}
			asked.more(t, 200)
			asked.onlyCodes(t)
		})
	}
	if told := strings.Count(s.log.String(), "redis does not answer"); told != failures {
		t.Errorf("the log tells of %d failures of %d", told, failures)
	}
	s.letsGo(t, before)
}
