package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
)

const (
	// Supabase publishes its keys with max-age=600.
	refreshAfter = 10 * time.Minute
	// retryAfter bounds how often made-up key ids, or an outage, cause a fetch.
	retryAfter = 10 * time.Second
	// keepFor is how long the last good set serves while it cannot be fetched again.
	keepFor      = time.Hour
	fetchTimeout = 5 * time.Second
	maxJWKSBytes = 1 << 20
	minRSABits   = 2048
)

type keyName struct{ algorithm, keyID string }

// staticKeys is a key set that does not change.
type staticKeys map[keyName]any

// ParseJWKS reads a JWK Set (RFC 7517, section 5). Keys that cannot verify a signature are left out.
func ParseJWKS(text []byte) (KeySet, error) {
	keys, err := parseJWKS(text)
	if err != nil {
		return nil, err
	}
	return keys, nil
}

func (s staticKeys) Key(_ context.Context, algorithm, keyID string) (any, error) {
	if key, ok := s[keyName{algorithm, keyID}]; ok {
		return key, nil
	}
	return nil, invalid("the token is signed with a key that is not in use", nil)
}

func parseJWKS(text []byte) (staticKeys, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil || set.Keys == nil {
		return nil, errors.New(`not a JWKS, which looks like {"keys":[…]}`)
	}
	keys := staticKeys{}
	for _, raw := range set.Keys {
		jwk, err := jwkset.NewJWKFromRawJSON(raw, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil {
			continue
		}
		if header := jwk.Marshal(); header.KID != "" && (header.USE == "" || header.USE == jwkset.UseSig) {
			if algorithm := algorithmOf(jwk.Key()); algorithm != "" {
				keys[keyName{algorithm, header.KID}] = jwk.Key()
			}
		}
	}
	return keys, nil
}

// algorithmOf pins a key to the one algorithm it may be used with.
func algorithmOf(key any) string {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return "ES256"
		}
	case *rsa.PublicKey:
		if key.N.BitLen() >= minRSABits && key.E > 2 && key.E%2 == 1 {
			return "RS256"
		}
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return ""
}

// RemoteKeys is a key set that is fetched by URL.
type RemoteKeys struct {
	url    string
	client *http.Client

	mu      sync.Mutex
	keys    staticKeys
	fetched time.Time // the last good fetch
	tried   time.Time
	lastErr error
}

// NewRemoteKeys returns the key set at url. Nothing is fetched until a key is needed.
func NewRemoteKeys(url string) *RemoteKeys {
	return &RemoteKeys{url: url, client: &http.Client{
		Timeout: fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the key set is redirected elsewhere")
		},
	}}
}

// Key returns a key of the set, which is fetched when it is old or lacks the key.
func (r *RemoteKeys) Key(ctx context.Context, algorithm, keyID string) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.keys[keyName{algorithm, keyID}]
	if !known || time.Since(r.fetched) > refreshAfter {
		r.refresh(ctx)
	}
	if r.stale() {
		return nil, &Refusal{ErrKeysUnavailable, "the keys that verify tokens cannot be fetched, try again", r.lastErr}
	}
	return r.keys.Key(ctx, algorithm, keyID)
}

// Ready returns an error while there is no set to verify with.
func (r *RemoteKeys) Ready(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.fetched) > refreshAfter {
		r.refresh(ctx)
	}
	if r.stale() {
		return r.lastErr
	}
	return nil
}

// stale tells that there is no set, or only one too old to be trusted.
func (r *RemoteKeys) stale() bool { return r.keys == nil || time.Since(r.fetched) > keepFor }

// refresh replaces the set: a key that has left it is refused from then on.
func (r *RemoteKeys) refresh(ctx context.Context) {
	if time.Since(r.tried) < retryAfter {
		return
	}
	r.tried = time.Now()
	// The client that waits may hang up; the others need the keys all the same.
	keys, err := r.fetch(context.WithoutCancel(ctx))
	if r.lastErr = err; err == nil {
		r.keys, r.fetched = keys, time.Now()
	}
}

func (r *RemoteKeys) fetch(ctx context.Context) (staticKeys, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch keys: status %d", response.StatusCode)
	}
	text, err := io.ReadAll(http.MaxBytesReader(nil, response.Body, maxJWKSBytes))
	if err != nil {
		return nil, err
	}
	return parseJWKS(text)
}
