// Package authtest answers one question: who issues tokens to tests? It has real keys and tokens, and serves the key
// set over HTTP.
package authtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// Issuer signs tokens and serves its key set until the test ends. It is safe for concurrent use.
type Issuer struct {
	t      testing.TB
	server *httptest.Server
	secret []byte

	mu        sync.Mutex
	published []*Key
	inUse     *Key
	answer    http.HandlerFunc
	fetches   int
}

// New starts an issuer with an ES256 key in use.
func New(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{t: t, secret: []byte(rand.Text() + rand.Text())}
	i.server = httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.server.Close)
	i.Use(i.Publish("ES256"))
	return i
}

// URL returns the issuer (iss) of the tokens.
func (i *Issuer) URL() string { return i.server.URL + "/auth/v1" }

// JWKSURL returns the URL of the key set.
func (i *Issuer) JWKSURL() string { return i.URL() + "/.well-known/jwks.json" }

// Secret returns the secret of HS256 tokens.
func (i *Issuer) Secret() []byte { return i.secret }

// JWKS returns the key set that is served.
func (i *Issuer) JWKS() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	set := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: []json.RawMessage{}}
	for _, key := range i.published {
		set.Keys = append(set.Keys, key.JWK())
	}
	text, err := json.Marshal(set)
	if err != nil {
		i.t.Error(err)
	}
	return text
}

func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.fetches++
	answer := i.answer
	i.mu.Unlock()
	switch {
	case answer != nil:
		answer(w, r)
	case r.URL.Path == "/auth/v1/.well-known/jwks.json":
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=600")
		_, _ = w.Write(i.JWKS())
	default:
		http.NotFound(w, r)
	}
}

// Answer replaces the handler of the key set, for example by one that never answers; nil restores it.
func (i *Issuer) Answer(answer http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = answer
}

// Fetches returns the number of requests for the key set.
func (i *Issuer) Fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// Publish adds a new key for ES256, RS256 or EdDSA to the key set, as standby: it signs nothing yet.
func (i *Issuer) Publish(algorithm string) *Key {
	key := NewKey(i.t, algorithm)
	i.PublishKey(key)
	return key
}

// PublishKey adds a key to the key set.
func (i *Issuer) PublishKey(key *Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.published = append(i.published, key)
}

// Keys returns the keys of the key set.
func (i *Issuer) Keys() []*Key {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.published)
}

// Use signs with a key from now on. The previous key stays published.
func (i *Issuer) Use(key *Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.inUse = key
}

// UseSecret signs with HS256 from now on.
func (i *Issuer) UseSecret() { i.Use(&Key{t: i.t, Algorithm: "HS256", private: i.secret}) }

// Revoke takes a key out of the key set.
func (i *Issuer) Revoke(key *Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.published = slices.DeleteFunc(i.published, func(k *Key) bool { return k == key })
}

// Claims returns the claims of a Supabase access token for user, valid for an hour.
func (i *Issuer) Claims(user uuid.UUID) jwt.MapClaims {
	now := time.Now().Unix()
	return jwt.MapClaims{
		"iss": i.URL(), "sub": user.String(), "aud": "authenticated", "role": "authenticated",
		"iat": now, "exp": now + 3600,
		"email": "user@example.com", "phone": "",
		"app_metadata":  map[string]any{"provider": "email", "providers": []string{"email"}},
		"user_metadata": map[string]any{"email": "user@example.com", "email_verified": true, "phone_verified": false, "sub": user.String()},
		"aal":           "aal1", "amr": []map[string]any{{"method": "password", "timestamp": now}},
		"session_id": uuid.NewString(), "is_anonymous": false,
	}
}

// Token signs an access token for user with the key in use, after applying changes to its claims.
func (i *Issuer) Token(user uuid.UUID, changes ...func(jwt.MapClaims)) string {
	i.t.Helper()
	claims := i.Claims(user)
	for _, change := range changes {
		change(claims)
	}
	i.mu.Lock()
	key := i.inUse
	i.mu.Unlock()
	return key.Sign(claims)
}

// Key signs tokens.
type Key struct {
	ID        string // "" for a secret
	Algorithm string
	private   any
	t         testing.TB
}

// NewKey returns a new, unpublished key for ES256, RS256 or EdDSA.
func NewKey(t testing.TB, algorithm string) *Key {
	t.Helper()
	key := &Key{ID: uuid.NewString(), Algorithm: algorithm, t: t}
	var err error
	switch algorithm {
	case "ES256":
		key.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256":
		key.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "EdDSA":
		_, key.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		t.Fatalf("no key can be made for %q", algorithm)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// NewKeyFrom returns an ES256 key whose private key is derived from 32 bytes, so that it is the same in every process.
func NewKeyFrom(t testing.TB, id string, private []byte) *Key {
	t.Helper()
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), private)
	if err != nil {
		t.Fatal(err)
	}
	return &Key{ID: id, Algorithm: "ES256", private: key, t: t}
}

// NewSecret returns a key for HS256.
func NewSecret(t testing.TB, secret []byte) *Key {
	return &Key{Algorithm: "HS256", private: secret, t: t}
}

// Sign signs claims, with the header parameters of Supabase Auth: alg, typ and kid.
func (k *Key) Sign(claims jwt.Claims) string {
	k.t.Helper()
	return k.SignHeader(claims, nil)
}

// SignHeader signs claims with more header parameters, which replace those of the same name; a nil value omits one. alg
// changes the header only, not the signature.
func (k *Key) SignHeader(claims jwt.Claims, header map[string]any) string {
	k.t.Helper()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(k.Algorithm), claims)
	if k.ID != "" {
		token.Header["kid"] = k.ID
	}
	maps.Copy(token.Header, header)
	maps.DeleteFunc(token.Header, func(_ string, value any) bool { return value == nil })
	signed, err := token.SignedString(k.private)
	if err != nil {
		k.t.Fatal(err)
	}
	return signed
}

// Signature signs any bytes.
func (k *Key) Signature(text string) []byte {
	k.t.Helper()
	signature, err := jwt.GetSigningMethod(k.Algorithm).Sign(text, k.private)
	if err != nil {
		k.t.Fatal(err)
	}
	return signature
}

// Public returns the public key.
func (k *Key) Public() crypto.PublicKey { return k.private.(crypto.Signer).Public() }

// JWK returns the public key as Supabase Auth publishes it.
func (k *Key) JWK() json.RawMessage {
	k.t.Helper()
	jwk, err := jwkset.NewJWKFromKey(k.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{
		ALG: jwkset.ALG(k.Algorithm), KID: k.ID, USE: jwkset.UseSig, KEYOPS: []jwkset.KEYOPS{jwkset.KeyOpsVerify},
	}})
	if err != nil {
		k.t.Fatal(err)
	}
	text, err := json.Marshal(jwk.Marshal())
	if err != nil {
		k.t.Fatal(err)
	}
	return text
}
