//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

const (
	keyID = "b3f8c1d2-5a0e-4c7d-9e21-1f6a7b8c9d00"
	// tokenLife is longer than any run.
	tokenLife = 6 * time.Hour
)

// caller is a user with their tokens.
type caller struct {
	number int // the nth user
	id     string
	name   string // full_name: as long for all, and no other user's begins with it
	es256  string
	hs256  string
}

// userID and userName are what the database holds about the nth user. The ids are scattered, as random ones are.
func userID(n int) uuid.UUID {
	id := uuid.UUID(md5.Sum(fmt.Appendf(nil, "user %d", n)))
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

func userName(n int) string { return fmt.Sprintf("User %07d", n) }

// issuer signs tokens of the shape that Supabase Auth gives, and publishes its key where Supabase Auth does.
type issuer struct {
	listener net.Listener
	key      *ecdsa.PrivateKey
	secret   string
}

func newIssuer() (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i := &issuer{listener, key, rand.Text() + rand.Text()}
	jwks, err := i.jwks()
	if err != nil {
		return nil, err
	}
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(jwks)
	})}
	go func() { _ = server.Serve(listener) }()
	return i, nil
}

// url is the project's; url + /auth/v1 issues the tokens.
func (i *issuer) url() string { return "http://" + i.listener.Addr().String() }

func (i *issuer) jwks() ([]byte, error) {
	point, err := i.key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	// RFC 7518, section 6.2.1: point is 4, x, y, with 32 bytes a coordinate.
	return json.Marshal(map[string]any{"keys": []map[string]any{{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "key_ops": []string{"verify"}, "ext": true, "kid": keyID,
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]),
		"y": base64.RawURLEncoding.EncodeToString(point[33:]),
	}}})
}

// callers signs tokens for count of the users, spread over all of them.
func (i *issuer) callers(count, users int) ([]caller, error) {
	now := time.Now()
	all := make([]caller, count)
	for k := range all {
		n := k * users / count
		id := userID(n).String()
		claims := jwt.MapClaims{
			"iss": i.url() + "/auth/v1", "sub": id, "aud": "authenticated", "role": "authenticated",
			"iat": now.Unix(), "exp": now.Add(tokenLife).Unix(),
			"email": fmt.Sprintf("user%d@example.com", n), "phone": "",
			"app_metadata":  map[string]any{"provider": "email", "providers": []string{"email"}},
			"user_metadata": map[string]any{"full_name": userName(n), "email_verified": true},
			"aal":           "aal1", "amr": []map[string]any{{"method": "password", "timestamp": now.Unix()}},
			"session_id": id, "is_anonymous": false,
		}
		es256 := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
		es256.Header["kid"] = keyID
		c := caller{number: n, id: id, name: userName(n)}
		var err error
		if c.es256, err = es256.SignedString(i.key); err != nil {
			return nil, err
		}
		if c.hs256, err = jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(i.secret)); err != nil {
			return nil, err
		}
		all[k] = c
	}
	return all, nil
}
