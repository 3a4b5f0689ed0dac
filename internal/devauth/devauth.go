// Package devauth answers one question: who signs tokens when there is no Supabase project?
//
// It stands in for Supabase Auth during development only: a real ES256 key kept on disk, real tokens of the shape that
// Supabase Auth gives, and the key set that verifies them. The server never trusts it because it is development; it
// verifies these tokens as it verifies all.
package devauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// Issuer signs tokens and publishes its key.
type Issuer struct {
	url   string
	key   *ecdsa.PrivateKey
	keyID string
	jwks  []byte
}

// Open returns an issuer that names itself url, such as http://127.0.0.1:8081/auth/v1. Its key is kept in file, so that
// tokens outlive a restart.
func Open(file, url string) (*Issuer, error) {
	key, err := readKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = writeNewKey(file)
	}
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	sum := sha256.Sum256(point)
	issuer := &Issuer{url: url, key: key, keyID: uuid.NewSHA1(uuid.Nil, sum[:]).String()}
	// RFC 7518, section 6.2.1: point is 4, x, y, with 32 bytes a coordinate.
	issuer.jwks, err = json.Marshal(map[string]any{"keys": []map[string]any{{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "key_ops": []string{"verify"}, "ext": true,
		"kid": issuer.keyID,
		"x":   base64.RawURLEncoding.EncodeToString(point[1:33]),
		"y":   base64.RawURLEncoding.EncodeToString(point[33:]),
	}}})
	return issuer, err
}

// User is whom a token is about.
type User struct {
	ID          uuid.UUID
	Email       string
	IsAnonymous bool
}

// Token signs an access token for user, of a new session, that expires at expiry. Its claims are those of Supabase Auth.
func (i *Issuer) Token(user User, expiry time.Time) (string, error) {
	now := time.Now()
	if expiry.Before(now) {
		now = expiry.Add(-time.Hour)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": i.url, "sub": user.ID.String(), "aud": "authenticated", "role": "authenticated",
		"iat": now.Unix(), "exp": expiry.Unix(),
		"email": user.Email, "phone": "",
		"app_metadata": map[string]any{"provider": "email", "providers": []string{"email"}}, "user_metadata": map[string]any{},
		"aal": "aal1", "amr": []map[string]any{{"method": "password", "timestamp": now.Unix()}},
		"session_id": uuid.NewString(), "is_anonymous": user.IsAnonymous,
	})
	token.Header["kid"] = i.keyID
	return token.SignedString(i.key)
}

// Handler serves the key set where Supabase Auth serves it.
func (i *Issuer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /auth/v1/.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=600")
		_, _ = w.Write(i.jwks)
	})
	return mux
}

func readKey(file string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block; remove it to get a new key", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; remove it to get a new key", file, err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok || ec.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%s holds no P-256 key; remove it to get a new key", file)
	}
	return ec, nil
}

// writeNewKey puts the file there whole or not at all, so that a killed process leaves no half of a key.
func writeNewKey(file string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), "signing-key-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(temporary.Name())
	err = pem.Encode(temporary, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := errors.Join(err, temporary.Close()); err != nil {
		return nil, err
	}
	return key, os.Rename(temporary.Name(), file)
}
