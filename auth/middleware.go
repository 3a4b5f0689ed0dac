package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// retryAfter is the Retry-After of a 503, in seconds.
const retryAfter = "5"

// Options changes what Middleware does.
type Options struct {
	// Refuse answers a refused request. Defaults to WriteRefusal without extensions.
	Refuse func(w http.ResponseWriter, r *http.Request, err error)
}

// Middleware lets anonymous and signed-in callers through and refuses all others. The context of a signed-in caller has
// its Claims. A bad token is never treated as anonymous. See Verifier.Authenticate for the rules.
func Middleware(v *Verifier, options Options) func(http.Handler) http.Handler {
	refuse := options.Refuse
	if refuse == nil {
		refuse = func(w http.ResponseWriter, r *http.Request, err error) { WriteRefusal(w, r, err, nil) }
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			claims, err := v.Authenticate(r)
			if err != nil {
				refuse(w, r, err)
				return
			}
			if claims != nil {
				r = r.WithContext(NewContext(r.Context(), claims))
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Authenticate returns the claims of a request's caller, or nil without an error if the caller is anonymous.
//
// The token is that of the Authorization header, or of the session cookie if Config.SessionCookie allows it. If a
// request has both, they must be the same. Config.RequireAPIKey demands an API key, except of CORS preflight requests,
// which have no headers of their own.
func (v *Verifier) Authenticate(r *http.Request) (*Claims, error) {
	claims, err := v.authenticate(r)
	return claims, v.report(r.Context(), err)
}

func (v *Verifier) authenticate(r *http.Request) (*Claims, error) {
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" && r.Header["Authorization"] == nil {
		return nil, nil
	}
	if err := v.checkAPIKey(r); err != nil {
		return nil, err
	}
	rawToken, err := bearerToken(r.Header)
	if err != nil {
		return nil, err
	}
	if v.cfg.SessionCookie != "" {
		if v.namesNobody(rawToken) {
			rawToken = ""
		}
		if rawToken, err = v.withCookie(r, rawToken); err != nil {
			return nil, err
		}
	}
	return v.caller(r.Context(), rawToken)
}

// AuthenticateHeader is Authenticate for credentials outside a header, such as those of a websocket's connection_init:
// a bare token, "Bearer " and a token, or "" for an anonymous caller.
func (v *Verifier) AuthenticateHeader(ctx context.Context, credentials string) (*Claims, error) {
	rawToken, err := credentials, error(nil)
	if strings.ContainsRune(credentials, ' ') {
		rawToken, err = parseBearer(credentials)
	}
	var claims *Claims
	if err == nil {
		claims, err = v.caller(ctx, rawToken)
	}
	return claims, v.report(ctx, err)
}

// caller returns the claims of a token, or nil if it names no user, and checks the session.
func (v *Verifier) caller(ctx context.Context, rawToken string) (*Claims, error) {
	if v.namesNobody(rawToken) {
		return nil, nil
	}
	claims, err := v.verify(ctx, rawToken)
	if err != nil || claims == nil {
		return nil, err
	}
	if err := v.checkSession(ctx, claims); err != nil {
		return nil, err
	}
	return claims, nil
}

// namesNobody reports whether a bearer token is empty or an API key, which supabase-js sends when no user is signed in.
func (v *Verifier) namesNobody(rawToken string) bool {
	return rawToken == "" || strings.HasPrefix(rawToken, "sb_publishable_") || v.isAPIKey(rawToken)
}

// CheckSession asks Config.CheckSession again about an earlier accepted caller, such as a websocket's. The error is
// ErrSessionRevoked, or ErrSessionUnchecked if the check failed. It is nil without Config.CheckSession.
func (v *Verifier) CheckSession(ctx context.Context, claims *Claims) error {
	return v.report(ctx, v.checkSession(ctx, claims))
}

func (v *Verifier) checkSession(ctx context.Context, claims *Claims) error {
	if v.cfg.CheckSession == nil {
		return nil
	}
	err := v.cfg.CheckSession(ctx, claims)
	if err == nil || errors.Is(err, ErrSessionRevoked) {
		return err
	}
	return refuse(ErrSessionUnchecked, "the session cannot be checked, try again", err)
}

// bearerToken returns the token of the Authorization header, or "" without the header. The scheme is case-insensitive
// (RFC 9110, section 11.1). Another scheme, a second header or invalid characters are ErrTokenInvalid.
func bearerToken(header http.Header) (rawToken string, err error) {
	switch values := header["Authorization"]; len(values) {
	case 0:
		return "", nil
	case 1:
		return parseBearer(values[0])
	default:
		return "", refuse(ErrTokenInvalid, "there is more than one header Authorization", nil)
	}
}

// parseBearer parses `Bearer` and a b64token (RFC 6750, section 2.1).
func parseBearer(value string) (rawToken string, err error) {
	scheme, rest, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", refuse(ErrTokenInvalid, "the header Authorization is not of the form: Bearer <token>", nil)
	}
	rawToken = strings.Trim(rest, " ")
	if rawToken == "" {
		return "", refuse(ErrTokenInvalid, "the header Authorization has no token after Bearer", nil)
	}
	for i := range len(rawToken) {
		if !isTokenCharacter[rawToken[i]] {
			return "", refuse(ErrTokenInvalid, "the header Authorization holds something else than one token", nil)
		}
	}
	return rawToken, nil
}

// isTokenCharacter tells for each byte whether a b64token may contain it.
var isTokenCharacter = func() (is [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=") {
		is[c] = true
	}
	return is
}()

// CheckAPIKey refuses an API key outside the apikey header, such as that of a websocket's connection_init, if it
// bypasses row-level security. Any other key is accepted: it names no user.
func (v *Verifier) CheckAPIKey(ctx context.Context, key string) error {
	return v.report(ctx, checkKey(key))
}

var errSecretKey = refuse(ErrTokenInvalid,
	"a secret key bypasses row-level security and is never accepted here: send a publishable key, or the access token of a user", nil)

func isSecretKey(key string) bool { return strings.HasPrefix(key, "sb_secret_") }

// checkKey refuses secret keys and legacy service_role keys, without verifying them.
func checkKey(key string) error {
	if isSecretKey(key) {
		return errSecretKey
	}
	parts := strings.SplitN(key, ".", 4)
	if len(parts) != 3 || len(key) > maxTokenBytes {
		return nil
	}
	var p struct {
		Role string `json:"role"`
	}
	if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil && json.Unmarshal(text, &p) == nil && p.Role == roleService {
		return errServiceRole
	}
	return nil
}

// checkAPIKey looks for a known key in the apikey header, or in the query of an upgrade request, because browsers
// cannot set headers on websockets. It refuses a key that bypasses row-level security even if no key is required.
func (v *Verifier) checkAPIKey(r *http.Request) error {
	sent := r.Header["Apikey"]
	if strings.Contains(r.URL.RawQuery, "apikey=") {
		sent = append(slices.Clip(sent), r.URL.Query()["apikey"]...)
	}
	for _, key := range sent {
		if err := checkKey(key); err != nil {
			return err
		}
	}
	if !v.cfg.RequireAPIKey {
		return nil
	}
	key := r.Header.Get("apikey")
	if key == "" && IsWebsocket(r) {
		key = r.URL.Query().Get("apikey")
	}
	switch {
	case key == "":
		return refuse(ErrUnauthenticated, "the header apikey is missing: send the project's publishable key", nil)
	case !v.isAPIKey(key):
		return refuse(ErrUnauthenticated, "the key in the header apikey is not known", nil)
	}
	return nil
}

// isAPIKey reports whether key is a publishable key, in constant time.
func (v *Verifier) isAPIKey(key string) bool {
	if len(v.apiKeys) == 0 {
		return false
	}
	sum, found := sha256.Sum256([]byte(key)), 0
	for _, known := range v.apiKeys {
		found |= subtle.ConstantTimeCompare(sum[:], known[:])
	}
	return found == 1
}

// IsWebsocket reports whether a request is a websocket handshake.
func IsWebsocket(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// WriteRefusal writes the response for err, with what Public says of it: 401 with a challenge (RFC 6750, section 3), or
// 503 with Retry-After. The body is a GraphQL response. extensions adds to the code, for example a request id.
func WriteRefusal(w http.ResponseWriter, r *http.Request, err error, extensions map[string]any) {
	code, message, _ := public(err)
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", "application/json")
	// GraphQL over HTTP: a client that knows this type reads the errors of a response that is not 200.
	if strings.Contains(r.Header.Get("Accept"), "application/graphql-response+json") {
		header.Set("Content-Type", "application/graphql-response+json; charset=utf-8")
	}
	status := SetChallenge(header, err)
	shown := map[string]any{}
	maps.Copy(shown, extensions)
	shown["code"] = code
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"errors": []map[string]any{{"message": message, "extensions": shown}},
	})
}

// SetChallenge sets the header of a response to err: WWW-Authenticate of a 401 (RFC 6750, section 3), or Retry-After of a
// 503. params are more parameters of the challenge, such as resource_metadata="https://…" (RFC 9728, section 5.1). It
// returns the status.
func SetChallenge(header http.Header, err error, params ...string) (status int) {
	code, message, status := public(err)
	switch {
	case status == http.StatusServiceUnavailable:
		header.Set("Retry-After", retryAfter)
		return status
	case code != CodeUnauthenticated: // RFC 6750, section 3.1: no error code for a request without credentials
		params = append([]string{`error="invalid_token"`, "error_description=" + quotedString(message)}, params...)
	}
	header.Set("WWW-Authenticate", strings.TrimSpace("Bearer "+strings.Join(params, ", ")))
	return status
}

// quotedString formats an error_description, which has printable ASCII only, no quote and no backslash (RFC 6750,
// section 3).
func quotedString(text string) string {
	return `"` + strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return '\''
		}
		return c
	}, text) + `"`
}
