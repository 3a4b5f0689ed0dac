// Package auth answers one question: who is calling?
//
// It verifies the access tokens of Supabase Auth: JSON Web Tokens (RFC 7519) signed with ES256, RS256 or EdDSA by a key
// of the project's key set, or with HS256 by the secret of a project that has not moved to signing keys.
//
//	keys, err := auth.NewRemoteKeySet(auth.RemoteConfig{URL: "https://<ref>.supabase.co/auth/v1/.well-known/jwks.json"})
//	…
//	verifier, err := auth.NewVerifier(auth.Config{
//		Issuers: []auth.Issuer{{URL: "https://<ref>.supabase.co/auth/v1", Keys: keys}},
//	})
//	…
//	defer verifier.Close()
//	handler = auth.Middleware(verifier, auth.Options{})(handler)
//
// Behind [Middleware], [FromContext] returns the [Claims] of a signed-in caller. A request without a token is anonymous
// and passes. A bad token is answered with 401. If the keys cannot be fetched the answer is 503, because an outage says
// nothing about the token. Without net/http, [Verifier.Verify] verifies a token and [Public] returns what a client may
// learn of its error.
//
// # What is checked
//
// The algorithm decides first which keys a token may use, then the key id: HS256 means the issuer's secret only, the
// other algorithms mean a key of the issuer's key set that was published for exactly this algorithm. Keys in the
// token's header (jwk, jku, x5c, x5u) are refused, as are crit, b64, encrypted and nested tokens.
//
// Of the claims, iss must be one of the configured issuers, aud must contain "authenticated", sub must be a UUID, role
// must be "authenticated", exp is required, and nbf and iat may not be in the future. All times are whole seconds, with
// a leeway for clock skew: 5 s for exp, 30 s for nbf and iat. Tokens of OAuth apps, which carry client_id, are refused
// unless the app is listed. No claim may occur twice, and session_id, if present, must be a UUID. Texts and numbers
// that PostgreSQL cannot read as jsonb are refused.
//
// The anon key of a project and its publishable keys name no user: as a bearer token they mean anonymous. Secret keys
// and the service_role key are refused, as a bearer token and as an API key, because they bypass row-level security.
//
// # Issuers
//
// An identity is issuer and subject: two projects may give one subject to different people. A program that finds rows
// by [Claims.UserID] alone must therefore accept one project only. Several issuers are for one project with several
// names, such as a custom domain beside <ref>.supabase.co. The names share their users, so a subject is the same user
// under each name.
//
// # Keys
//
// A [RemoteKeySet] fetches the key set when a request needs it, and refreshes it in the background before it is 10
// minutes old, one fetch at a time. A request waits for a fetch only if there is no usable key. Each successful fetch
// replaces the set. A revoked key is refused from then on, and so are tokens that it verified earlier. While fetches
// fail, the last set stays in use for up to an hour. Unknown key ids cause a fetch, at most one in 10 s.
//
// If the key of a token is not in the set and the token is older than the set, the token is refused: its key was
// removed. If the token is newer, by iat and the time that caches have kept the set (Age), its key may be newer too:
// the answer is 503 until a newer set is fetched. An empty set cannot be told from a fault, so the tokens of its former
// keys get 503. An entry that cannot verify tokens is ignored, and does not affect the others.
//
// A key should therefore be published 10 minutes before it signs, which Supabase requires too. A revoked key is refused
// at most 10 minutes after it left the key set; Supabase's own cache may add as much. [Verifier.Purge] refuses it at
// once.
//
// # Sessions
//
// A token is valid until it expires, even after sign-out, a ban, or deletion of the user. [Config.CheckSession] lets a
// program check for each request whether the session has ended. [Verifier.CheckSession] checks again for a caller that
// stays connected, such as a websocket's.
//
// # Cost
//
// Verified tokens are cached until they expire, within a bounded cache; a hit costs well under a microsecond and
// allocates nothing. Failures are not cached, so that a client cannot fill the cache with them. A new token costs its
// signature check, and little more than golang-jwt takes to parse it.
//
// The package logs nothing: [Hooks] and [RemoteConfig.Fetched] report events. It has no global state, and leaves no
// goroutine behind after [Verifier.Close].
package auth

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Claims holds the claims of a verified token. Requests with the same token share one Claims: never change it.
type Claims struct {
	UserID      uuid.UUID
	SessionID   uuid.UUID // uuid.Nil if the token names no session
	Role        string    // always "authenticated"
	Email       string    // "" if the user has none
	Phone       string    // "" if the user has none
	AAL         string    // the authenticator assurance level, "aal1" or "aal2"
	IsAnonymous bool      // signed in without an identity; such a user exists and has a UserID
	ClientID    string    // the OAuth app that acts for the user, "" for the user's own session
	AppMetadata json.RawMessage
	Issuer      string // iss, "" if the token has none
	Algorithm   string // of the signature: HS256, ES256, RS256 or EdDSA
	KeyID       string // of the signature's key; "" for HS256
	IssuedAt    time.Time
	ExpiresAt   time.Time
	Payload     []byte // the verified JSON object, as it was signed; the value of request.jwt.claims
}

type contextKey struct{}

// NewContext returns a context that carries the claims of a caller.
func NewContext(ctx context.Context, claims *Claims) context.Context {
	return context.WithValue(ctx, contextKey{}, claims)
}

// FromContext returns the claims of the caller. ok is false for an anonymous caller.
func FromContext(ctx context.Context) (claims *Claims, ok bool) {
	claims, ok = ctx.Value(contextKey{}).(*Claims)
	return claims, ok && claims != nil
}
