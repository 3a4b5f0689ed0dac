package auth_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"usergraph/auth"
	"usergraph/auth/authtest"
)

// Whatever claims make a token long, the cache stays within Config.CacheBytes.
func TestCacheTakesWhatItSays(t *testing.T) {
	const bytes = 4 << 20
	for name, change := range map[string]func(jwt.MapClaims){
		"nothing":       func(jwt.MapClaims) {},
		"user metadata": func(c jwt.MapClaims) { c["user_metadata"] = map[string]any{"a": strings.Repeat("x", 11_000)} },
		"app metadata":  func(c jwt.MapClaims) { c["app_metadata"] = map[string]any{"a": strings.Repeat("x", 11_000)} },
		"email":         func(c jwt.MapClaims) { c["email"] = strings.Repeat("x", 11_000) },
		"phone":         func(c jwt.MapClaims) { c["phone"] = strings.Repeat("x", 11_000) },
		"aal":           func(c jwt.MapClaims) { c["aal"] = strings.Repeat("x", 11_000) },
		"several": func(c jwt.MapClaims) {
			c["email"], c["phone"], c["aal"] = strings.Repeat("x", 4000), strings.Repeat("x", 4000), strings.Repeat("x", 3000)
		},
		"many audiences": func(c jwt.MapClaims) { c["aud"] = append(make([]string, 3000), "authenticated") },
		"short and minor": func(c jwt.MapClaims) {
			delete(c, "email")
			delete(c, "user_metadata")
			delete(c, "app_metadata")
			delete(c, "session_id")
		},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := authtest.New(t)
			secret := authtest.NewSecret(t, issuer.Secret())
			verifier := newVerifier(t, issuer, func(cfg *auth.Config) { cfg.CacheBytes, cfg.CacheEntries = bytes, 1<<20 })
			before := liveHeap()
			sent := 0
			for i := 0; sent < 2*bytes; i++ {
				claims := issuer.Claims(uuid.New())
				change(claims)
				rawToken := secret.Sign(claims)
				if _, err := verifier.Verify(t.Context(), rawToken); err != nil {
					t.Fatal(err)
				}
				sent += len(rawToken)
			}
			if takes := liveHeap() - before; takes > bytes {
				t.Errorf("takes %d bytes, at most %d are allowed", takes, bytes)
			} else {
				t.Logf("takes %d bytes", takes)
			}
			runtime.KeepAlive(verifier)
		})
	}
}

// liveHeap returns the live heap in bytes.
func liveHeap() int {
	runtime.GC()
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return int(memory.HeapAlloc)
}
