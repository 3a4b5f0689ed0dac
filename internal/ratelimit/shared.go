package ratelimit

import (
	"context"
	"fmt"
	"time"

	"github.com/gomodule/redigo/redis"

	"usergraph/internal/redisclient"
)

// takeScript takes a request out of a bucket, by GCRA, the generic cell rate algorithm. A bucket is one number: when it
// is full again, in seconds since 2017, so that a double keeps the microseconds. It expires at that time. Key and
// number are those of github.com/go-redis/redis_rate. The arguments are the key, the requests of a full bucket, and the
// seconds in which it fills. The result is the requests left, or -1 if this one was refused; then, in microseconds, the
// times until the next request is allowed and until the bucket is full.
var takeScript = redis.NewScript(1, `
local time = redis.call('TIME')
local now = time[1] - 1483228800 + time[2] / 1000000
local requests, fills = tonumber(ARGV[1]), tonumber(ARGV[2])
local each = fills / requests
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local reset = full - now + each
local left = math.floor((fills - reset) / each + 0.001) -- a double is not exact
if left < 0 then
  return {-1, math.ceil((reset - fills) * 1000000), math.ceil((reset - each) * 1000000)}
end
redis.call('SET', KEYS[1], full + each, 'EX', math.ceil(reset))
return {left, 0, math.ceil(reset * 1000000)}
`)

// shared keeps the buckets in Redis.
type shared struct {
	client *redisclient.Client
}

func (s *shared) take(ctx context.Context, key string, limit Limit) (taken result, err error) {
	err = s.client.Ask(ctx, func(conn redis.Conn) error {
		found, err := redis.Int64s(takeScript.Do(conn, "rate:usergraph:"+key, limit.Requests, limit.Per.Seconds()))
		if err != nil {
			return err
		}
		if len(found) != 3 {
			return fmt.Errorf("redis answers a bucket with %d numbers", len(found))
		}
		taken = result{found[0] >= 0, int(max(found[0], 0)), time.Duration(found[1]) * time.Microsecond, time.Duration(found[2]) * time.Microsecond}
		return nil
	})
	return taken, err
}
