package ratelimit

import (
	"context"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"usergraph/internal/redisclient"
)

// shared has its buckets in Redis. redis_rate keeps one number for each, which expires when the bucket is full.
type shared struct {
	client  *redisclient.Client
	buckets *redis_rate.Limiter
}

func newShared(client *redisclient.Client) *shared {
	return &shared{client: client, buckets: redis_rate.NewLimiter(client.Redis())}
}

func (s *shared) take(ctx context.Context, key string, limit Limit) (taken result, err error) {
	err = s.client.Ask(ctx, func(ctx context.Context, _ *redis.Client) error {
		found, err := s.buckets.Allow(ctx, "usergraph:"+key, redis_rate.Limit{Rate: limit.Requests, Burst: limit.Requests, Period: limit.Per})
		if err == nil {
			taken = result{found.Allowed > 0, found.Remaining, max(found.RetryAfter, 0), found.ResetAfter}
		}
		return err
	})
	return taken, err
}
