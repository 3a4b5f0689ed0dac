package telemetry

import (
	"context"

	"usergraph/auth"
)

// AuthHooks returns hooks that count tokens and record the caller of a request.
func (t *Telemetry) AuthHooks() auth.Hooks {
	return auth.Hooks{
		Verified: func(ctx context.Context, claims *auth.Claims, cached bool) {
			t.metrics.tokens.of(tokenLabels{claims.Algorithm, cached}).Inc()
			if e := exchangeFrom(ctx); e != nil {
				e.caller.Store(claims)
			}
		},
		Refused: func(ctx context.Context, code string, err error) {
			t.metrics.refusals.WithLabelValues(code).Inc()
			t.log.InfoContext(ctx, "refused", "code", code, "reason", err)
		},
	}
}

// KeysFetched logs and counts a fetch of a key set.
func (t *Telemetry) KeysFetched(fetch auth.Fetch) {
	for _, reason := range fetch.Unsuitable {
		t.log.Warn("a published key is left out, or ambiguous", "url", fetch.URL, "reason", reason)
	}
	if fetch.Err != nil {
		t.metrics.fetches.WithLabelValues(fetch.URL, "error").Inc()
		if t.fetchedKeys.Load() {
			t.log.Warn("keys could not be fetched, the last good ones stay in use for a while", "error", fetch.Err)
		} else {
			t.log.Error("keys could not be fetched, so that nobody can sign in: see whether SUPABASE_URL is the project's, and ask usergraph doctor", "error", fetch.Err)
		}
		return
	}
	t.fetchedKeys.Store(true)
	if fetch.Keys == 0 {
		t.log.Warn("the published key set is empty: only tokens signed with SUPABASE_JWT_SECRET can be verified", "url", fetch.URL)
	}
	t.metrics.fetches.WithLabelValues(fetch.URL, "ok").Inc()
	t.metrics.keys.WithLabelValues(fetch.URL).Set(float64(fetch.Keys))
	t.metrics.keysFetchedAt.WithLabelValues(fetch.URL).SetToCurrentTime()
}

// RateLimitHit counts a request beyond the limit of a caller or of an anonymous address.
func (t *Telemetry) RateLimitHit(whose string) {
	t.metrics.limits.WithLabelValues("rate_" + whose).Inc()
}

// RedisFailed records that the servers share nothing while Redis fails.
func (t *Telemetry) RedisFailed(err error) {
	t.metrics.redisFailures.Inc()
	t.log.Warn("redis does not answer: meanwhile each server counts rate limits for itself, and all read from the primary", "error", err)
}
