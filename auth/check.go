package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// check verifies a token that is not in the cache.
func (v *Verifier) check(ctx context.Context, rawToken string) (*verified, error) {
	if isSecretKey(rawToken) {
		return nil, errSecretKey
	}
	// encoding/base64 ignores line breaks, which would give one token many spellings.
	if strings.ContainsAny(rawToken, "\r\n") {
		return nil, refuse(ErrTokenInvalid, "token contains a line break", nil)
	}
	var p payload
	var found verified
	var from *issuer
	token, err := v.parser.ParseWithClaims(rawToken, &p, func(token *jwt.Token) (any, error) {
		if err := checkHeader(token.Header); err != nil {
			return nil, err
		}
		if p.Role == roleService {
			return nil, errServiceRole
		}
		if isAnonKey(&p) {
			return v.anonKey(ctx, token, &p)
		}
		var err error
		if from, err = v.issuerOf(&p); err != nil {
			return nil, err
		}
		if token.Method == jwt.SigningMethodHS256 {
			// The key id is ignored: a secret has none, and legacy tokens may carry any.
			if from.secret == nil {
				return nil, refuse(ErrTokenInvalid, "token is signed with HS256, but no secret is configured", adviceSecret)
			}
			return from.secret, nil
		}
		found.keys = from.keys
		found.key, err = from.keyFor(ctx, token, p.IssuedAt.Time)
		if err != nil {
			return nil, err
		}
		return found.key.materials(), nil
	})
	if err != nil {
		return nil, explain(rawToken, token, err)
	}
	if from != nil {
		if found.claims, err = v.claims(&p, token.Method.Alg(), found.key); err != nil {
			return nil, err
		}
	}
	if err := v.checkTimes(&p); err != nil {
		return nil, err
	}
	found.goodTil = p.Expiry.Add(leeway)
	return &found, nil
}

var errServiceRole = refuse(ErrTokenInvalid,
	"a service_role key bypasses row-level security and is never accepted here: send the access token of a user", nil)

var errAnonKey = refuse(ErrAnonymous, "the anon key names no user", nil)

// foreign names header parameters that let a token choose its key or change what is signed (RFC 7515, section 4.1, RFC
// 7797, section 3, RFC 7516, section 4.1). Supabase Auth never sends them.
var foreign = []string{"jwk", "jku", "x5c", "x5u", "x5t", "x5t#S256", "crit", "b64", "enc", "zip", "cty"}

func checkHeader(header map[string]any) error {
	for _, name := range foreign {
		if _, ok := header[name]; ok {
			return refuse(ErrTokenInvalid, "token has the header parameter "+name+", which is not accepted", nil)
		}
	}
	if typ, ok := header["typ"]; ok {
		// RFC 7519, section 5.1, and RFC 9068, section 2.1: other types are not access tokens.
		name, _ := typ.(string)
		if !slices.ContainsFunc([]string{"JWT", "at+jwt", "application/at+jwt"}, func(known string) bool { return strings.EqualFold(known, name) }) {
			return refuse(ErrTokenInvalid, "token's type (typ) is not that of an access token", nil)
		}
	}
	if kid, ok := header["kid"]; ok {
		if id, ok := kid.(string); !ok || len(id) > maxKeyIDBytes {
			return refuse(ErrTokenInvalid, fmt.Sprintf("token's key id (kid) is not a string of at most %d bytes", maxKeyIDBytes), nil)
		}
	}
	return nil
}

// isAnonKey reports whether a token looks like a project's legacy anon key. It has no subject, and its issuer is not the
// project's. A hosted project's is signed with the secret, that of `supabase start` with the signing key.
func isAnonKey(p *payload) bool { return p.Role == roleAnon && p.Subject == nil }

// anonKey returns what verifies an anon key, or errAnonKey if that is decided already.
func (v *Verifier) anonKey(ctx context.Context, token *jwt.Token, p *payload) (any, error) {
	if token.Method != jwt.SigningMethodHS256 {
		// All issuers are names of one project, which has one set of keys.
		// An API key is as old as the project, so a set without its key is never too old to tell.
		key, err := v.issuers[v.cfg.Issuers[0].URL].keyFor(ctx, token, time.Unix(0, 0))
		if err != nil {
			return nil, err
		}
		return key.materials(), nil
	}
	if len(v.secrets.Keys) > 0 {
		return v.secrets, nil
	}
	// The signature cannot be checked. That is harmless: the token grants no more than no token.
	if err := v.checkTimes(p); err != nil {
		return nil, err
	}
	return nil, errAnonKey
}

// issuerOf returns the issuer that a token claims in iss.
func (v *Verifier) issuerOf(p *payload) (*issuer, error) {
	if p.Issuer == nil {
		if v.noIssuer == nil {
			return nil, refuse(ErrTokenInvalid, "token names no issuer (iss)", adviceNoIssuer)
		}
		return v.noIssuer, nil
	}
	from := v.issuers[*p.Issuer]
	if from == nil {
		return nil, refuse(ErrTokenInvalid, "token is from another issuer (iss) than this server accepts", adviceIssuer)
	}
	return from, nil
}

// keyFor returns the public key of a token that is not signed with HS256. issuedAt is as of KeySet.Key.
func (i *issuer) keyFor(ctx context.Context, token *jwt.Token, issuedAt time.Time) (*Key, error) {
	algorithm := token.Method.Alg()
	switch algorithm {
	case algorithmES256, algorithmRS256, algorithmEdDSA:
	case "none":
		return nil, refuse(ErrTokenInvalid, "token is not signed", nil)
	default:
		// golang-jwt knows the name, so it is safe to repeat.
		return nil, refuse(ErrTokenInvalid, "token is signed with "+algorithm+", which is not accepted", nil)
	}
	if i.keys == nil {
		return nil, refuse(ErrTokenInvalid, "token is signed with "+algorithm+", but only a secret is configured", nil)
	}
	keyID, _ := token.Header["kid"].(string)
	if keyID == "" {
		return nil, refuse(ErrTokenInvalid, "token names no key (kid)", nil)
	}
	key, err := i.keys.Key(ctx, algorithm, keyID, issuedAt)
	if err != nil {
		return nil, err
	}
	if key.published && !i.loopback {
		return nil, errPublishedKey
	}
	return key, nil
}

// explain turns an error of golang-jwt into one for the client.
func explain(rawToken string, token *jwt.Token, err error) error {
	var written *refusal
	if errors.As(err, &written) {
		return written
	}
	message := "token is not a well-formed JWT"
	switch {
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		message = "token's signature is wrong"
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		message = "token names no algorithm (alg) that is accepted"
	case rawToken == "undefined" || rawToken == "null":
		message = "token is the word " + rawToken + ": the client has no session"
	case strings.Count(rawToken, ".") == 4:
		message = "token is encrypted (JWE), which is not accepted"
	}
	return refuse(ErrTokenInvalid, message, err)
}

// claims checks the claims of a token with a valid signature, except its times.
func (v *Verifier) claims(p *payload, algorithm string, key *Key) (*Claims, error) {
	if !p.hasAudience(v.cfg.Audience) && (v.resource == "" || !p.hasAudience(v.resource)) {
		return nil, refuse(ErrTokenInvalid, "token is not for this audience (aud): an OIDC id_token is no access token", nil)
	}
	if p.Role != roleAuthenticated {
		return nil, refuse(ErrTokenInvalid, "token's role is not "+roleAuthenticated, nil)
	}
	if v.agents && p.ClientID == "" {
		return nil, refuse(ErrTokenInvalid, "token is of the user's own session: only the token of an OAuth app (client_id) is accepted here", nil)
	}
	if !v.agents && p.ClientID != "" && !slices.Contains(v.cfg.OAuthClients, p.ClientID) {
		return nil, refuse(ErrTokenInvalid, "token was issued to an OAuth app (client_id) that is not accepted here", adviceOAuthClient)
	}
	claims := &Claims{
		Role: roleAuthenticated, Email: p.Email, Phone: p.Phone, AAL: p.AAL, IsAnonymous: p.IsAnonymous,
		ClientID: p.ClientID, AppMetadata: json.RawMessage(p.AppMetadata), Issuer: valueOf(p.Issuer), Algorithm: algorithm,
		IssuedAt: p.IssuedAt.Time, ExpiresAt: p.Expiry.Time, Payload: p.raw,
	}
	if key != nil {
		claims.KeyID = key.ID
	}
	var ok bool
	if claims.UserID, ok = parseUUID(valueOf(p.Subject)); !ok || claims.UserID == uuid.Nil {
		return nil, refuse(ErrTokenInvalid, "token's subject (sub) is not the UUID of a user", nil)
	}
	if p.SessionID != nil {
		if claims.SessionID, ok = parseUUID(*p.SessionID); !ok {
			return nil, refuse(ErrTokenInvalid, "token's session_id is not a UUID", nil)
		}
	}
	return claims, nil
}

// parseUUID parses the 36-character form of RFC 9562, section 4, and none of the library's other forms.
func parseUUID(text string) (uuid.UUID, bool) {
	if len(text) != 36 {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(text)
	return id, err == nil
}

// checkTimes is the last check, so that TOKEN_EXPIRED means that a new token would be accepted.
func (v *Verifier) checkTimes(p *payload) error {
	now := v.cfg.Now()
	switch {
	case p.Expiry.Unix() <= 0: // 0 is a common value for tokens that never expire
		return refuse(ErrTokenInvalid, "token does not say when it expires (exp)", nil)
	case now.Before(p.IssuedAt.Add(-earlyLeeway)):
		return refuse(ErrTokenInvalid, "token was issued "+roughly(p.IssuedAt.Sub(now))+" in the future (iat): a clock is wrong", nil)
	case now.Before(p.NotBefore.Add(-earlyLeeway)):
		return refuse(ErrTokenInvalid, "token is not valid for another "+roughly(p.NotBefore.Sub(now))+" (nbf)", nil)
	case !now.Before(p.Expiry.Add(leeway)):
		return expired(now, p.Expiry.Time)
	}
	return nil
}

func expired(now, expiry time.Time) error {
	return refuse(ErrTokenExpired, "token expired "+roughly(now.Sub(expiry))+" ago", nil)
}

// roughly formats a duration in its largest unit.
func roughly(d time.Duration) string {
	units := []struct {
		name string
		size time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}}
	for _, unit := range units {
		if count := d / unit.size; count == 1 {
			return "1 " + unit.name
		} else if count > 1 {
			return fmt.Sprintf("%d %ss", count, unit.name)
		}
	}
	return "less than a second"
}
