//go:build services

package drills_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"usergraph/internal/pgtest"
	"usergraph/internal/redistest"
)

// Three servers behind nginx read from a replica that is always 300 ms behind. Callers change their names and read them
// back at once, wherever nginx sends them; others read all the time. Then the replica is killed. Nobody ever reads what was
// before, and nothing fails.
func TestOwnWritesBehindABalancer(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 16)
	standby := pgtest.NewOwnStandby(t, fresh)
	standby.Exec(t, "alter system set recovery_min_apply_delay = '300ms'")
	standby.Exec(t, "select pg_reload_conf()")
	redis := redistest.Start(t, "")
	var servers []*server
	for range 3 {
		servers = append(servers, start(t, append(around.settings(fresh.URL), "DATABASE_MAX_CONNS=4", "DATABASE_READ_URL="+standby.URL,
			"DATABASE_READ_MAX_LAG=2s", "REDIS_URL="+redis.URL())...))
	}
	b := balance(t, servers...)
	before := servers[0].warm(t, around.callers)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var changed atomic.Int64
	var writers sync.WaitGroup
	for _, c := range around.callers[:8] {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				c.name = fmt.Sprint("name ", i)
				_, err := ask(ctx, b.url, c.token, fmt.Sprintf(`mutation { updateMe(input: { fullName: %q }) { fullName } }`, c.name))
				for range 3 { // on each server
					if err == nil {
						err = works(ctx, b.url, c)
					}
				}
				if err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				changed.Add(1)
			}
		})
	}
	readers := begin(t, b.url, around.callers[8:], 4)
	more := func(what string, count func() int) {
		t.Helper()
		before := count()
		eventually(t, what, func() error {
			if now := count(); now < before+200 {
				return fmt.Errorf("%d", now-before)
			}
			return nil
		})
	}
	fromReplica := func() (sum int) {
		for _, s := range servers {
			sum += s.metric(t, `usergraph_replica_reads_total{outcome="answered"}`)
		}
		return sum
	}
	more("reads from the replica", fromReplica)
	more("changes", func() int { return int(changed.Load()) })
	standby.Kill(t)
	more("changes without the replica", func() int { return int(changed.Load()) })
	readers.more(t, 200)
	standby.Restart(t)
	more("reads from the replica again", fromReplica)
	stop()
	writers.Wait()
	readers.onlyCodes(t)
	servers[0].letsGo(t, before)
	t.Logf("%d changes, each read on three servers; %d reads from the replica", changed.Load(), fromReplica())
}
