//go:build unix

package auth_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"usergraph/auth"
	"usergraph/auth/authtest"
)

// bareClaims are the claims of auth.Claims, as golang-jwt's documentation declares them.
type bareClaims struct {
	jwt.RegisteredClaims
	Role        string         `json:"role"`
	Email       string         `json:"email"`
	Phone       string         `json:"phone"`
	AAL         string         `json:"aal"`
	SessionID   string         `json:"session_id"`
	ClientID    string         `json:"client_id"`
	IsAnonymous bool           `json:"is_anonymous"`
	AppMetadata map[string]any `json:"app_metadata"`
}

// reportCPU reports the CPU time of this process, which is comparable on a machine that others use too.
func reportCPU(b *testing.B) (done func()) {
	b.ReportAllocs()
	spent := func() time.Duration {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			b.Fatal(err)
		}
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	before := spent()
	return func() { b.ReportMetric(float64(spent()-before)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkVerify compares golang-jwt alone with the verifier, for a new token and for a cached one.
func BenchmarkVerify(b *testing.B) {
	for _, algorithm := range []string{"ES256", "RS256", "EdDSA", "HS256"} {
		issuer := authtest.New(b)
		var public any = issuer.Secret()
		if algorithm == "HS256" {
			issuer.UseSecret()
		} else {
			key := issuer.Publish(algorithm)
			issuer.Use(key)
			public = key.Public()
		}
		rawToken := issuer.Token(ada)
		b.Run(algorithm+"/bare", func(b *testing.B) {
			parser := jwt.NewParser(jwt.WithValidMethods([]string{algorithm}), jwt.WithAudience("authenticated"), jwt.WithIssuer(issuer.URL()), jwt.WithExpirationRequired())
			defer reportCPU(b)()
			for b.Loop() {
				if _, err := parser.ParseWithClaims(rawToken, new(bareClaims), func(*jwt.Token) (any, error) { return public, nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
		verify := func(b *testing.B, verifier *auth.Verifier) {
			defer reportCPU(b)()
			for b.Loop() {
				if _, err := verifier.Verify(b.Context(), rawToken); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.Run(algorithm+"/miss", func(b *testing.B) {
			// No token fits into this cache.
			verify(b, newVerifier(b, issuer, func(cfg *auth.Config) { cfg.CacheEntries, cfg.CacheBytes = 1, 1 }))
		})
		b.Run(algorithm+"/hit", func(b *testing.B) { verify(b, newVerifier(b, issuer)) })
	}
}

// BenchmarkVerifyParallel measures cache hits by many goroutines.
func BenchmarkVerifyParallel(b *testing.B) {
	issuer := authtest.New(b)
	verifier, rawToken := newVerifier(b, issuer), issuer.Token(ada)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := verifier.Verify(b.Context(), rawToken); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
