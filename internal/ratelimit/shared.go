package ratelimit

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// redisTimeout is how long a request waits for Redis. On the same network it answers in less than a millisecond.
	redisTimeout = 100 * time.Millisecond
	// restTime is how long no request waits for a Redis that has not answered.
	restTime = 5 * time.Second
)

var errResting = errors.New("redis has not answered, and is left in peace for a while")

// shared has its buckets in Redis. redis_rate keeps one number for each, which expires when the bucket is full.
type shared struct {
	client  *redis.Client
	buckets *redis_rate.Limiter
	failed  func(error)
	// restUntil is a time in nanoseconds.
	restUntil atomic.Int64
}

func newShared(url string, failed func(error)) (*shared, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		// The cause may quote the password.
		return nil, errors.New("REDIS_URL is not of the form redis://user:password@host:6379/0")
	}
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = redisTimeout, redisTimeout, redisTimeout
	options.PoolTimeout = redisTimeout
	options.ContextTimeoutEnabled = true
	options.MaxRetries = -1 // none
	options.DialerRetries = 1
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	redis.SetLogger(silent{}) // what goes wrong comes back as an error
	client := redis.NewClient(options)
	return &shared{client: client, buckets: redis_rate.NewLimiter(client), failed: failed}, nil
}

func (s *shared) take(ctx context.Context, key string, limit Limit) (result, error) {
	if time.Now().UnixNano() < s.restUntil.Load() {
		return result{}, errResting
	}
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	found, err := s.buckets.Allow(ctx, "usergraph:"+key, redis_rate.Limit{Rate: limit.Requests, Burst: limit.Requests, Period: limit.Per})
	if err != nil {
		return result{}, err
	}
	return result{found.Allowed > 0, found.Remaining, max(found.RetryAfter, 0), found.ResetAfter}, nil
}

// rest lets requests go on without Redis for a while. Of all that failed at the same time, one tells.
func (s *shared) rest(ctx context.Context, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return // it was the client who went
	}
	now := time.Now()
	before := s.restUntil.Load()
	if now.UnixNano() > before && s.restUntil.CompareAndSwap(before, now.Add(restTime).UnixNano()) && s.failed != nil {
		s.failed(err)
	}
}

// silent is a logger of go-redis.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}
