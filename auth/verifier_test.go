package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"usergraph/auth"
	"usergraph/auth/authtest"
)

var ada = uuid.MustParse("a0000000-0000-4000-8000-000000000001")

// newVerifier returns a verifier for an issuer's keys, URL and secret.
func newVerifier(t testing.TB, issuer *authtest.Issuer, changes ...func(*auth.Config)) *auth.Verifier {
	t.Helper()
	keys, err := auth.NewRemoteKeySet(auth.RemoteConfig{URL: issuer.JWKSURL()})
	if err != nil {
		t.Fatal(err)
	}
	cfg := auth.Config{Issuers: []auth.Issuer{{URL: issuer.URL(), Keys: keys, Secret: issuer.Secret()}}}
	for _, change := range changes {
		change(&cfg)
	}
	verifier, err := auth.NewVerifier(cfg)
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

// A project during its move from the secret to signing keys: all its tokens are accepted, and the hook shows which are
// still signed with the secret.
func TestVerify(t *testing.T) {
	issuer := authtest.New(t)
	var seen []string
	verifier := newVerifier(t, issuer, func(cfg *auth.Config) {
		cfg.Hooks.Verified = func(_ context.Context, claims *auth.Claims, cached bool) {
			seen = append(seen, fmt.Sprint(claims.Algorithm, " ", cached))
		}
	})
	issuer.Publish("RS256")
	issuer.Publish("EdDSA")
	var want []string
	for _, key := range append(issuer.Keys(), authtest.NewSecret(t, issuer.Secret())) {
		rawToken := key.Sign(change(issuer.Claims(ada), func(c jwt.MapClaims) { c["is_anonymous"] = true }))
		for _, cached := range []bool{false, true} {
			want = append(want, fmt.Sprint(key.Algorithm, " ", cached))
			claims, err := verifier.Verify(t.Context(), rawToken)
			if err != nil {
				t.Fatal(err)
			}
			if claims.UserID != ada || claims.Algorithm != key.Algorithm || claims.KeyID != key.ID || !claims.IsAnonymous || claims.Role != "authenticated" ||
				claims.Email != "user@example.com" || claims.AAL != "aal1" || claims.SessionID == uuid.Nil || claims.Issuer != issuer.URL() ||
				!strings.Contains(string(claims.AppMetadata), "providers") || !strings.Contains(string(claims.Payload), "user_metadata") ||
				claims.ExpiresAt.Sub(claims.IssuedAt) != time.Hour {
				t.Errorf("claims are %+v", claims)
			}
		}
	}
	if strings.Join(seen, ", ") != strings.Join(want, ", ") {
		t.Errorf("the hook saw %v, want %v", seen, want)
	}
}

func TestCachedTokenExpires(t *testing.T) {
	issuer, clock := authtest.New(t), newClock()
	verifier := newClockedVerifier(t, issuer, clock)
	rawToken := issuer.Token(ada, clock.fresh, func(c jwt.MapClaims) { c["exp"] = clock.Now().Unix() + 60 })
	mustVerify(t, verifier, rawToken)
	clock.Advance(64 * time.Second)
	mustVerify(t, verifier, rawToken) // within the leeway
	clock.Advance(time.Second)
	mustRefuse(t, verifier, rawToken, auth.ErrTokenExpired)
}

// Refusals are not cached, so that a client cannot fill the cache with them.
func TestRefusalsAreNotRemembered(t *testing.T) {
	issuer, clock := authtest.New(t), newClock()
	verifier := newClockedVerifier(t, issuer, clock)
	early := issuer.Token(ada, clock.fresh, func(c jwt.MapClaims) { c["nbf"] = clock.Now().Unix() + 60 })
	mustRefuse(t, verifier, early, auth.ErrTokenInvalid)
	clock.Advance(time.Minute)
	mustVerify(t, verifier, early)
}

// Each issuer's tokens are verified only with its own keys and secret.
func TestIssuers(t *testing.T) {
	first, second := authtest.New(t), authtest.New(t)
	ofFirst, err := auth.NewStaticKeySet(first.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	const custom = "https://auth.example.com/auth/v1"
	verifier := newVerifier(t, second, func(cfg *auth.Config) {
		cfg.Issuers = append(cfg.Issuers,
			auth.Issuer{URL: first.URL(), Keys: ofFirst, Secret: first.Secret()},
			auth.Issuer{URL: custom, Keys: ofFirst, AcceptNoIssuer: true},
		)
		cfg.OAuthClients = []string{"app-1"}
	})
	iss := func(value any) func(jwt.MapClaims) { return func(c jwt.MapClaims) { c["iss"] = value } }
	noIss := func(c jwt.MapClaims) { delete(c, "iss") }
	bySecret := func(issuer *authtest.Issuer, changes ...func(jwt.MapClaims)) string {
		return authtest.NewSecret(t, issuer.Secret()).Sign(change(issuer.Claims(ada), changes...))
	}
	for _, test := range []struct {
		name, rawToken string
		good           bool
	}{
		{"the first's", first.Token(ada), true},
		{"the second's", second.Token(ada), true},
		{"the first's by its custom domain", first.Token(ada, iss(custom)), true},
		{"the first's, as the second's", first.Token(ada, iss(second.URL())), false},
		{"the second's, as the first's", second.Token(ada, iss(first.URL())), false},
		{"the first's without iss", first.Token(ada, noIss), true},
		{"the first's with iss null", first.Token(ada, iss(nil)), true},
		{"the first's with iss empty", first.Token(ada, iss("")), false},
		{"the second's without iss", second.Token(ada, noIss), false},
		{"the first's secret", bySecret(first), true},
		{"the second's secret", bySecret(second), true},
		{"the first's secret, as the second's", bySecret(first, iss(second.URL())), false},
		{"the first's secret without iss, where there is none", bySecret(first, noIss), false},
		{"listed OAuth app", first.Token(ada, func(c jwt.MapClaims) { c["client_id"] = "app-1" }), true},
		{"another OAuth app", first.Token(ada, func(c jwt.MapClaims) { c["client_id"] = "app-2" }), false},
	} {
		_, err := verifier.Verify(t.Context(), test.rawToken)
		if test.good != (err == nil) || err != nil && !errors.Is(err, auth.ErrTokenInvalid) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	status := verifier.Status()
	if len(status) != 3 || status[first.URL()].Keys != 1 || status[custom].Keys != 1 || status[second.URL()].FetchedAt.IsZero() {
		t.Errorf("status is %+v", status)
	}
	if err := verifier.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	verifier.Purge()
	second.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	if err := verifier.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), second.URL()) || strings.Contains(err.Error(), first.URL()) {
		t.Errorf("only the second is out of reach, but: %v", err)
	}
}

// The door of agents takes tokens of OAuth apps only, and the other one takes none of them, whatever either has cached.
func TestAgents(t *testing.T) {
	issuer := authtest.New(t)
	keys, err := auth.NewRemoteKeySet(auth.RemoteConfig{URL: issuer.JWKSURL()})
	if err != nil {
		t.Fatal(err)
	}
	users, err := auth.NewVerifier(auth.Config{Issuers: []auth.Issuer{{URL: issuer.URL(), Keys: keys}}, OAuthClients: []string{"listed"}})
	if err != nil {
		t.Fatal(err)
	}
	defer users.Close()
	const resource = "https://api.example.com/mcp"
	agents, err := users.Agents(resource)
	if err != nil {
		t.Fatal(err)
	}
	claim := func(name string, value any) func(jwt.MapClaims) {
		return func(claims jwt.MapClaims) { claims[name] = value }
	}
	for _, test := range []struct {
		name              string
		token             string
		byUsers, byAgents bool
	}{
		{"a user's", issuer.Token(ada), true, false},
		{"a user's, client_id empty", issuer.Token(ada, claim("client_id", "")), true, false},
		{"a listed app's", issuer.Token(ada, claim("client_id", "listed")), true, true},
		{"another app's", issuer.Token(ada, claim("client_id", "x")), false, true},
		{"an app's for the resource", issuer.Token(ada, claim("client_id", "listed"), claim("aud", resource)), false, true},
		{"an app's for another resource", issuer.Token(ada, claim("client_id", "listed"), claim("aud", resource+"2")), false, false},
		{"an app's for nobody", issuer.Token(ada, claim("client_id", "x"), claim("aud", "")), false, false},
	} {
		for range 2 {
			if _, err := users.Verify(t.Context(), test.token); (err == nil) != test.byUsers {
				t.Errorf("%s at the door of users: %v", test.name, err)
			}
			if _, err := agents.Verify(t.Context(), test.token); (err == nil) != test.byAgents {
				t.Errorf("%s at the door of agents: %v", test.name, err)
			}
		}
	}
	if err := agents.Close(); err != nil {
		t.Error(err)
	}
	if _, err := users.Verify(t.Context(), issuer.Token(ada)); err != nil {
		t.Errorf("closing the door of agents has closed the keys: %v", err)
	}
}

func TestAnonKey(t *testing.T) {
	issuer := authtest.New(t)
	anon := authtest.NewSecret(t, issuer.Secret()).Sign(jwt.MapClaims{"iss": "supabase", "ref": "abc", "role": "anon", "exp": time.Now().Unix() + 60})
	mustRefuse(t, newVerifier(t, issuer), anon, auth.ErrAnonymous)
	// That of `supabase start` is signed with the signing key.
	signed := issuer.Keys()[0].Sign(jwt.MapClaims{"iss": "supabase-demo", "role": "anon", "exp": time.Now().Unix() + 60})
	verifier := newVerifier(t, issuer)
	for range 2 { // the second time from the cache
		mustRefuse(t, verifier, signed, auth.ErrAnonymous)
	}
	mustRefuse(t, verifier, issuer.Keys()[0].Sign(jwt.MapClaims{"iss": "supabase-demo", "role": "service_role", "exp": time.Now().Unix() + 60}), auth.ErrTokenInvalid)
	mustRefuse(t, verifier, issuer.Keys()[0].Sign(jwt.MapClaims{"iss": "supabase-demo", "role": "anon"}), auth.ErrTokenInvalid)
	mustRefuse(t, verifier, authtest.New(t).Keys()[0].Sign(jwt.MapClaims{"iss": "supabase-demo", "role": "anon", "exp": time.Now().Unix() + 60}), auth.ErrTokenInvalid)
	mustRefuse(t, newVerifier(t, authtest.New(t)), signed[:len(signed)-8]+"AAAAAAAA", auth.ErrTokenInvalid)
	// Without the secret the anon key cannot be verified, and it means no more than no token.
	f := newFixture(t, func(cfg *auth.Config) { cfg.Issuers[0].Secret = nil })
	key := func(changes ...func(jwt.MapClaims)) string {
		now := time.Now().Unix()
		return authtest.NewSecret(t, issuer.Secret()).Sign(change(jwt.MapClaims{"iss": "supabase", "ref": "abc", "role": "anon", "iat": now - 60, "exp": now + 60}, changes...))
	}
	mustRefuse(t, f.verifier, key(), auth.ErrAnonymous)
	for name, test := range map[string]struct{ rawToken, called, code string }{
		"anon":                   {key(), "anonymous", ""},
		"anon of another secret": {authtest.NewSecret(t, []byte("x")).Sign(jwt.MapClaims{"role": "anon", "exp": time.Now().Unix() + 60}), "anonymous", ""},
		"expired":                {key(func(c jwt.MapClaims) { c["exp"] = time.Now().Unix() - 60 }), "", auth.CodeTokenExpired},
		"never expires":          {key(func(c jwt.MapClaims) { delete(c, "exp") }), "", auth.CodeTokenInvalid},
		"service_role":           {key(func(c jwt.MapClaims) { c["role"] = "service_role" }), "", auth.CodeTokenInvalid},
		"a user":                 {key(func(c jwt.MapClaims) { c["role"] = "authenticated" }), "", auth.CodeTokenInvalid},
		"with a subject":         {key(func(c jwt.MapClaims) { c["sub"] = ada.String() }), "", auth.CodeTokenInvalid},
		"not signed":             {strings.TrimRight(key(), "-_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") + "x", "", auth.CodeTokenInvalid},
	} {
		answer, called := f.sendToken(test.rawToken)
		if called != test.called || test.code != "" && (answer.Code != 401 || !strings.Contains(answer.Body.String(), test.code)) {
			t.Errorf("%s: called %q, %d %s", name, called, answer.Code, answer.Body)
		}
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	const cloud = "https://abc.supabase.co/auth/v1"
	secret := []byte(strings.Repeat("s", 32))
	published := []byte("super-secret-jwt-token-with-at-least-32-characters-long")
	// The key of `supabase start`, under its own id and under another.
	const point = `"kty":"EC","crv":"P-256","x":"M5Sjqn5zwC9Kl1zVfUUGvv9boQjCGd45G8sdopBExB4","y":"P6IXMvA2WYXSHSOMTBH2jsw_9rrzGy89FjPf6oOsIxQ"`
	static := func(jwks string) auth.KeySet {
		keys, err := auth.NewStaticKeySet([]byte(jwks))
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	for name, test := range map[string]struct {
		cfg  auth.Config
		want string // "" if it is accepted
	}{
		"secret":                  {auth.Config{Issuers: []auth.Issuer{{URL: cloud, Secret: secret}}}, ""},
		"no issuer":               {auth.Config{}, "at least one issuer"},
		"no keys":                 {auth.Config{Issuers: []auth.Issuer{{URL: cloud}}}, "neither keys nor a secret"},
		"no URL":                  {auth.Config{Issuers: []auth.Issuer{{Secret: secret}}}, "https://"},
		"URL of another scheme":   {auth.Config{Issuers: []auth.Issuer{{URL: "ftp://x/", Secret: secret}}}, "https://"},
		"twice":                   {auth.Config{Issuers: []auth.Issuer{{URL: cloud, Secret: secret}, {URL: cloud, Secret: secret}}}, "twice"},
		"short secret":            {auth.Config{Issuers: []auth.Issuer{{URL: cloud, Secret: secret[1:]}}}, "shorter than 32"},
		"published secret":        {auth.Config{Issuers: []auth.Issuer{{URL: cloud, Secret: published}}}, "publishes"},
		"published secret, here":  {auth.Config{Issuers: []auth.Issuer{{URL: "http://127.0.0.1:54321/auth/v1", Secret: published}}}, ""},
		"published key":           {auth.Config{Issuers: []auth.Issuer{{URL: cloud, Keys: static(`[{"kid":"b81269f1-21d8-4f2e-b719-c2240a840d90",` + point + `}]`)}}}, "publishes"},
		"published key, renamed":  {auth.Config{Issuers: []auth.Issuer{{URL: cloud, Keys: static(`[{"kid":"x",` + point + `}]`)}}}, "publishes"},
		"published key, here":     {auth.Config{Issuers: []auth.Issuer{{URL: "http://localhost:54321/auth/v1", Keys: static(`[{"kid":"x",` + point + `}]`)}}}, ""},
		"two without iss":         {auth.Config{Issuers: []auth.Issuer{{URL: cloud, Secret: secret, AcceptNoIssuer: true}, {URL: cloud + "2", Secret: secret, AcceptNoIssuer: true}}}, "without iss"},
		"API key, but none known": {auth.Config{Issuers: []auth.Issuer{{URL: cloud, Secret: secret}}, RequireAPIKey: true}, "no publishable key"},
		"secret API key":          {auth.Config{Issuers: []auth.Issuer{{URL: cloud, Secret: secret}}, PublishableKeys: []string{"sb_secret_x"}}, "is a secret one"},
		"empty API key":           {auth.Config{Issuers: []auth.Issuer{{URL: cloud, Secret: secret}}, PublishableKeys: []string{""}}, "is empty"},
		"cache of no bytes":       {auth.Config{Issuers: []auth.Issuer{{URL: cloud, Secret: secret}}, CacheBytes: -1}, "cache"},
	} {
		verifier, err := auth.NewVerifier(test.cfg)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			verifier.Close()
		} else if strings.Contains(err.Error(), string(secret[1:])) || strings.Contains(err.Error(), string(published)) {
			t.Errorf("%s: the secret is shown: %v", name, err)
		}
	}
}

// The development key of Supabase is also refused in a fetched set.
func TestPublishedKeyFromAfar(t *testing.T) {
	issuer := authtest.New(t)
	published := authtest.NewKey(t, "ES256")
	published.ID = "b81269f1-21d8-4f2e-b719-c2240a840d90"
	issuer.PublishKey(published)
	verifier := newVerifier(t, issuer, func(cfg *auth.Config) { cfg.Issuers[0].URL = "https://abc.supabase.co/auth/v1" })
	mustRefuse(t, verifier, published.Sign(change(issuer.Claims(ada), func(c jwt.MapClaims) { c["iss"] = "https://abc.supabase.co/auth/v1" })), auth.ErrTokenInvalid)
	mustVerify(t, newVerifier(t, issuer), published.Sign(issuer.Claims(ada)))
}

// Many concurrent callers, all algorithms, cached and not; run with -race.
func TestVerifyConcurrently(t *testing.T) {
	f := newFixture(t)
	keys := []*authtest.Key{f.es256, f.rs256, f.ed, f.hs256}
	var callers sync.WaitGroup
	for i := range 16 {
		callers.Go(func() {
			rawToken := keys[i%4].Sign(f.issuer.Claims(ada))
			for range 50 {
				claims, err := f.verifier.Verify(t.Context(), rawToken)
				if err != nil || claims.UserID != ada {
					t.Errorf("%+v, %v", claims, err)
				}
			}
		})
	}
	callers.Wait()
}
