// Package recent answers one question: who has changed something a moment ago? These recent writers read from the
// primary database for as long as a replica may lag behind it, so that they see their changes.
//
// They are kept in this process, and in Redis if all servers share one. No times are sent, so clocks need not agree.
package recent

import (
	"context"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"

	"usergraph/internal/redisclient"
)

// maxWriters bounds the writers of a moment, about 100 bytes each. If there are more, every caller counts as a writer.
const maxWriters = 100_000

// Writers holds the callers that have changed something within a moment. It is safe for concurrent use.
type Writers struct {
	moment time.Duration
	redis  *redisclient.Client // nil if the servers share nothing

	mu sync.Mutex
	// The time of each writer's last change. After a moment young becomes old, and the previous old, older than a
	// moment, is dropped.
	young, old map[string]time.Time
	turned     time.Time
	everybody  time.Time // until then every caller counts
}

// New returns an empty Writers. moment is how long a change counts as recent. shared, if set, is the servers' common
// Redis.
func New(moment time.Duration, shared *redisclient.Client) *Writers {
	return &Writers{moment: moment, redis: shared, young: map[string]time.Time{}}
}

// Note records a change of a caller. It must be called before the response is sent.
func (w *Writers) Note(ctx context.Context, subject string) {
	w.note(subject, time.Now())
	if w.redis == nil {
		return
	}
	// Write even if the client is gone and even while the circuit breaker is open: other servers may still reach Redis.
	_ = w.redis.Insist(context.WithoutCancel(ctx), func(conn redis.Conn) error {
		_, err := conn.Do("SET", key(subject), 1, "PX", w.moment.Milliseconds())
		return err
	})
}

// Recent reports whether a caller has changed something within the last moment, or may have, because Redis does not
// answer.
func (w *Writers) Recent(ctx context.Context, subject string) bool {
	if w.recent(subject, time.Now()) {
		return true
	}
	if w.redis == nil {
		return false
	}
	found := true
	_ = w.redis.Ask(ctx, func(conn redis.Conn) error {
		exists, err := redis.Bool(conn.Do("EXISTS", key(subject)))
		if err == nil {
			found = exists
		}
		return err
	})
	return found
}

func key(subject string) string { return "usergraph:wrote:" + subject }

func (w *Writers) note(subject string, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.turned) > w.moment {
		w.young, w.old, w.turned = map[string]time.Time{}, w.young, now
	}
	if len(w.young) >= maxWriters {
		w.everybody = now.Add(w.moment)
		return
	}
	w.young[subject] = now
}

func (w *Writers) recent(subject string, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	wrote, ok := w.young[subject]
	if !ok {
		wrote, ok = w.old[subject]
	}
	return now.Before(w.everybody) || ok && now.Sub(wrote) < w.moment
}
