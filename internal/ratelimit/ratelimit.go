// Package ratelimit answers one question: how often may a caller send requests?
//
// A signed-in caller is identified by user id, and by the OAuth app that acts for the user if there is one; an anonymous
// one by address. Each has a bucket of requests that refills steadily. The buckets are in this process, or in a Redis
// that all replicas share. While Redis is down, each replica uses its own buckets.
package ratelimit

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"usergraph/auth"
	"usergraph/internal/address"
	"usergraph/internal/redisclient"
)

// codeRateLimited is the code in extensions.code.
const codeRateLimited = "RATE_LIMITED"

// Limit is a number of requests in a duration. A burst may use all of them. The zero Limit means no limit.
type Limit struct {
	Requests int
	Per      time.Duration
}

// Parse parses a limit such as 600/1m, or off.
func Parse(text string) (Limit, error) {
	if text == "off" {
		return Limit{}, nil
	}
	count, period, _ := strings.Cut(text, "/")
	requests, err := strconv.Atoi(count)
	per, perErr := time.ParseDuration(period)
	if err != nil || perErr != nil || requests < 1 || requests > 1_000_000 || per < time.Second || per > 24*time.Hour {
		return Limit{}, fmt.Errorf("is %q, neither off nor requests in a time, such as 600/1m", text)
	}
	return Limit{requests, per}, nil
}

// Config configures a Limiter.
type Config struct {
	// Caller is the limit of each signed-in caller. Anonymous is the limit of each address of other callers: an IPv4
	// address, or an IPv6 /64 network, the size of one customer's network.
	Caller, Anonymous Limit
	// Redis, if set, holds the buckets of all replicas.
	Redis *redisclient.Client
	// Hit, if set, is called for each refusal with "caller" or "anonymous".
	Hit func(limit string)
}

// Limiter refuses requests beyond the limits. It is safe for concurrent use.
type Limiter struct {
	cfg   Config
	local *local
	redis *shared // nil without Redis
}

// New returns a Limiter. It does not connect to Redis yet.
func New(cfg Config) (*Limiter, error) {
	l := &Limiter{cfg: cfg}
	var err error
	if l.local, err = newLocal(max(cfg.Caller.Per, cfg.Anonymous.Per)); err != nil {
		return nil, err
	}
	if cfg.Redis != nil {
		l.redis = &shared{cfg.Redis}
	}
	return l, nil
}

// result is the outcome of a request.
type result struct {
	allowed    bool
	remaining  int
	retryAfter time.Duration // if it was refused
	resetAfter time.Duration // until the bucket is full again
}

// addressKey is the context key of a request's address. Operations without a caller are counted for it.
type addressKey struct{}

// Middleware answers 429 to requests beyond the limit, and adds the remaining number to the others' headers.
// auth.Middleware must run before it, with Refused.
func (l *Limiter) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := auth.FromContext(r.Context())
		if !l.allows(w, r, claims) {
			return
		}
		if l.cfg.Anonymous != (Limit{}) {
			r = r.WithContext(context.WithValue(r.Context(), addressKey{}, r.RemoteAddr))
		}
		next.ServeHTTP(w, r)
	})
}

// Refused wraps an auth.Options.Refuse. It counts a refused request for its address, never for the user that a refused
// token names, and answers 429 beyond the limit. A 503 is not counted: it is a fault of the server.
func (l *Limiter) Refused(refuse func(http.ResponseWriter, *http.Request, error)) func(http.ResponseWriter, *http.Request, error) {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		if code, _ := auth.Public(err); code != auth.CodeUnavailable && !l.allows(w, r, nil) {
			return
		}
		refuse(w, r, err)
	}
}

// Admit counts one more operation of a request that Middleware let through: on a websocket, or of a batch. Beyond the
// limit it returns when to retry.
func (l *Limiter) Admit(ctx context.Context) (retryAfter time.Duration, ok bool) {
	claims, _ := auth.FromContext(ctx)
	remoteAddr, _ := ctx.Value(addressKey{}).(string)
	found, limit := l.count(ctx, claims, remoteAddr)
	return found.retryAfter, limit == (Limit{}) || found.allowed
}

// allows counts a request, sets the headers, and answers 429 beyond the limit.
func (l *Limiter) allows(w http.ResponseWriter, r *http.Request, claims *auth.Claims) bool {
	found, limit := l.count(r.Context(), claims, r.RemoteAddr)
	if limit == (Limit{}) {
		return true
	}
	header := w.Header()
	// draft-ietf-httpapi-ratelimit-headers-06, which clients support.
	header.Set("RateLimit-Limit", strconv.Itoa(limit.Requests))
	header.Set("RateLimit-Remaining", strconv.Itoa(found.remaining))
	header.Set("RateLimit-Reset", seconds(found.resetAfter))
	if !found.allowed {
		refuse(w, r, seconds(found.retryAfter))
	}
	return found.allowed
}

// count takes a request out of the bucket of the caller, or of the address if there is no caller. Without a limit it
// counts nothing.
func (l *Limiter) count(ctx context.Context, claims *auth.Claims, remoteAddr string) (found result, limit Limit) {
	kind, limit := "anonymous", l.cfg.Anonymous
	if claims != nil {
		kind, limit = "caller", l.cfg.Caller
	}
	if limit == (Limit{}) {
		return found, limit
	}
	var key string
	if claims != nil {
		key = claims.UserID.String()
		if claims.ClientID != "" {
			key += ":" + claims.ClientID
		}
	} else {
		key = address.Key(remoteAddr)
	}
	found = l.take(ctx, kind+":"+key, limit)
	if !found.allowed && l.cfg.Hit != nil {
		l.cfg.Hit(kind)
	}
	return found, limit
}

// take takes a request out of the bucket of key.
func (l *Limiter) take(ctx context.Context, key string, limit Limit) result {
	if l.redis != nil {
		found, err := l.redis.take(ctx, key, limit)
		if err == nil {
			return found
		}
	}
	return l.local.take(key, limit, time.Now())
}

// seconds rounds up: a retry a moment too early would be refused again.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

// refuse answers with the body of a GraphQL response.
func refuse(w http.ResponseWriter, r *http.Request, retryAfter string) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Retry-After", retryAfter)
	header.Set("Content-Type", "application/json")
	if strings.Contains(r.Header.Get("Accept"), "application/graphql-response+json") {
		header.Set("Content-Type", "application/graphql-response+json; charset=utf-8")
	}
	w.WriteHeader(http.StatusTooManyRequests)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]any{{
		"message":    "too many requests, try again in " + retryAfter + " s",
		"extensions": map[string]any{"code": codeRateLimited},
	}}})
}
