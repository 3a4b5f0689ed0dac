// Package redisclient answers one question: what does Redis say, if it says it at once? Servers share in Redis what they
// could do without: so no request waits for it long, and after it has not answered none asks it for a while.
package redisclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"
)

const (
	// timeout is how long a request waits for Redis. On the same network it answers in less than a millisecond.
	timeout = 100 * time.Millisecond
	// restTime is how long no request waits for a Redis that has not answered.
	restTime = 5 * time.Second
	// idleTime closes a connection before a balancer in between forgets it.
	idleTime = 5 * time.Minute
)

var (
	// errResting says that Redis has not answered lately, and was not asked.
	errResting = errors.New("redis has not answered, and is left in peace for a while")
	errStale   = errors.New("another connection has broken since this one was used")
	errURL     = errors.New("REDIS_URL is not of the form redis://user:password@host:6379/0")
)

// Client is a Redis. It is safe for concurrent use.
type Client struct {
	pool *redis.Pool
	// slots bound the connections. The pool's own limit panics when it is closed while somebody waits.
	slots   chan struct{}
	timeout time.Duration
	failed  func(error)
	started time.Time
	// restUntil and brokenAt are in nanoseconds since started: a clock that is set back must not prolong the rest.
	// Connections last used before brokenAt are not used again.
	restUntil, brokenAt atomic.Int64
}

// New connects to nothing yet. address is redis://… or rediss://…; failed, if set, is told when Redis does not answer, at
// most once in a while.
func New(address string, failed func(error)) (*Client, error) { return open(address, timeout, failed) }

func open(address string, timeout time.Duration, failed func(error)) (*Client, error) {
	dial, err := dialer(address, timeout)
	if err != nil {
		return nil, err
	}
	conns := 10 * runtime.GOMAXPROCS(0)
	c := &Client{slots: make(chan struct{}, conns), timeout: timeout, failed: failed, started: time.Now()}
	c.pool = &redis.Pool{DialContext: dial, MaxIdle: conns, IdleTimeout: idleTime, TestOnBorrow: func(_ redis.Conn, lastUsed time.Time) error {
		if int64(lastUsed.Sub(c.started)) < c.brokenAt.Load() {
			return errStale
		}
		return nil
	}}
	return c, nil
}

// dialer reads a URL. Its error does not quote the URL, which has a password.
func dialer(address string, timeout time.Duration) (func(context.Context) (redis.Conn, error), error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Opaque != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errURL
	}
	database := 0
	if path := strings.Trim(u.Path, "/"); path != "" {
		if database, err = strconv.Atoi(path); err != nil || database < 0 {
			return nil, errURL
		}
	}
	host, port := u.Hostname(), u.Port()
	if host == "" {
		host = "localhost"
	}
	if port == "" {
		port = "6379"
	}
	dial := (&net.Dialer{}).DialContext
	if u.Scheme == "rediss" {
		dial = (&tls.Dialer{Config: &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}}).DialContext
	}
	password, _ := u.User.Password()
	options := []redis.DialOption{
		redis.DialContextFunc(dial), redis.DialUsername(u.User.Username()), redis.DialPassword(password), redis.DialDatabase(database),
		redis.DialReadTimeout(timeout), redis.DialWriteTimeout(timeout),
	}
	return func(ctx context.Context) (redis.Conn, error) {
		return redis.DialContext(ctx, "tcp", net.JoinHostPort(host, port), options...)
	}, nil
}

// Ask has a question asked, unless Redis is left in peace.
func (c *Client) Ask(ctx context.Context, question func(redis.Conn) error) error {
	if int64(time.Since(c.started)) < c.restUntil.Load() {
		return errResting
	}
	return c.Insist(ctx, question)
}

// Insist has a question asked in any case.
func (c *Client) Insist(ctx context.Context, question func(redis.Conn) error) error {
	within, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := c.ask(within, question)
	if err != nil {
		c.rest(ctx, err)
	}
	return err
}

// ask asks a question, and once more if the connection is broken: Redis may have closed it, or started again, while
// nobody used it.
func (c *Client) ask(ctx context.Context, question func(redis.Conn) error) error {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	broken, err := c.askOnce(ctx, question)
	if broken && ctx.Err() == nil {
		_, err = c.askOnce(ctx, question)
	}
	return err
}

func (c *Client) askOnce(ctx context.Context, question func(redis.Conn) error) (broken bool, err error) {
	conn, err := c.pool.GetContext(ctx)
	if err != nil {
		return false, err
	}
	deadline, _ := ctx.Deadline()
	err = question(boundedConn{conn, deadline})
	broken = conn.Err() != nil
	_ = conn.Close() // back into the pool, unless it is broken
	// A Redis that has become a replica keeps its connections, while its name may be another's by now.
	var refused redis.Error
	if broken || errors.As(err, &refused) && strings.HasPrefix(string(refused), "READONLY ") {
		c.brokenAt.Store(int64(time.Since(c.started)))
	}
	return broken, err
}

// boundedConn waits for no answer beyond a deadline.
type boundedConn struct {
	redis.Conn
	deadline time.Time
}

// Do does not look at the end of a request: breaking off would cost the connection, and it ends soon.
func (c boundedConn) Do(command string, args ...any) (any, error) {
	left := time.Until(c.deadline)
	if left <= 0 { // 0 would be without a timeout
		return nil, context.DeadlineExceeded
	}
	return redis.DoWithTimeout(c.Conn, left, command, args...)
}

// Close closes the connections.
func (c *Client) Close() error { return c.pool.Close() }

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
