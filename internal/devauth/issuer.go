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
	"os"
	"path/filepath"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// issuer signs access tokens and verifies its own.
type issuer struct {
	url     string
	method  jwt.SigningMethod
	private any // of the method
	public  any
	keyID   string // "" for a secret
	jwks    []byte // verifies its tokens; nil for a secret
}

// secretIssuer returns an issuer that signs with HS256, with url as its name.
func secretIssuer(secret, url string) *issuer {
	return &issuer{url: url, method: jwt.SigningMethodHS256, private: []byte(secret), public: []byte(secret)}
}

// openIssuer returns an issuer with url as its name. Its key is kept in file.
func openIssuer(file, url string) (*issuer, error) {
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
	i := &issuer{url: url, method: jwt.SigningMethodES256, private: key, public: &key.PublicKey, keyID: uuid.NewSHA1(uuid.Nil, sum[:]).String()}
	// RFC 7518, section 6.2.1: point is 4, x, y, with 32 bytes a coordinate.
	i.jwks, err = json.Marshal(map[string]any{"keys": []map[string]any{{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "key_ops": []string{"verify"}, "ext": true,
		"kid": i.keyID,
		"x":   base64.RawURLEncoding.EncodeToString(point[1:33]),
		"y":   base64.RawURLEncoding.EncodeToString(point[33:]),
	}}})
	return i, err
}

// accessClaims are all claims of Supabase Auth, in its order. https://supabase.com/docs/guides/auth/jwt-fields
type accessClaims struct {
	jwt.RegisteredClaims
	// Audience shadows that of RegisteredClaims, which is written as a list. Supabase Auth writes a string.
	Audience     string          `json:"aud"`
	Email        string          `json:"email"`
	Phone        string          `json:"phone"`
	AppMetadata  json.RawMessage `json:"app_metadata"`
	UserMetadata json.RawMessage `json:"user_metadata"`
	Role         string          `json:"role"`
	AAL          string          `json:"aal"`
	AMR          []amr           `json:"amr"`
	SessionID    uuid.UUID       `json:"session_id"`
	IsAnonymous  bool            `json:"is_anonymous"`
	ClientID     string          `json:"client_id,omitempty"` // of an OAuth app
	Scope        string          `json:"scope,omitempty"`     // of an OAuth app
}

// amr is a way in which the user of a session has proved who they are, and when (in seconds since 1970).
type amr struct {
	Method    string `json:"method"`
	Timestamp int64  `json:"timestamp"`
}

// sign returns an access token for a session of the user, valid until expiry.
func (i *issuer) sign(u *user, s session, expiry time.Time) (string, error) {
	now := time.Now()
	if expiry.Before(now) {
		now = expiry.Add(-time.Hour) // an expired token for tests, which was valid once
	}
	claims := accessClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: i.url, Subject: u.ID.String(), IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expiry),
		},
		Audience: u.Audience, Email: u.Email, Phone: u.Phone, AppMetadata: u.AppMetadata, UserMetadata: u.UserMetadata,
		Role: u.Role, AAL: s.aal, AMR: s.amr, SessionID: s.id, IsAnonymous: u.IsAnonymous, Scope: s.scope,
	}
	if s.clientID != uuid.Nil {
		claims.ClientID = s.clientID.String()
	}
	return i.signClaims(claims)
}

func (i *issuer) signClaims(claims jwt.Claims) (string, error) {
	token := jwt.NewWithClaims(i.method, claims)
	if i.keyID != "" {
		token.Header["kid"] = i.keyID
	}
	return token.SignedString(i.private)
}

// verify returns the session of an access token.
func (i *issuer) verify(rawToken string) (sessionID uuid.UUID, err error) {
	var claims accessClaims
	_, err = jwt.ParseWithClaims(rawToken, &claims, func(*jwt.Token) (any, error) { return i.public, nil },
		jwt.WithValidMethods([]string{i.method.Alg()}), jwt.WithIssuer(i.url), jwt.WithExpirationRequired(), jwt.WithStrictDecoding())
	return claims.SessionID, err
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

// writeNewKey creates the file atomically, so that a killed process leaves no partial key.
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
