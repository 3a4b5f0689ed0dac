package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

const (
	// leeway forgives clocks that differ a little.
	leeway = 5 * time.Second
	// maxTokenBytes bounds what is parsed. Supabase's tokens have about 1 KiB.
	maxTokenBytes = 16 << 10
	// minSecretBytes is the size of SHA-256's output, RFC 7518, section 3.2.
	minSecretBytes = 32
	audience       = "authenticated"
	role           = "authenticated"
)

// What `supabase start` signs with is published, and so worth nothing outside the machine.
const (
	developmentKeyID  = "b81269f1-21d8-4f2e-b719-c2240a840d90"
	developmentSecret = "super-secret-jwt-token-with-at-least-32-characters-long"
)

// A KeySet finds public keys. The errors are ErrTokenInvalid for a key that is not in the set, and ErrKeysUnavailable.
type KeySet interface {
	Key(ctx context.Context, algorithm, keyID string) (any, error)
}

// Config says whose tokens are taken.
type Config struct {
	Issuers []string // required: the iss of a token is one of these
	Keys    KeySet   // for ES256, RS256 and EdDSA
	Secret  string   // for HS256; empty refuses it
	// AllowDevelopmentKeys takes tokens signed with the published keys of `supabase start`.
	AllowDevelopmentKeys bool
}

// Verifier checks tokens.
type Verifier struct {
	cfg    Config
	parser *jwt.Parser
}

// NewVerifier refuses a configuration that would be unsafe.
func NewVerifier(cfg Config) (*Verifier, error) {
	if len(cfg.Issuers) == 0 || slices.Contains(cfg.Issuers, "") {
		return nil, errors.New("an issuer is required")
	}
	if cfg.Keys == nil && cfg.Secret == "" {
		return nil, errors.New("a key set or a secret is required")
	}
	if cfg.Secret != "" && len(cfg.Secret) < minSecretBytes {
		return nil, fmt.Errorf("the secret has %d bytes, at least %d are required", len(cfg.Secret), minSecretBytes)
	}
	if cfg.Secret == developmentSecret && !cfg.AllowDevelopmentKeys {
		return nil, errors.New("the secret is the published one of `supabase start`: anybody can sign with it")
	}
	return &Verifier{cfg, jwt.NewParser(
		jwt.WithValidMethods([]string{"HS256", "ES256", "RS256", "EdDSA"}),
		jwt.WithStrictDecoding(), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithAudience(audience), jwt.WithLeeway(leeway),
	)}, nil
}

// Verify returns the claims of a token, or an error that is ErrTokenInvalid, ErrTokenExpired or ErrKeysUnavailable.
func (v *Verifier) Verify(ctx context.Context, rawToken string) (*Claims, error) {
	if len(rawToken) > maxTokenBytes {
		return nil, invalid("the token is longer than 16 KiB", nil)
	}
	// A map: struct fields would match names in any case, PostgreSQL matches exactly.
	claims := jwt.MapClaims{}
	_, err := v.parser.ParseWithClaims(rawToken, claims, func(token *jwt.Token) (any, error) { return v.key(ctx, token) })
	if err != nil {
		return nil, explain(err, claims)
	}
	issuer, _ := claims["iss"].(string)
	if !slices.Contains(v.cfg.Issuers, issuer) {
		return nil, invalid("the token is from another issuer", nil)
	}
	switch claims["role"] {
	case role:
	case "service_role":
		return nil, invalid("a service_role key acts as no user: send the access token of one", nil)
	default:
		return nil, invalid("the token's role is not authenticated", nil)
	}
	if _, isApp := claims["client_id"]; isApp {
		return nil, invalid("tokens of OAuth apps are not taken", nil)
	}
	subject, _ := claims["sub"].(string)
	userID, err := uuid.Parse(subject)
	if err != nil || len(subject) != 36 {
		return nil, invalid("the token's subject is not a UUID", nil)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(rawToken, ".")[1])
	if err != nil {
		return nil, invalid("the token is malformed", err)
	}
	expiry, err := claims.GetExpirationTime()
	if err != nil {
		return nil, invalid("the token is malformed", err)
	}
	verified := &Claims{UserID: userID, Role: role, ExpiresAt: expiry.Time, Payload: payload}
	verified.Email, _ = claims["email"].(string)
	verified.IsAnonymous, _ = claims["is_anonymous"].(bool)
	if session, ok := claims["session_id"].(string); ok {
		verified.SessionID, _ = uuid.Parse(session)
	}
	return verified, nil
}

// key chooses by algorithm first, then by key id: a legacy HS256 token may carry an id that is in no set.
func (v *Verifier) key(ctx context.Context, token *jwt.Token) (any, error) {
	if _, critical := token.Header["crit"]; critical {
		return nil, invalid("the token has critical headers", nil) // RFC 7515, section 4.1.11
	}
	algorithm := token.Method.Alg()
	if algorithm == "HS256" {
		if v.cfg.Secret == "" {
			return nil, invalid("the token is signed with HS256, but no secret is configured", nil)
		}
		return []byte(v.cfg.Secret), nil
	}
	if v.cfg.Keys == nil {
		return nil, invalid("the token is signed with "+algorithm+", but only a secret is configured", nil)
	}
	keyID, ok := token.Header["kid"].(string)
	if !ok || keyID == "" {
		return nil, invalid("the token names no key", nil)
	}
	if keyID == developmentKeyID && !v.cfg.AllowDevelopmentKeys {
		return nil, invalid("the token is signed with the published key of `supabase start`", nil)
	}
	return v.cfg.Keys.Key(ctx, algorithm, keyID)
}

// Ready returns an error while the keys are unavailable.
func (v *Verifier) Ready(ctx context.Context) error {
	if set, ok := v.cfg.Keys.(*RemoteKeys); ok {
		return set.Ready(ctx)
	}
	return nil
}

func invalid(message string, cause error) *Refusal { return &Refusal{ErrTokenInvalid, message, cause} }

// explain says what is wrong with a token without repeating any of it.
func explain(err error, claims jwt.MapClaims) error {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return invalid("the token is malformed", err)
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return invalid("the token's signature or algorithm is not valid", err)
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return invalid("the token lacks a required claim", err)
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return invalid("the token is for another audience", err)
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return invalid("the token is not valid yet", err)
	case errors.Is(err, jwt.ErrTokenExpired):
		message := "the token has expired"
		if expiry, _ := claims.GetExpirationTime(); expiry != nil {
			message = fmt.Sprintf("the token expired %s ago", time.Since(expiry.Time).Round(time.Second))
		}
		return &Refusal{ErrTokenExpired, message, err}
	}
	return invalid("the token is not valid", err)
}
