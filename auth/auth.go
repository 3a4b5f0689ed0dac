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
// and goes on; one with a bad token is answered with 401; and if the keys cannot be fetched the answer is 503, because
// an outage says nothing about the token. Without net/http, [Verifier.Verify] takes a token and [Public] tells what a
// client may learn of its error.
//
// # What is checked
//
// The algorithm decides first which keys a token may use, then the key id: HS256 means the issuer's secret and nothing
// else, the other algorithms mean a key of the issuer's key set that was published for exactly this algorithm. What the
// header brings along (jwk, jku, x5c, x5u) is refused, as are crit, b64, encrypted and nested tokens.
//
// Of the claims, iss must be one of the configured issuers, aud must contain "authenticated", sub must be a UUID, role
// must be "authenticated", exp is required, and nbf and iat may not be in the future. All times are whole seconds, with
// a leeway for clocks that differ: 5 s for exp, 30 s for nbf and iat. Tokens of OAuth apps, which carry client_id, are
// refused unless the app is listed. No claim may come twice, session_id must be a UUID if it is there, and texts and
// numbers that PostgreSQL could not read as jsonb are refused here, not there.
//
// The anon key of a project and its publishable keys name nobody: sent as a bearer token they mean anonymous. Secret keys
// and the service_role key are refused, as a bearer token and as an API key, because they go round row-level security.
//
// # Issuers
//
// An identity is issuer and subject: two projects may give one subject to different people. Whoever finds rows by
// [Claims.UserID] alone must therefore accept one project only. Several issuers are for a project with several names, such
// as a custom domain beside <ref>.supabase.co. They have the users in common, so that a subject is the same user whichever
// of the names a token carries.
//
// # Keys
//
// A [RemoteKeySet] fetches the key set when a request needs it, and refreshes it in the background before it is 10
// minutes old, one fetch at a time. A request waits for a fetch only if there is no key to go on with. Each good fetch
// replaces the set, so a revoked key is refused from then on, and so are tokens that it verified earlier. While fetches
// fail, the last good set stays in use for up to an hour. Unknown key ids cause a fetch, at most one in 10 s whatever
// arrives.
//
// A token whose key is not in the set is refused for good if it is older than the set: its key is one no more. If it is
// newer, by iat and by how long caches have kept the set (Age), its key may be newer too: the answer is 503 until a
// younger set tells. A set that becomes empty is a fault, or not to be told from one: the tokens of its keys get 503.
// An entry that cannot verify tokens is left out, and spoils no other.
//
// So a key should be published 10 minutes before it signs, which is what Supabase asks for too, and a revoked key is
// refused at most 10 minutes after it left the key set; Supabase's own cache may add as much. [Verifier.Purge] makes it
// at once.
//
// # Sessions
//
// A token says what was true when it was signed: it outlives signing out, a ban, and deletion of the user.
// [Config.CheckSession] is where a program asks whether the session goes on, for each request, and
// [Verifier.CheckSession] asks again about a caller who stays, such as a websocket's.
//
// # Cost
//
// Verified tokens are remembered until they expire, within a bounded cache; a hit costs well under a microsecond and
// allocates nothing. Failures are never remembered, so that nobody can fill the cache with them. A token that is met for
// the first time costs its signature, and little more than golang-jwt takes to parse it.
//
// The package logs nothing: [Hooks] and [RemoteConfig.Fetched] tell what happens. It has no global state, and leaves no
// goroutine behind after [Verifier.Close].
package auth

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Claims is what a verified token says about its caller. Requests with the same token share one Claims: never change it.
type Claims struct {
	UserID      uuid.UUID
	SessionID   uuid.UUID // uuid.Nil if the token names no session
	Role        string    // always "authenticated"
	Email       string    // "" if the user has none
	Phone       string    // "" if the user has none
	AAL         string    // the authenticator assurance level, "aal1" or "aal2"
	IsAnonymous bool      // signed in without an identity; such users are real and have a UserID
	ClientID    string    // the OAuth app that acts for the user, "" for the user's own session
	AppMetadata json.RawMessage
	Issuer      string // iss, "" if the token has none
	Algorithm   string // what it was signed with: HS256, ES256, RS256 or EdDSA
	KeyID       string // the key it was signed with; "" for HS256
	IssuedAt    time.Time
	ExpiresAt   time.Time
	Payload     []byte // the verified JSON object, as it was signed: what request.jwt.claims gets
}

type contextKey struct{}

// NewContext returns a context that carries the claims of a caller.
func NewContext(ctx context.Context, claims *Claims) context.Context {
	return context.WithValue(ctx, contextKey{}, claims)
}

// FromContext returns the claims of the caller. An anonymous caller has none.
func FromContext(ctx context.Context) (claims *Claims, ok bool) {
	claims, ok = ctx.Value(contextKey{}).(*Claims)
	return claims, ok && claims != nil
}
