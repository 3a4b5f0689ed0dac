// Package auth answers one question: who is calling?
//
// A Verifier checks the access tokens of Supabase Auth (RFC 7519) against the keys that the project publishes (RFC 7517)
// or its legacy secret. Middleware puts the verified Claims into the context of a request; FromContext finds them.
// No token means anonymous. A bad token is refused, and never becomes anonymous.
package auth

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
)

// Claims are what a verified token says. They are never changed.
type Claims struct {
	UserID      uuid.UUID // the subject
	SessionID   uuid.UUID // uuid.Nil if the token names none
	Role        string
	Email       string
	IsAnonymous bool
	ExpiresAt   time.Time
	// Payload is the verified payload as it was signed, for PostgreSQL's request.jwt.claims.
	Payload []byte
}

// The kinds of refusal, for errors.Is.
var (
	ErrTokenInvalid    = errors.New("token invalid")
	ErrTokenExpired    = errors.New("token expired")
	ErrKeysUnavailable = errors.New("keys unavailable")
)

// Refusal is an error whose message may be shown to the client.
type Refusal struct {
	kind    error
	message string
	cause   error
}

func (r *Refusal) Error() string { return r.kind.Error() + ": " + r.message }

// Unwrap gives the kind and the cause.
func (r *Refusal) Unwrap() []error {
	if r.cause == nil {
		return []error{r.kind}
	}
	return []error{r.kind, r.cause}
}

// Public returns the code and the message that a client may see of an error of this package.
func Public(err error) (code, message string) {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		return "UNAVAILABLE", "the token cannot be checked now, try again"
	}
	switch refusal.kind {
	case ErrTokenExpired:
		return "TOKEN_EXPIRED", refusal.message
	case ErrKeysUnavailable:
		return "UNAVAILABLE", refusal.message
	}
	return "TOKEN_INVALID", refusal.message
}

type contextKey struct{}

// NewContext returns a context that carries claims.
func NewContext(ctx context.Context, claims *Claims) context.Context {
	return context.WithValue(ctx, contextKey{}, claims)
}

// FromContext returns the claims of the caller. Anonymous callers have none.
func FromContext(ctx context.Context) (claims *Claims, ok bool) {
	claims, ok = ctx.Value(contextKey{}).(*Claims)
	return claims, ok
}
