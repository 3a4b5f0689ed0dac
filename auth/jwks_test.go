package auth_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"usergraph/auth"
	"usergraph/auth/authtest"
)

// clock is a clock that only the test moves.
type clock struct {
	start   time.Time
	elapsed atomic.Int64
}

func newClock() *clock { return &clock{start: time.Now().Truncate(time.Second)} }

func (c *clock) Now() time.Time { return c.start.Add(time.Duration(c.elapsed.Load())) }

func (c *clock) Advance(d time.Duration) { c.elapsed.Add(int64(d)) }

// fresh changes a token to be valid for an hour by the clock.
func (c *clock) fresh(claims jwt.MapClaims) {
	claims["iat"], claims["exp"] = c.Now().Unix(), c.Now().Unix()+3600
}

// newClockedVerifier accepts the tokens of an issuer by its keys, at the clock's time.
func newClockedVerifier(t testing.TB, issuer *authtest.Issuer, clock *clock) *auth.Verifier {
	t.Helper()
	keys, err := auth.NewRemoteKeySet(auth.RemoteConfig{URL: issuer.JWKSURL(), Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(auth.Config{Issuers: []auth.Issuer{{URL: issuer.URL(), Keys: keys}}, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := verifier.Close(); err != nil {
			t.Error(err)
		}
	})
	return verifier
}

// until waits for a condition that a background goroutine makes true.
func until(t *testing.T, what string, reached func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !reached() {
		if time.Now().After(deadline) {
			t.Fatal("this never happens: ", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// holdAnswers lets the issuer answer nothing until release is called, or the client gives up.
func holdAnswers(issuer *authtest.Issuer) (release func()) {
	held := make(chan struct{})
	issuer.Answer(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-held:
			_, _ = w.Write(issuer.JWKS())
		case <-r.Context().Done():
		}
	})
	return sync.OnceFunc(func() { close(held) })
}

func mustVerify(t *testing.T, verifier *auth.Verifier, rawToken string) {
	t.Helper()
	if _, err := verifier.Verify(t.Context(), rawToken); err != nil {
		t.Fatalf("a good token is refused: %v", err)
	}
}

func mustRefuse(t *testing.T, verifier *auth.Verifier, rawToken string, kind error) {
	t.Helper()
	if _, err := verifier.Verify(t.Context(), rawToken); !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
}

func TestOneFetchForAll(t *testing.T) {
	issuer, clock := authtest.New(t), newClock()
	verifier := newClockedVerifier(t, issuer, clock)
	release := holdAnswers(issuer)
	defer release()
	rawToken := issuer.Token(ada, clock.fresh)

	impatient, giveUp := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() {
		_, err := verifier.Verify(impatient, rawToken)
		gaveUp <- err
	}()
	var waiting sync.WaitGroup
	for range 100 {
		waiting.Go(func() {
			if _, err := verifier.Verify(t.Context(), rawToken); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "a fetch", func() bool { return issuer.Fetches() == 1 })
	giveUp()
	if err := <-gaveUp; !errors.Is(err, auth.ErrKeysUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("who gives up gets %v", err)
	}
	release()
	waiting.Wait()
	if n := issuer.Fetches(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

// Before the set is 10 minutes old it is refreshed in the background; after that requests wait.
func TestRefresh(t *testing.T) {
	issuer, clock := authtest.New(t), newClock()
	verifier := newClockedVerifier(t, issuer, clock)
	old := issuer.Publish("ES256")
	issuer.Use(old)
	rawToken := issuer.Token(ada, clock.fresh)
	mustVerify(t, verifier, rawToken)

	clock.Advance(7 * time.Minute)
	mustVerify(t, verifier, rawToken)
	if n := issuer.Fetches(); n != 1 {
		t.Fatalf("%d fetches after 7 min", n)
	}
	clock.Advance(90 * time.Second)
	release := holdAnswers(issuer)
	mustVerify(t, verifier, rawToken) // while the response is held back
	until(t, "a refresh in the background", func() bool { return issuer.Fetches() == 2 })
	release()
	until(t, "the refresh is over", func() bool { return verifier.Status()[issuer.URL()].FetchedAt.Equal(clock.Now()) })

	// No request came for a while, and the key was removed meanwhile: it verifies no token.
	issuer.Answer(nil)
	issuer.Revoke(old)
	clock.Advance(11 * time.Minute)
	mustRefuse(t, verifier, rawToken, auth.ErrTokenInvalid)
	if n := issuer.Fetches(); n != 3 {
		t.Errorf("%d fetches in all", n)
	}
}

func TestUnknownKeyIDs(t *testing.T) {
	issuer, clock := authtest.New(t), newClock()
	verifier := newClockedVerifier(t, issuer, clock)
	mustVerify(t, verifier, issuer.Token(ada, clock.fresh))
	unknown := authtest.NewKey(t, "ES256").Sign(change(issuer.Claims(ada), clock.issued(time.Minute)))
	for _, step := range []struct {
		after   time.Duration
		fetches int
		why     string
	}{
		{0, 1, "less than 10 s after the last fetch"},
		{9 * time.Second, 1, "less than 10 s after the last fetch"},
		{time.Second, 2, "10 s after it"},
		{9 * time.Second, 2, "less than 10 s after the second"},
		{time.Second, 3, "10 s after the second"},
	} {
		clock.Advance(step.after)
		mustRefuse(t, verifier, unknown, auth.ErrTokenInvalid)
		if n := issuer.Fetches(); n != step.fetches {
			t.Fatalf("%s: %d fetches, want %d", step.why, n, step.fetches)
		}
	}
	// A key that is published and used at once is found by the first token.
	clock.Advance(10 * time.Second)
	issuer.Use(issuer.Publish("ES256"))
	mustVerify(t, verifier, issuer.Token(ada, clock.fresh))
}

// 10,000 invented key ids cause one fetch, and delay no valid request, even if that fetch hangs.
func TestFloodOfKeyIDs(t *testing.T) {
	issuer, clock := authtest.New(t), newClock()
	verifier := newClockedVerifier(t, issuer, clock)
	good := issuer.Token(ada, clock.fresh)
	mustVerify(t, verifier, good)
	clock.Advance(10 * time.Second)
	release := holdAnswers(issuer)
	defer release()

	forged := make([]string, 10_000)
	for i := range forged {
		header := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"ES256","kid":"made-up-%d"}`, i))
		forged[i] = header + good[strings.IndexByte(good, '.'):]
	}
	var invalid, unavailable atomic.Int64
	var flood sync.WaitGroup
	for part := range slices.Chunk(forged, 50) {
		flood.Go(func() {
			for _, rawToken := range part {
				switch _, err := verifier.Verify(t.Context(), rawToken); {
				case errors.Is(err, auth.ErrTokenInvalid):
					invalid.Add(1)
				case errors.Is(err, auth.ErrKeysUnavailable):
					unavailable.Add(1)
				default:
					t.Errorf("a forged token gives %v", err)
				}
			}
		})
	}
	until(t, "a fetch", func() bool { return issuer.Fetches() == 2 })
	for range 1000 { // the fetch hangs all the while
		mustVerify(t, verifier, good)
		mustVerify(t, verifier, issuer.Token(ada, clock.fresh))
	}
	release()
	flood.Wait()
	if n := issuer.Fetches(); n != 2 {
		t.Errorf("%d fetches", n)
	}
	if invalid.Load()+unavailable.Load() != 10_000 {
		t.Errorf("%d invalid, %d unavailable", invalid.Load(), unavailable.Load())
	}

	// While more invented ids arrive, a new key is found 10 s after the last fetch.
	issuer.Answer(nil)
	issuer.Use(issuer.Publish("ES256"))
	clock.Advance(10 * time.Second)
	for _, rawToken := range forged[:1000] {
		mustRefuse(t, verifier, rawToken, auth.ErrTokenInvalid)
	}
	mustVerify(t, verifier, issuer.Token(ada, clock.fresh))
	if n := issuer.Fetches(); n != 3 {
		t.Errorf("%d fetches", n)
	}
}

// A rotation as Supabase describes it, through a cache of 10 minutes in front of the key set, with requests at each
// step. No token of a standby, current or previous key is refused. 20 minutes after a key was revoked, none of its
// tokens is accepted.
func TestRotation(t *testing.T) {
	issuer, clock := authtest.New(t), newClock()
	verifier := newClockedVerifier(t, issuer, clock)
	cached, cachedAt := issuer.JWKS(), clock.Now()
	var edge sync.Mutex
	issuer.Answer(func(w http.ResponseWriter, _ *http.Request) {
		edge.Lock()
		defer edge.Unlock()
		if clock.Now().Sub(cachedAt) >= 10*time.Minute {
			cached, cachedAt = issuer.JWKS(), clock.Now()
		}
		w.Header().Set("Cache-Control", "public, max-age=600")
		_, _ = w.Write(cached)
	})

	// during sends requests for a while: some with new tokens, some with those signed before.
	verified := 0
	during := func(length time.Duration, before ...string) {
		t.Helper()
		for range int(length / time.Minute) {
			var requests sync.WaitGroup
			for worker := range 8 {
				requests.Go(func() {
					rawToken := issuer.Token(uuid.New(), clock.fresh)
					if len(before) > 0 && worker%2 == 0 {
						rawToken = before[worker%len(before)]
					}
					for range 3 {
						if _, err := verifier.Verify(t.Context(), rawToken); err != nil {
							t.Errorf("refused %s after the start: %v", clock.Now().Sub(clock.start), err)
						}
					}
				})
			}
			requests.Wait()
			verified += 8 * 3
			clock.Advance(time.Minute)
		}
	}
	first := issuer.Publish("ES256")
	during(20 * time.Minute)
	issuer.Use(first)
	during(20 * time.Minute)

	second := issuer.Publish("RS256") // standby
	during(20 * time.Minute)
	issuer.Use(second)
	lifetime := func(claims jwt.MapClaims) {
		claims["iat"], claims["exp"] = clock.Now().Unix(), clock.Now().Unix()+10*3600
	}
	ofFirst := first.Sign(change(issuer.Claims(ada), lifetime))
	during(67*time.Minute, ofFirst) // first is previously used
	edge.Lock()
	cached, cachedAt = issuer.JWKS(), clock.Now() // the worst time
	edge.Unlock()
	issuer.Revoke(first)
	revoked := clock.Now()
	accepted := time.Duration(0)
	for clock.Now().Sub(revoked) < 30*time.Minute {
		during(time.Minute)
		if _, err := verifier.Verify(t.Context(), ofFirst); err == nil {
			accepted = clock.Now().Sub(revoked)
		} else if !errors.Is(err, auth.ErrTokenInvalid) {
			t.Error(err)
		}
	}
	if accepted == 0 || accepted > 20*time.Minute {
		t.Errorf("a revoked key was accepted for %s", accepted)
	}
	// One fetch every 8 minutes, and one a minute while a client sends the revoked key.
	if n := issuer.Fetches(); n > 20+30 {
		t.Errorf("%d fetches", n)
	}
	t.Logf("%d verifications, %d fetches; the revoked key was accepted for %s", verified, issuer.Fetches(), accepted)
}

func change(claims jwt.MapClaims, changes ...func(jwt.MapClaims)) jwt.MapClaims {
	for _, change := range changes {
		change(claims)
	}
	return claims
}

// outages are the ways in which a key set can be unreachable.
func outages(t *testing.T) map[string]http.HandlerFunc {
	elsewhere := authtest.New(t) // answers with a good key set
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	text := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, text) }
	}
	return map[string]http.HandlerFunc{
		"500": status(http.StatusInternalServerError),
		"404": status(http.StatusNotFound),
		"204": status(http.StatusNoContent),
		"429": status(http.StatusTooManyRequests),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.JWKSURL(), http.StatusFound)
		},
		"permanent": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.JWKSURL(), http.StatusPermanentRedirect)
		},
		"nothing":          text(""),
		"HTML":             text("<html>maintenance</html>"),
		"cut":              text(`{"keys":[{"kty":"EC"`),
		"null":             text("null"),
		"no keys":          text("{}"),
		"keys are null":    text(`{"keys":null}`),
		"keys are no list": text(`{"keys":{}}`),
		"not UTF-8":        text("\xff\xfe"),
		"huge":             text(`{"keys":[` + strings.Repeat(" ", 300<<10) + `]}`),
		"too many keys":    text(`{"keys":[` + strings.Repeat("{},", 100) + `{}]}`),
		"connection lost": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = fmt.Fprint(w, `{"keys":`)
			panic(http.ErrAbortHandler)
		},
		"huge header": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Pad", strings.Repeat("x", 100<<10))
			_, _ = fmt.Fprint(w, `{"keys":[]}`)
		},
	}
}

func TestOutageAtTheStart(t *testing.T) {
	for name, outage := range outages(t) {
		t.Run(name, func(t *testing.T) {
			issuer, clock := authtest.New(t), newClock()
			verifier := newClockedVerifier(t, issuer, clock)
			issuer.Answer(outage)
			rawToken := issuer.Token(ada, clock.fresh)
			for range 10 {
				mustRefuse(t, verifier, rawToken, auth.ErrKeysUnavailable)
			}
			if n := issuer.Fetches(); n != 1 {
				t.Errorf("%d fetches within a second", n)
			}
			err := verifier.Ready(t.Context())
			if !errors.Is(err, auth.ErrKeysUnavailable) || !strings.Contains(err.Error(), issuer.JWKSURL()) {
				t.Errorf("not ready because %v", err)
			}
			if code, _ := auth.Public(err); code != auth.CodeUnavailable {
				t.Errorf("the code is %s", code)
			}
			issuer.Answer(nil)
			clock.Advance(time.Second)
			mustVerify(t, verifier, rawToken)
			if err := verifier.Ready(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOutageInTheMiddle(t *testing.T) {
	for name, outage := range outages(t) {
		t.Run(name, func(t *testing.T) {
			issuer, clock := authtest.New(t), newClock()
			verifier := newClockedVerifier(t, issuer, clock)
			mustVerify(t, verifier, issuer.Token(ada, clock.fresh))
			issuer.Answer(outage)
			for range 5 {
				clock.Advance(11 * time.Minute)
				mustVerify(t, verifier, issuer.Token(ada, clock.fresh))
				status := verifier.Status()[issuer.URL()]
				if status.Err == nil || status.Keys != 1 || clock.Now().Sub(status.FetchedAt) < 11*time.Minute {
					t.Errorf("status is %+v", status)
				}
			}
			// An unknown key may be a new one, so the token is not to blame.
			mustRefuse(t, verifier, authtest.NewKey(t, "ES256").Sign(change(issuer.Claims(ada), clock.fresh)), auth.ErrKeysUnavailable)
			clock.Advance(6 * time.Minute) // 61 min in all
			mustRefuse(t, verifier, issuer.Token(ada, clock.fresh), auth.ErrKeysUnavailable)
			if err := verifier.Ready(t.Context()); !errors.Is(err, auth.ErrKeysUnavailable) {
				t.Errorf("ready: %v", err)
			}
			issuer.Answer(nil)
			clock.Advance(10 * time.Second)
			mustVerify(t, verifier, issuer.Token(ada, clock.fresh))
		})
	}
}

// A fetch without a response ends after 5 s, and waiting requests use the last set.
func TestSlowKeySet(t *testing.T) {
	t.Parallel()
	issuer, clock := authtest.New(t), newClock()
	verifier := newClockedVerifier(t, issuer, clock)
	mustVerify(t, verifier, issuer.Token(ada, clock.fresh))
	release := holdAnswers(issuer)
	defer release()
	clock.Advance(11 * time.Minute)
	mustVerify(t, verifier, issuer.Token(ada, clock.fresh))
	if err := verifier.Status()[issuer.URL()].Err; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the fetch ended with %v", err)
	}
	// No request waits a second time.
	clock.Advance(10 * time.Second)
	mustVerify(t, verifier, issuer.Token(ada, clock.fresh))
	until(t, "the next fetch", func() bool { return issuer.Fetches() == 3 })
}

func TestPurge(t *testing.T) {
	issuer, clock := authtest.New(t), newClock()
	verifier := newClockedVerifier(t, issuer, clock)
	key := issuer.Publish("ES256")
	issuer.Use(key)
	rawToken := issuer.Token(ada, clock.fresh)
	mustVerify(t, verifier, rawToken)
	issuer.Revoke(key)
	mustVerify(t, verifier, rawToken) // the verifier does not know yet
	verifier.Purge()
	mustRefuse(t, verifier, rawToken, auth.ErrTokenInvalid)

	// The result of a fetch that began before the purge is dropped.
	issuer.Use(issuer.Publish("ES256"))
	verifier.Purge()
	release := holdAnswers(issuer)
	defer release()
	refused := make(chan error)
	go func() {
		_, err := verifier.Verify(t.Context(), issuer.Token(ada, clock.fresh))
		refused <- err
	}()
	before := issuer.Fetches()
	until(t, "a fetch", func() bool { return issuer.Fetches() > before-1 })
	issuer.Answer(nil)
	verifier.Purge()
	if err := <-refused; err != nil {
		t.Errorf("who waited for a fetch that does not count gets %v", err)
	}
}

// Keys are purged and rotated while requests come in; run with -race.
func TestPurgeUnderLoad(t *testing.T) {
	issuer := authtest.New(t)
	verifier := newVerifier(t, issuer)
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var verified atomic.Int64
	for range 8 {
		load.Go(func() {
			for ctx.Err() == nil {
				if _, err := verifier.Verify(t.Context(), issuer.Token(ada)); err != nil {
					t.Error(err)
				}
				verified.Add(1)
			}
		})
	}
	for range 20 {
		seen := verified.Load()
		verifier.Purge()
		key := issuer.Publish("EdDSA")
		// The result of a fetch that began before the key was published is dropped, so every request finds the key.
		verifier.Purge()
		issuer.Use(key)
		until(t, "requests", func() bool { return verified.Load() > seen+8 })
	}
	stop()
	load.Wait()
}

// Close ends a fetch and the requests that wait for it.
func TestClose(t *testing.T) {
	issuer := authtest.New(t)
	verifier := newVerifier(t, issuer)
	release := holdAnswers(issuer)
	defer release()
	ended := make(chan error)
	go func() {
		_, err := verifier.Verify(t.Context(), issuer.Token(ada))
		ended <- err
	}()
	until(t, "a fetch", func() bool { return issuer.Fetches() == 1 })
	if err := verifier.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, auth.ErrKeysUnavailable) {
		t.Errorf("who waited gets %v", err)
	}
	mustRefuse(t, verifier, issuer.Token(ada), auth.ErrKeysUnavailable)
	if n := issuer.Fetches(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestRemoteKeySetRefuses(t *testing.T) {
	for url, good := range map[string]bool{
		"https://abc.supabase.co/jwks.json":           true,
		"http://127.0.0.1:54321/jwks.json":            true,
		"http://[::1]/jwks.json":                      true,
		"http://localhost/jwks.json":                  true,
		"http://abc.supabase.co/jwks.json":            false,
		"http://localhost.example.com/jwks.json":      false,
		"http://127.0.0.1.example.com/jwks.json":      false,
		"https://user:password@abc.supabase.co/jwks":  false,
		"file:///etc/passwd":                          false,
		"/jwks.json":                                  false,
		"":                                            false,
		"https://":                                    false,
		"ftp://127.0.0.1/jwks.json":                   false,
		"https://abc.supabase.co/%zz":                 false,
		"http://10.0.0.1/jwks.json":                   false,
		"http://user:password@127.0.0.1:1/jwks.json":  false,
		"https://abc.supabase.co:notaport/jwks.json":  false,
		"javascript://127.0.0.1/jwks.json":            false,
		"HTTPS://abc.supabase.co/.well-known/jwks.js": true,
	} {
		keys, err := auth.NewRemoteKeySet(auth.RemoteConfig{URL: url})
		if (err == nil) != good {
			t.Errorf("%q: %v", url, err)
		}
		if err == nil {
			keys.Close()
		} else if strings.Contains(err.Error(), "password@") {
			t.Errorf("a password is shown: %v", err)
		}
	}
	if _, err := auth.NewRemoteKeySet(auth.RemoteConfig{URL: "https://abc.supabase.co/jwks", MaxStale: time.Minute}); err == nil {
		t.Error("a set that is of use for a minute")
	}
}

// Keys that make forgery possible, or that are not meant for tokens. The others of the set stay in use.
func TestUnsuitableKeys(t *testing.T) {
	issuer := authtest.New(t)
	good := issuer.Publish("ES256")
	issuer.Use(good)
	jwk := func(key *authtest.Key, changes map[string]any) map[string]any {
		var fields map[string]any
		if err := json.Unmarshal(key.JWK(), &fields); err != nil {
			t.Fatal(err)
		}
		for name, value := range changes {
			fields[name] = value
			if value == nil {
				delete(fields, name)
			}
		}
		return fields
	}
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	ec, rs, ed := authtest.NewKey(t, "ES256"), authtest.NewKey(t, "RS256"), authtest.NewKey(t, "EdDSA")
	modulus := rs.Public().(*rsa.PublicKey).N
	for name, test := range map[string]struct {
		jwk    any
		reason string
	}{
		"symmetric":                {map[string]any{"kty": "oct", "kid": "a", "k": "c2VjcmV0", "alg": "HS256"}, "symmetric"},
		"private":                  {jwk(ec, map[string]any{"d": "AAAA"}), "private"},
		"no key id":                {jwk(ec, map[string]any{"kid": nil}), "kid"},
		"long key id":              {jwk(ec, map[string]any{"kid": strings.Repeat("k", 300)}), "kid"},
		"key id is a number":       {jwk(ec, map[string]any{"kid": 1}), "no JSON Web Key"},
		"for encryption":           {jwk(ec, map[string]any{"use": "enc"}), "use"},
		"not for verifying":        {jwk(ec, map[string]any{"key_ops": []string{"encrypt"}}), "key_ops"},
		"alg of another type":      {jwk(ec, map[string]any{"alg": "RS256"}), "alg"},
		"alg HS256":                {jwk(ec, map[string]any{"alg": "HS256"}), "alg"},
		"alg PS256":                {jwk(rs, map[string]any{"alg": "PS256"}), "alg"},
		"not on the curve":         {jwk(ec, map[string]any{"y": jwk(ec, nil)["x"]}), "cannot be read"},
		"zero point":               {jwk(ec, map[string]any{"x": number(new(big.Int)), "y": number(new(big.Int))}), "cannot be read"},
		"P-384":                    {jwk(ec, map[string]any{"crv": "P-384"}), ""},
		"secp256k1":                {jwk(ec, map[string]any{"crv": "secp256k1"}), ""},
		"Ed25519, 31 bytes":        {jwk(ed, map[string]any{"x": base64.RawURLEncoding.EncodeToString(make([]byte, 31))}), "cannot be read"},
		"X25519":                   {jwk(ed, map[string]any{"crv": "X25519"}), ""},
		"RSA of 1024 bits":         {jwk(rs, map[string]any{"n": number(weak.N)}), "1024 bits"},
		"RSA of 16384 bits":        {jwk(rs, map[string]any{"n": number(new(big.Int).SetBit(big.NewInt(1), 16383, 1))}), "16384 bits"},
		"RSA, even modulus":        {jwk(rs, map[string]any{"n": number(new(big.Int).Lsh(modulus, 1))}), "even"},
		"RSA, exponent 1":          {jwk(rs, map[string]any{"e": "AQ"}), ""},
		"RSA, exponent 2":          {jwk(rs, map[string]any{"e": "Ag"}), "exponent"},
		"RSA, exponent 0":          {jwk(rs, map[string]any{"e": "AA"}), ""},
		"RSA, exponent 2^64 + 1":   {jwk(rs, map[string]any{"e": number(new(big.Int).SetBit(big.NewInt(1), 64, 1))}), ""},
		"RSA, no modulus":          {jwk(rs, map[string]any{"n": ""}), ""},
		"null":                     {nil, ""},
		"a string":                 {"key", "no JSON Web Key"},
		"type nobody has heard of": {map[string]any{"kty": "PQ", "kid": "a"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := json.Marshal(map[string]any{"keys": []any{test.jwk, jwk(good, nil)}})
			if err != nil {
				t.Fatal(err)
			}
			issuer.Answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) })
			fetched := make(chan auth.Fetch, 1)
			keys, err := auth.NewRemoteKeySet(auth.RemoteConfig{URL: issuer.JWKSURL(), Fetched: func(f auth.Fetch) { fetched <- f }})
			if err != nil {
				t.Fatal(err)
			}
			verifier, err := auth.NewVerifier(auth.Config{Issuers: []auth.Issuer{{URL: issuer.URL(), Keys: keys}}})
			if err != nil {
				t.Fatal(err)
			}
			defer verifier.Close()
			mustVerify(t, verifier, issuer.Token(ada))
			older := issuer.Claims(ada) // than the set, so that its key cannot be a new one
			older["iat"] = time.Now().Add(-time.Minute).Unix()
			for _, key := range []*authtest.Key{ec, rs, ed} {
				mustRefuse(t, verifier, key.Sign(older), auth.ErrTokenInvalid)
			}
			report := <-fetched
			if report.Err != nil || report.Keys != 1 || len(report.Unsuitable) != 1 || !strings.Contains(report.Unsuitable[0].Error(), test.reason) {
				t.Errorf("the fetch is reported as %+v", report)
			}
			if _, err := auth.NewStaticKeySet(set); err == nil {
				t.Error("a static set with this key is accepted")
			}
		})
	}
}

func TestStaticKeySet(t *testing.T) {
	key := authtest.NewKey(t, "ES256")
	list := "[" + string(key.JWK()) + "]"
	for jwks, good := range map[string]bool{
		`{"keys":` + list + `}`: true,
		" " + list + "\n":       true,
		`{"keys":[]}`:           false,
		`[]`:                    false,
		``:                      false,
		`{"keys":[` + string(key.JWK()) + "," + string(key.JWK()) + `]}`: false, // ambiguous
	} {
		keys, err := auth.NewStaticKeySet([]byte(jwks))
		if (err == nil) != good {
			t.Errorf("%s: %v", jwks, err)
		}
		if err != nil {
			continue
		}
		keys.Purge()
		if err := keys.Ready(t.Context()); err != nil || keys.Status().Keys != 1 || keys.Close() != nil {
			t.Errorf("ready: %v, %+v", err, keys.Status())
		}
	}
}

// An empty set is normal beside a secret, and useless without one.
func TestEmptyKeySet(t *testing.T) {
	issuer := authtest.New(t)
	issuer.Answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"keys":[]}`) })
	issuer.UseSecret()
	verifier := newVerifier(t, issuer)
	if err := verifier.Ready(t.Context()); err != nil {
		t.Errorf("with a secret: %v", err)
	}
	mustVerify(t, verifier, issuer.Token(ada))
	verifier = newVerifier(t, issuer, func(cfg *auth.Config) { cfg.Issuers[0].Secret = nil })
	if err := verifier.Ready(t.Context()); !errors.Is(err, auth.ErrKeysUnavailable) {
		t.Errorf("without a secret: %v", err)
	}
}
