package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"usergraph/auth"
)

const (
	issuer = "https://abc.supabase.co/auth/v1"
	secret = "a secret of this test that has at least 32 bytes"
	ada    = "a0000000-0000-4000-8000-000000000001"
)

var signer, other = newKey(), newKey()

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func jwks(keyID string, key *ecdsa.PrivateKey) []byte {
	point, _ := key.PublicKey.Bytes()
	text, _ := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": keyID,
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
	}}})
	return text
}

// serve answers with a verifier behind the middleware, and tells who called.
func serve(t *testing.T, verifier *auth.Verifier, header http.Header) (*httptest.ResponseRecorder, string) {
	t.Helper()
	called := ""
	handler := auth.Middleware(verifier)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		called = "anonymous"
		if claims, ok := auth.FromContext(r.Context()); ok {
			called = claims.UserID.String()
		}
	}))
	request := httptest.NewRequest(http.MethodPost, "/graphql", nil)
	request.Header = header
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer, called
}

func newVerifier(t *testing.T) *auth.Verifier {
	t.Helper()
	keys, err := auth.ParseJWKS(jwks("key-1", signer))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(auth.Config{Issuers: []string{issuer}, Keys: keys, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	return verifier
}

// A test starts from the good token and names one change.
func TestTokens(t *testing.T) {
	type token struct {
		method jwt.SigningMethod
		header map[string]any
		claims jwt.MapClaims
		key    any
		after  func(raw string) string
	}
	set := func(name string, value any) func(*token) { return func(c *token) { c.claims[name] = value } }
	drop := func(name string) func(*token) { return func(c *token) { delete(c.claims, name) } }
	hs256 := func(c *token) { c.method, c.key = jwt.SigningMethodHS256, []byte(secret); delete(c.header, "kid") }
	point, _ := signer.PublicKey.Bytes()
	now := time.Now()

	tests := []struct {
		name   string
		change func(*token)
		code   string // "" if the token is good
	}{
		{"valid", func(*token) {}, ""},
		{"valid HS256", hs256, ""},
		{"HS256 with a key id of no set", func(c *token) { hs256(c); c.header["kid"] = "legacy" }, ""},
		{"audience as a list", set("aud", []string{"authenticated"}), ""},
		{"expired within the leeway", set("exp", now.Add(-2*time.Second).Unix()), ""},
		{"expired", set("exp", now.Add(-time.Minute).Unix()), "TOKEN_EXPIRED"},
		{"no expiry", drop("exp"), "TOKEN_INVALID"},
		{"expiry is a string", set("exp", "tomorrow"), "TOKEN_INVALID"},
		{"not before the future", set("nbf", now.Add(time.Hour).Unix()), "TOKEN_INVALID"},
		{"issued in the future", set("iat", now.Add(time.Hour).Unix()), "TOKEN_INVALID"},
		{"no issuer", drop("iss"), "TOKEN_INVALID"},
		{"wrong issuer", set("iss", "https://other.supabase.co/auth/v1"), "TOKEN_INVALID"},
		{"issuer with a slash", set("iss", issuer+"/"), "TOKEN_INVALID"},
		{"no audience", drop("aud"), "TOKEN_INVALID"},
		{"wrong audience", set("aud", "anon"), "TOKEN_INVALID"},
		{"empty audience", set("aud", []string{}), "TOKEN_INVALID"},
		{"no subject", drop("sub"), "TOKEN_INVALID"},
		{"subject is no UUID", set("sub", "ada"), "TOKEN_INVALID"},
		{"subject in braces", set("sub", "{"+ada+"}"), "TOKEN_INVALID"},
		{"name of the subject in capitals", func(c *token) { delete(c.claims, "sub"); c.claims["SUB"] = ada }, "TOKEN_INVALID"},
		{"no role", drop("role"), "TOKEN_INVALID"},
		{"service_role", set("role", "service_role"), "TOKEN_INVALID"},
		{"postgres", set("role", "postgres"), "TOKEN_INVALID"},
		{"OAuth app", set("client_id", "app"), "TOKEN_INVALID"},
		{"another's key", func(c *token) { c.key = other }, "TOKEN_INVALID"},
		{"unknown key id", func(c *token) { c.header["kid"] = "key-2" }, "TOKEN_INVALID"},
		{"no key id", func(c *token) { delete(c.header, "kid") }, "TOKEN_INVALID"},
		{"key id is a list", func(c *token) { c.header["kid"] = []string{"key-1"} }, "TOKEN_INVALID"},
		{"published key id", func(c *token) { c.header["kid"] = "b81269f1-21d8-4f2e-b719-c2240a840d90" }, "TOKEN_INVALID"},
		{"critical header", func(c *token) { c.header["crit"] = []string{"b64"} }, "TOKEN_INVALID"},
		{"alg none", func(c *token) {
			c.method, c.key = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType
		}, "TOKEN_INVALID"},
		{"HS384", func(c *token) { c.method, c.key = jwt.SigningMethodHS384, []byte(secret) }, "TOKEN_INVALID"},
		{"HS256 signed with the public key", func(c *token) { c.method, c.key = jwt.SigningMethodHS256, point }, "TOKEN_INVALID"},
		{"HS256 signed with nothing", func(c *token) { c.method, c.key = jwt.SigningMethodHS256, []byte{} }, "TOKEN_INVALID"},
		{"one character altered", func(c *token) {
			c.after = func(raw string) string { return strings.Replace(raw, ".ey", ".eY", 1) }
		}, "TOKEN_INVALID"},
		{"no signature", func(c *token) {
			c.after = func(raw string) string { return raw[:strings.LastIndex(raw, ".")+1] }
		}, "TOKEN_INVALID"},
		{"padded", func(c *token) { c.after = func(raw string) string { return raw + "=" } }, "TOKEN_INVALID"},
		{"too long", func(c *token) { c.claims["pad"] = strings.Repeat("x", 17<<10) }, "TOKEN_INVALID"},
		{"no token at all", func(c *token) { c.after = func(string) string { return "hello" } }, "TOKEN_INVALID"},
	}
	verifier := newVerifier(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := token{method: jwt.SigningMethodES256, key: signer,
				header: map[string]any{"typ": "JWT", "kid": "key-1"},
				claims: jwt.MapClaims{"iss": issuer, "sub": ada, "aud": "authenticated", "role": "authenticated",
					"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "email": "ada@example.com"}}
			test.change(&c)
			signed := jwt.NewWithClaims(c.method, c.claims)
			for name, value := range c.header {
				signed.Header[name] = value
			}
			raw, err := signed.SignedString(c.key)
			if err != nil {
				t.Fatal(err)
			}
			if c.after != nil {
				raw = c.after(raw)
			}
			answer, called := serve(t, verifier, http.Header{"Authorization": {"bearer " + raw}})
			if test.code == "" {
				if answer.Code != http.StatusOK || called != ada {
					t.Fatalf("refused: %d %s", answer.Code, answer.Body)
				}
				return
			}
			body := answer.Body.String()
			if answer.Code != http.StatusUnauthorized || called != "" || !strings.Contains(body, `"code":"`+test.code+`"`) {
				t.Fatalf("got %d, called %q, %s; want 401 and %s", answer.Code, called, body, test.code)
			}
			if challenge := answer.Header().Get("WWW-Authenticate"); !strings.HasPrefix(challenge, `Bearer error="invalid_token", error_description="`) {
				t.Errorf("challenge is %q", challenge)
			}
			if strings.Contains(body, raw) || strings.Contains(body, secret) {
				t.Errorf("the answer shows a secret: %s", body)
			}
		})
	}
}

func TestAuthorizationHeader(t *testing.T) {
	verifier := newVerifier(t)
	for name, test := range map[string]struct {
		values []string
		status int
	}{
		"none":            {nil, 200},
		"publishable key": {[]string{"Bearer sb_publishable_x"}, 200},
		"two":             {[]string{"Bearer sb_a", "Bearer sb_b"}, 401},
		"basic":           {[]string{"Basic YTpi"}, 401},
		"empty":           {[]string{"Bearer "}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			answer, called := serve(t, verifier, http.Header{"Authorization": test.values})
			if answer.Code != test.status || (test.status == 200) != (called == "anonymous") {
				t.Fatalf("got %d, called %q", answer.Code, called)
			}
		})
	}
}

func TestRemoteKeys(t *testing.T) {
	up := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !up {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		_, _ = w.Write(jwks("key-1", signer))
	}))
	defer server.Close()
	if _, err := auth.NewRemoteKeys(server.URL).Key(context.Background(), "ES256", "key-1"); !errors.Is(err, auth.ErrKeysUnavailable) {
		t.Fatalf("an outage gives %v", err)
	}
	up = true
	keys := auth.NewRemoteKeys(server.URL)
	if err := keys.Ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Key(context.Background(), "ES256", "key-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Key(context.Background(), "RS256", "key-1"); !errors.Is(err, auth.ErrTokenInvalid) {
		t.Fatalf("a key under another algorithm gives %v", err)
	}
}

// A token of each algorithm is taken with the key that is for it, and with no other.
func TestAlgorithms(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	text, _ := json.Marshal(map[string]any{"keys": []any{
		map[string]any{"kty": "RSA", "kid": "rsa", "n": encode(rsaKey.N.Bytes()), "e": "AQAB"},
		map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": encode(edPublic)},
	}})
	keys, err := auth.ParseJWKS(text)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(auth.Config{Issuers: []string{issuer}, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		method jwt.SigningMethod
		keyID  string
		key    any
		good   bool
	}{
		{jwt.SigningMethodRS256, "rsa", rsaKey, true},
		{jwt.SigningMethodEdDSA, "ed", edKey, true},
		{jwt.SigningMethodRS256, "ed", rsaKey, false},
		{jwt.SigningMethodEdDSA, "rsa", edKey, false},
		{jwt.SigningMethodPS256, "rsa", rsaKey, false},
		{jwt.SigningMethodRS512, "rsa", rsaKey, false},
		{jwt.SigningMethodHS256, "rsa", []byte(secret), false},
	} {
		token := jwt.NewWithClaims(test.method, jwt.MapClaims{"iss": issuer, "sub": ada, "aud": "authenticated",
			"role": "authenticated", "exp": time.Now().Add(time.Hour).Unix()})
		token.Header["kid"] = test.keyID
		raw, err := token.SignedString(test.key)
		if err != nil {
			t.Fatal(err)
		}
		_, err = verifier.Verify(t.Context(), raw)
		if test.good != (err == nil) || (err != nil && !errors.Is(err, auth.ErrTokenInvalid)) {
			t.Errorf("%s with key %s: %v", test.method.Alg(), test.keyID, err)
		}
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	for name, cfg := range map[string]auth.Config{
		"no issuer":        {Secret: secret},
		"no keys":          {Issuers: []string{issuer}},
		"short secret":     {Issuers: []string{issuer}, Secret: "short"},
		"published secret": {Issuers: []string{issuer}, Secret: "super-secret-jwt-token-with-at-least-32-characters-long"},
	} {
		if _, err := auth.NewVerifier(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
