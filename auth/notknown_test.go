package auth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"usergraph/auth"
	"usergraph/auth/authtest"
)

// issued changes a token to have been issued this long before or after the clock's time.
func (c *clock) issued(ago time.Duration) func(jwt.MapClaims) {
	return func(claims jwt.MapClaims) {
		claims["iat"], claims["exp"] = c.Now().Add(-ago).Unix(), c.Now().Unix()+3600
	}
}

// The key id is not in the set: a token older than the set is refused, a newer one may be signed with a key that is
// newer than the set.
func TestUnknownKeys(t *testing.T) {
	const later = 5 * time.Second // too soon for another fetch
	for name, test := range map[string]struct {
		age   string                     // the header Age of the set
		after time.Duration              // time between the set and the token
		ago   time.Duration              // time between its issue and its use
		claim func(claims jwt.MapClaims) // changes it
		want  error
	}{
		"older than the set":                             {after: later, ago: 6 * time.Second, want: auth.ErrTokenInvalid},
		"much older":                                     {after: later, ago: time.Hour, want: auth.ErrTokenInvalid},
		"newer than the set":                             {after: later, ago: 4 * time.Second, want: auth.ErrKeysUnavailable},
		"just issued":                                    {after: later, want: auth.ErrKeysUnavailable},
		"issued by a clock that is ahead":                {after: later, ago: -20 * time.Second, want: auth.ErrKeysUnavailable},
		"without iat":                                    {after: later, claim: func(c jwt.MapClaims) { delete(c, "iat") }, want: auth.ErrKeysUnavailable},
		"after a fetch for it":                           {after: 10 * time.Second, want: auth.ErrTokenInvalid},
		"after a fetch for it, without iat":              {after: 10 * time.Second, claim: func(c jwt.MapClaims) { delete(c, "iat") }, want: auth.ErrTokenInvalid},
		"after a fetch for it, issued in the future":     {after: 10 * time.Second, ago: -time.Hour, want: auth.ErrTokenInvalid},
		"a cached set that is older than the token":      {age: "300", after: 10 * time.Second, ago: 299 * time.Second, want: auth.ErrKeysUnavailable},
		"a cached set that is newer than the token":      {age: "300", after: 10 * time.Second, ago: 301 * time.Second, want: auth.ErrTokenInvalid},
		"a cached set, just issued":                      {age: "1", after: 10 * time.Second, want: auth.ErrKeysUnavailable},
		"a set that was cached for longer than its life": {age: "4000", after: 10 * time.Second, ago: time.Hour, want: auth.ErrKeysUnavailable},
		"an age beyond 64 bits":                          {age: "99999999999999999999", after: 10 * time.Second, ago: time.Hour, want: auth.ErrKeysUnavailable},
		"an age that is none":                            {age: "old", after: 10 * time.Second, want: auth.ErrTokenInvalid},
		"an age below zero":                              {age: "-5", after: 10 * time.Second, want: auth.ErrTokenInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			issuer, clock := authtest.New(t), newClock()
			issuer.Answer(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "public, max-age=600")
				w.Header().Set("Date", clock.Now().UTC().Format(http.TimeFormat))
				if test.age != "" {
					w.Header().Set("Age", test.age)
				}
				_, _ = w.Write(issuer.JWKS())
			})
			verifier := newClockedVerifier(t, issuer, clock)
			mustVerify(t, verifier, issuer.Token(ada, clock.fresh))
			clock.Advance(test.after)
			claims := change(issuer.Claims(ada), clock.issued(test.ago))
			if test.claim != nil {
				test.claim(claims)
			}
			rawToken := authtest.NewKey(t, "ES256").Sign(claims)
			_, err := verifier.Verify(t.Context(), rawToken)
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if code, message := auth.Public(err); strings.Contains(message, rawToken[10:40]) || code == auth.CodeUnavailable && !strings.Contains(message, "not known yet, try again") {
				t.Errorf("the client is told %s: %s", code, message)
			}
			mustVerify(t, verifier, issuer.Token(ada, clock.fresh)) // other requests are not affected
		})
	}
}

// A key is published and used right after a request with an invented key id. Its tokens are never called invalid, and
// are accepted 10 s after the last fetch.
func TestNewKeyAfterMadeUpOnes(t *testing.T) {
	issuer, clock := authtest.New(t), newClock()
	verifier := newClockedVerifier(t, issuer, clock)
	mustVerify(t, verifier, issuer.Token(ada, clock.fresh))
	madeUp := func() string { return authtest.NewKey(t, "ES256").Sign(change(issuer.Claims(ada), clock.fresh)) }
	clock.Advance(10 * time.Second)
	mustRefuse(t, verifier, madeUp(), auth.ErrTokenInvalid)
	clock.Advance(time.Second)
	issuer.Use(issuer.Publish("RS256"))
	rawToken := issuer.Token(ada, clock.fresh)
	for range 9 {
		mustRefuse(t, verifier, rawToken, auth.ErrKeysUnavailable)
		mustRefuse(t, verifier, madeUp(), auth.ErrKeysUnavailable)
		clock.Advance(time.Second)
	}
	mustVerify(t, verifier, rawToken)
	if n := issuer.Fetches(); n != 3 {
		t.Errorf("%d fetches", n)
	}
}

// Behind a cache with the old set, tokens of a new key get 503 until the cache has the new set.
func TestNewKeyBehindCache(t *testing.T) {
	issuer, clock := authtest.New(t), newClock()
	cached, cachedAt := issuer.JWKS(), clock.Now()
	issuer.Answer(func(w http.ResponseWriter, _ *http.Request) {
		if clock.Now().Sub(cachedAt) >= 10*time.Minute {
			cached, cachedAt = issuer.JWKS(), clock.Now()
		}
		w.Header().Set("Cache-Control", "public, max-age=600")
		w.Header().Set("Age", fmt.Sprint(int(clock.Now().Sub(cachedAt).Seconds())))
		_, _ = w.Write(cached)
	})
	verifier := newClockedVerifier(t, issuer, clock)
	old := issuer.Token(ada, clock.fresh)
	mustVerify(t, verifier, old)
	clock.Advance(time.Minute)
	issuer.Use(issuer.Publish("ES256"))
	rawToken := issuer.Token(ada, clock.fresh)
	for clock.Now().Sub(clock.start) < 10*time.Minute {
		mustRefuse(t, verifier, rawToken, auth.ErrKeysUnavailable)
		mustVerify(t, verifier, old)
		clock.Advance(20 * time.Second)
	}
	mustVerify(t, verifier, rawToken)
}

// This machine's clock is ahead of the issuer's, so that a new token seems older than the set.
func TestNewKeyByAnotherClock(t *testing.T) {
	issuer, clock := authtest.New(t), newClock()
	const behind = 25 * time.Second
	issuer.Answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", clock.Now().Add(-behind).UTC().Format(http.TimeFormat))
		_, _ = w.Write(issuer.JWKS())
	})
	verifier := newClockedVerifier(t, issuer, clock)
	mustVerify(t, verifier, issuer.Token(ada, clock.issued(behind)))
	clock.Advance(5 * time.Second)
	issuer.Use(issuer.Publish("ES256"))
	rawToken := issuer.Token(ada, clock.issued(behind))
	mustRefuse(t, verifier, rawToken, auth.ErrKeysUnavailable)
	mustRefuse(t, verifier, authtest.NewKey(t, "ES256").Sign(change(issuer.Claims(ada), clock.issued(behind+6*time.Second))), auth.ErrTokenInvalid)
	clock.Advance(5 * time.Second)
	mustVerify(t, verifier, rawToken)
}

// An empty set proves nothing about the tokens of its keys: they are neither accepted nor refused for good. The secret
// stays in use.
func TestSetBecomesEmpty(t *testing.T) {
	for name, empty := range map[string]string{
		"empty":               `{"keys":[]}`,
		"only unsuitable":     `{"keys":[{"kty":"oct","kid":"a","k":"c2VjcmV0"},null,{}]}`,
		"empty, further name": `{"keys":[],"next":null}`,
	} {
		t.Run(name, func(t *testing.T) {
			issuer, clock := authtest.New(t), newClock()
			keys, err := auth.NewRemoteKeySet(auth.RemoteConfig{URL: issuer.JWKSURL(), Now: clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			verifier, err := auth.NewVerifier(auth.Config{Issuers: []auth.Issuer{{URL: issuer.URL(), Keys: keys, Secret: issuer.Secret()}}, Now: clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			defer verifier.Close()
			known, unseen := issuer.Token(ada, clock.fresh), issuer.Token(ada, clock.fresh)
			mustVerify(t, verifier, known)
			issuer.Answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, empty) })
			clock.Advance(11 * time.Minute)
			bySecret := authtest.NewSecret(t, issuer.Secret()).Sign(change(issuer.Claims(ada), clock.fresh))
			for range 5 {
				mustRefuse(t, verifier, known, auth.ErrKeysUnavailable)
				mustRefuse(t, verifier, unseen, auth.ErrKeysUnavailable)
				mustRefuse(t, verifier, issuer.Token(ada, clock.fresh), auth.ErrKeysUnavailable)
				mustVerify(t, verifier, bySecret)
				if err := verifier.Ready(t.Context()); err != nil {
					t.Error(err)
				}
				clock.Advance(9 * time.Minute)
			}
			issuer.Answer(nil)
			clock.Advance(10 * time.Second)
			mustVerify(t, verifier, known)
			mustVerify(t, verifier, unseen)
		})
	}
}

// A project that signs with its secret is ready without a key set; one that does not is not.
func TestReadyWithoutKeys(t *testing.T) {
	for status, ready := range map[int]bool{401: true, 403: true, 404: true, 410: true, 429: false, 500: false, 502: false, 302: false} {
		issuer := authtest.New(t)
		issuer.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		withSecret := newVerifier(t, issuer)
		if err := withSecret.Ready(t.Context()); (err == nil) != ready {
			t.Errorf("%d, with a secret: %v", status, err)
		}
		mustVerify(t, withSecret, authtest.NewSecret(t, issuer.Secret()).Sign(issuer.Claims(ada)))
		mustRefuse(t, withSecret, issuer.Token(ada), auth.ErrKeysUnavailable)
		without := newVerifier(t, issuer, func(cfg *auth.Config) { cfg.Issuers[0].Secret = nil })
		if err := without.Ready(t.Context()); !errors.Is(err, auth.ErrKeysUnavailable) {
			t.Errorf("%d, without a secret: %v", status, err)
		}
	}
}

// spoiled are entries of a key set that cannot verify safely, some of them under the id of a valid key.
func spoiled(t testing.TB, good *authtest.Key) []string {
	jwk := string(good.JWK())
	with := func(member string) string { return "{" + member + "," + jwk[1:] }
	other := authtest.NewKey(t, good.Algorithm)
	other.ID = good.ID
	return []string{
		`null`, `1`, `"x"`, `[]`, `[{}]`, `{}`, `true`, `{"kty":1}`, `{"kty":"EC"}`, `{"kid":null}`, `{"kid":["a"]}`, `{"kty":"oct","kid":"a","k":"c2VjcmV0"}`,
		jwk, with(`"d":"AAAA"`), with(`"kid":"` + good.ID + `"`), with(`"x":1,"x":2`), with(`"y\u0000":1`), with("\"a\":\"\xff\""), with(`"use":"enc"`),
		with(`"key_ops":"verify"`), with(`"key_ops":[1]`), with(`"alg":{}`), with(`"x5c":1`), with(`"x5c":["AA"]`), with(`"x5u":"https://evil.example"`),
		with(`"exp":1e999999`), with(`"oth":[{}]`), with(`"ext":"` + strings.Repeat("x", 100_000) + `"`), with(`"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)),
		strings.Replace(jwk, `"x":"`, `"x":"AAAA`, 1), strings.Replace(jwk, `"x":"`, `"x":"====`, 1), strings.Replace(jwk, `"x":"`, `"x":"","z":"`, 1),
		string(other.JWK()),
		`{"kty":"EC","crv":"P-256","kid":"` + good.ID + `","x":"M5Sjqn5zwC9Kl1zVfUUGvv9boQjCGd45G8sdopBExB4","y":"P6IXMvA2WYXSHSOMTBH2jsw_9rrzGy89FjPf6oOsIxQ"}`,
		`{"kty":"RSA","kid":"a","n":"` + strings.Repeat("A", 60_000) + `","e":"AQAB"}`, `{"kty":"RSA","kid":"a","n":"AQAB","e":"` + strings.Repeat("_", 1000) + `"}`,
		`{"kty":"OKP","crv":"Ed25519","kid":"a","x":""}`, `{"kty":"OKP","crv":"X25519","kid":"a","x":"AAAA"}`,
	}
}

// newSetVerifier accepts what a published set of these entries verifies, for an issuer on another machine.
func newSetVerifier(t testing.TB, entries ...string) *auth.Verifier {
	t.Helper()
	issuer := authtest.New(t)
	set := `{"keys":[` + strings.Join(entries, ",") + `]}`
	issuer.Answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, set) })
	return newVerifier(t, issuer, func(cfg *auth.Config) {
		cfg.Issuers[0].URL, cfg.Issuers[0].Secret = fuzzIssuer, nil
		cfg.Now = func() time.Time { return time.Unix(fuzzNow, 0) }
	})
}

// One bad entry of a published set does not affect the others, whatever its fault and its place.
func TestBadEntries(t *testing.T) {
	good := authtest.NewKey(t, "ES256")
	rawToken := good.Sign(fuzzClaims())
	for _, entry := range spoiled(t, good) {
		for _, set := range [][]string{{entry, string(good.JWK())}, {string(good.JWK()), entry}, {entry, string(good.JWK()), entry}} {
			if _, err := newSetVerifier(t, set...).Verify(t.Context(), rawToken); err != nil {
				t.Errorf("%.100s: %v", entry, err)
			}
		}
	}
	if _, err := newSetVerifier(t, append(spoiled(t, good), string(good.JWK()))...).Verify(t.Context(), rawToken); err != nil {
		t.Errorf("all of them: %v", err)
	}
}

// Two keys with one id: either may have signed, in any order of publication, and a third may not. While the set is
// unchanged, verified tokens stay cached.
func TestTwoKeysOfOneID(t *testing.T) {
	issuer, clock := authtest.New(t), newClock()
	first, second, third := authtest.NewKey(t, "ES256"), authtest.NewKey(t, "ES256"), authtest.NewKey(t, "ES256")
	second.ID, third.ID = first.ID, first.ID
	swapped := false
	issuer.Answer(func(w http.ResponseWriter, _ *http.Request) {
		one, two := first, second
		if swapped = !swapped; swapped {
			one, two = second, first
		}
		_, _ = fmt.Fprintf(w, `{"keys":[%s,%s]}`, one.JWK(), two.JWK())
	})
	verifier := newClockedVerifier(t, issuer, clock)
	for range 4 {
		mustVerify(t, verifier, first.Sign(change(issuer.Claims(ada), clock.fresh)))
		mustVerify(t, verifier, second.Sign(change(issuer.Claims(ada), clock.fresh)))
		mustRefuse(t, verifier, third.Sign(change(issuer.Claims(ada), clock.fresh)), auth.ErrTokenInvalid)
		clock.Advance(11 * time.Minute)
	}
}

// Any JSON beside a valid key.
func FuzzJWKSEntry(f *testing.F) {
	good := authtest.NewKeyFrom(f, "key-1", []byte(strings.Repeat("\x07", 32)))
	for _, entry := range spoiled(f, good) {
		f.Add(entry)
	}
	rawToken, jwk := good.Sign(fuzzClaims()), good.JWK()
	issuer := authtest.New(f)
	f.Fuzz(func(t *testing.T, entry string) {
		if !json.Valid([]byte(entry)) || len(entry) > 100_000 {
			return // then the set is no JSON
		}
		issuer.Answer(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"keys":[%s,%s]}`, entry, jwk)
		})
		verifier := newVerifier(t, issuer, func(cfg *auth.Config) {
			cfg.Issuers[0].URL, cfg.Issuers[0].Secret = fuzzIssuer, nil
			cfg.Now = func() time.Time { return time.Unix(fuzzNow, 0) }
		})
		if _, err := verifier.Verify(t.Context(), rawToken); err != nil {
			t.Fatalf("%q spoils the set: %v", entry, err)
		}
	})
}
