// Package redisclient answers one question: what does Redis say, if it says it at once? Servers share in Redis what they
// could do without: so no request waits for it long, and after it has not answered none asks it for a while.
package redisclient

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// timeout is how long a request waits for Redis. On the same network it answers in less than a millisecond.
	timeout = 100 * time.Millisecond
	// restTime is how long no request waits for a Redis that has not answered.
	restTime = 5 * time.Second
)

// errResting says that Redis has not answered lately, and was not asked.
var errResting = errors.New("redis has not answered, and is left in peace for a while")

// Client is a Redis. It is safe for concurrent use.
type Client struct {
	redis   *redis.Client
	failed  func(error)
	started time.Time
	// restUntil is in nanoseconds since started: a clock that is set back must not prolong the rest.
	restUntil atomic.Int64
}

// New connects to nothing yet. url is redis://… or rediss://…; failed, if set, is told when Redis does not answer, at most
// once in a while.
func New(url string, failed func(error)) (*Client, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		// The cause may quote the password.
		return nil, errors.New("REDIS_URL is not of the form redis://user:password@host:6379/0")
	}
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = timeout, timeout, timeout
	options.PoolTimeout = timeout
	options.ContextTimeoutEnabled = true
	options.MaxRetries = -1 // none
	options.DialerRetries = 1
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	redis.SetLogger(silent{}) // what goes wrong comes back as an error
	return &Client{redis: redis.NewClient(options), failed: failed, started: time.Now()}, nil
}

// Redis is the client within, for libraries. Its questions are asked in Ask.
func (c *Client) Redis() *redis.Client { return c.redis }

// Ask has a question asked, unless Redis is left in peace.
func (c *Client) Ask(ctx context.Context, question func(context.Context, *redis.Client) error) error {
	if int64(time.Since(c.started)) < c.restUntil.Load() {
		return errResting
	}
	return c.Insist(ctx, question)
}

// Insist has a question asked in any case.
func (c *Client) Insist(ctx context.Context, question func(context.Context, *redis.Client) error) error {
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := question(within, c.redis)
	if err != nil {
		c.rest(ctx, err)
	}
	return err
}

// Close closes the connections.
func (c *Client) Close() error { return c.redis.Close() }

// rest lets requests go on without Redis for a while. Of all that failed at the same time, one tells.
func (c *Client) rest(ctx context.Context, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return // it was the client who went
	}
	now := time.Since(c.started)
	before := c.restUntil.Load()
	if int64(now) >= before && c.restUntil.CompareAndSwap(before, int64(now+restTime)) && c.failed != nil {
		c.failed(err)
	}
}

// silent is a logger of go-redis.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}
