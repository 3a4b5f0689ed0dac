// Package ratelimit answers one question: how often may a caller ask?
//
// A signed-in caller is known by their id, anybody else by their address. Each has a bucket of requests that refills
// steadily. The buckets are in this process, or in a Redis that all replicas share; while Redis is down, each replica goes
// on with buckets of its own.
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

// codeRateLimited is what a client finds in extensions.code.
const codeRateLimited = "RATE_LIMITED"

// Limit is how many requests there may be in a time. All of them may come at once. The zero Limit is none.
type Limit struct {
	Requests int
	Per      time.Duration
}

// Parse reads a limit such as 600/1m, or off.
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

// Config is what New needs to know.
type Config struct {
	// Caller is the limit of each signed-in caller, Anonymous that of each address from which others come: an IPv4
	// address, or an IPv6 network of 64 bits, which is what one customer gets.
	Caller, Anonymous Limit
	// Redis, if set, keeps the buckets for all replicas.
	Redis *redisclient.Client
	// Hit, if set, is told of each refusal: caller or anonymous.
	Hit func(limit string)
}

// Limiter refuses those who ask too often. It is safe for concurrent use.
type Limiter struct {
	cfg   Config
	local *local
	redis *shared // nil without Redis
}

// New connects to nothing yet.
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

// result is what became of a request.
type result struct {
	allowed    bool
	remaining  int
	retryAfter time.Duration // if it was not allowed
	resetAfter time.Duration // until the bucket is full again
}

// addressKey is where the address of a request is, for those of its operations that name no caller.
type addressKey struct{}

// Middleware answers 429 to those who ask too often, and tells everybody else how much is left for them. It expects
// auth.Middleware in front of it, with Refused.
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

// Refused makes an auth.Options.Refuse that counts a refused request for its address, never for the user whom a refused
// token names. It answers 429 if there are too many. What is unknown for a fault of the server, 503, is not counted.
func (l *Limiter) Refused(refuse func(http.ResponseWriter, *http.Request, error)) func(http.ResponseWriter, *http.Request, error) {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		if code, _ := auth.Public(err); code != auth.CodeUnavailable && !l.allows(w, r, nil) {
			return
		}
		refuse(w, r, err)
	}
}

// Admit counts one more operation of a request that Middleware let through: on a websocket, or of a batch. If there are
// too many, it says when there may be another.
func (l *Limiter) Admit(ctx context.Context) (retryAfter time.Duration, ok bool) {
	claims, _ := auth.FromContext(ctx)
	remoteAddr, _ := ctx.Value(addressKey{}).(string)
	found, limit := l.count(ctx, claims, remoteAddr)
	return found.retryAfter, limit == (Limit{}) || found.allowed
}

// allows counts a request, tells how much is left, and answers 429 if there are too many.
func (l *Limiter) allows(w http.ResponseWriter, r *http.Request, claims *auth.Claims) bool {
	found, limit := l.count(r.Context(), claims, r.RemoteAddr)
	if limit == (Limit{}) {
		return true
	}
	header := w.Header()
	// draft-ietf-httpapi-ratelimit-headers-06, which clients know.
	header.Set("RateLimit-Limit", strconv.Itoa(limit.Requests))
	header.Set("RateLimit-Remaining", strconv.Itoa(found.remaining))
	header.Set("RateLimit-Reset", seconds(found.resetAfter))
	if !found.allowed {
		refuse(w, r, seconds(found.retryAfter))
	}
	return found.allowed
}

// count takes a request out of the bucket of a caller, or of an address if there is none. Without a limit nothing is
// counted.
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

// seconds rounds up: a client that comes back a moment too early would be refused again.
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
