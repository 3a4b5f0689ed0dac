package ratelimit

import (
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

// maxBuckets bounds the memory of the buckets, about 200 bytes each. The least recently used are evicted; an evicted
// bucket is full again.
const maxBuckets = 100_000

// local keeps the buckets in this process.
type local struct {
	buckets *otter.Cache[string, *rate.Limiter]
}

// newLocal returns an empty set of buckets. A bucket is dropped if it is unused for the longest time that a bucket
// takes to fill.
func newLocal(fills time.Duration) (*local, error) {
	buckets, err := otter.New(&otter.Options[string, *rate.Limiter]{
		MaximumSize:      maxBuckets,
		ExpiryCalculator: otter.ExpiryAccessing[string, *rate.Limiter](max(fills, time.Second)),
		// Eviction is quick. It runs on the caller's goroutine, so that none is left behind.
		Executor: func(task func()) { task() },
	})
	return &local{buckets}, err
}

func (l *local) take(key string, limit Limit, now time.Time) result {
	bucket, ok := l.buckets.GetIfPresent(key)
	if !ok {
		bucket, _ = l.buckets.SetIfAbsent(key, rate.NewLimiter(rate.Limit(float64(limit.Requests)/limit.Per.Seconds()), limit.Requests))
	}
	taken := bucket.ReserveN(now, 1)
	wait := taken.DelayFrom(now)
	if wait > 0 {
		taken.CancelAt(now)
	}
	left := max(bucket.TokensAt(now), 0)
	missing := float64(limit.Requests) - left
	return result{
		allowed:    wait == 0,
		remaining:  int(left),
		retryAfter: wait,
		resetAfter: time.Duration(missing / float64(limit.Requests) * float64(limit.Per)),
	}
}
