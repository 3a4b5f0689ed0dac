// Package recent answers one question: who has changed something a moment ago? They read from the primary database for
// as long as a replica may lag behind it, so that they see what they have done.
//
// It is kept in this process, and in a Redis if all servers share one. Times are never sent, so that clocks need not agree.
package recent

import (
	"context"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"

	"usergraph/internal/redisclient"
)

// maxWriters bounds the memory for a moment, some 100 bytes each. When there are more, everybody counts as one.
const maxWriters = 100_000

// Writers are those who have changed something within a moment. It is safe for concurrent use.
type Writers struct {
	moment time.Duration
	redis  *redisclient.Client // nil if servers share none

	mu sync.Mutex
	// When each last wrote. Young becomes old after a moment; what was old by then is older than a moment, and forgotten.
	young, old map[string]time.Time
	turned     time.Time
	everybody  time.Time // until when everybody counts
}

// New returns nobody. moment is how long a change counts as recent; shared, if set, is where servers tell each other.
func New(moment time.Duration, shared *redisclient.Client) *Writers {
	return &Writers{moment: moment, redis: shared, young: map[string]time.Time{}}
}

// Note keeps that somebody has changed something. It must be called before they are told.
func (w *Writers) Note(ctx context.Context, subject string) {
	w.note(subject, time.Now())
	if w.redis == nil {
		return
	}
	// Even for a client who has gone, and while Redis is left in peace: if it is down, the others get no answer either, but
	// one that has failed this server alone must be told.
	_ = w.redis.Insist(context.WithoutCancel(ctx), func(conn redis.Conn) error {
		_, err := conn.Do("SET", key(subject), 1, "PX", w.moment.Milliseconds())
		return err
	})
}

// Recent says whether somebody has changed something within the last moment, or may have: Redis does not tell.
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
