package auth

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The size of a session cookie. It holds the access token and the user besides; @supabase/ssr cuts it into chunks of
// 3,180 bytes.
const (
	maxCookieBytes  = 32 << 10
	maxCookieChunks = 20
)

// SessionCookieName returns the name that supabase-js gives the session cookie of a project: sb-<ref>-auth-token.
func SessionCookieName(supabaseURL string) string {
	parsed, err := url.Parse(supabaseURL)
	if err != nil {
		return ""
	}
	ref, _, _ := strings.Cut(parsed.Hostname(), ".")
	return "sb-" + ref + "-auth-token"
}

// withCookie returns the token of a request whose header Authorization holds rawToken, or none if that is "".
func (v *Verifier) withCookie(r *http.Request, rawToken string) (string, error) {
	value, err := joinChunks(r, v.cfg.SessionCookie)
	if err != nil || value == "" {
		return rawToken, err
	}
	if err := v.checkSameOrigin(r); err != nil {
		// The header cannot be forged across sites, so it may speak for itself.
		if rawToken != "" {
			return rawToken, nil
		}
		return "", err
	}
	fromCookie, err := sessionToken(value)
	if err != nil {
		return "", err
	}
	if rawToken != "" && rawToken != fromCookie {
		return "", refuse(ErrTokenInvalid, "the header Authorization and the session cookie hold different tokens", nil)
	}
	return fromCookie, nil
}

// joinChunks returns the value of a cookie that may be cut into name.0, name.1 and so on, or "" if it is not there.
func joinChunks(r *http.Request, name string) (string, error) {
	values := map[string]string{}
	for _, cookie := range r.Cookies() {
		suffix, ok := strings.CutPrefix(cookie.Name, name)
		if !ok || suffix != "" && suffix[0] != '.' {
			continue // another cookie, such as name-code-verifier
		}
		if known, ok := values[suffix]; ok && known != cookie.Value {
			// One of them may have been set by a neighbour under the same domain.
			return "", refuse(ErrTokenInvalid, "there are two session cookies", nil)
		}
		values[suffix] = cookie.Value
	}
	if whole := values[""]; whole != "" {
		return whole, checkCookieSize(whole)
	}
	var joined strings.Builder
	for i := range maxCookieChunks {
		chunk := values["."+strconv.Itoa(i)]
		if chunk == "" {
			break
		}
		joined.WriteString(chunk)
	}
	return joined.String(), checkCookieSize(joined.String())
}

func checkCookieSize(value string) error {
	if len(value) > maxCookieBytes {
		return refuse(ErrTokenInvalid, "the session cookie is too long", nil)
	}
	return nil
}

// sessionToken returns the access token in a session cookie: base64- and a session in JSON, in base64url. The refresh
// token beside it is left alone: it can be used once, by the client.
func sessionToken(value string) (rawToken string, err error) {
	encoded, ok := strings.CutPrefix(value, "base64-")
	if !ok {
		return "", refuse(ErrTokenInvalid, "the session cookie does not begin with base64-: it needs @supabase/ssr 0.5 or newer", nil)
	}
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return "", refuse(ErrTokenInvalid, "the session cookie is not base64url, or a chunk of it is missing", nil)
	}
	var session struct {
		AccessToken string `json:"access_token"`
	}
	if json.Unmarshal(text, &session) != nil || session.AccessToken == "" {
		return "", refuse(ErrTokenInvalid, "the session cookie holds no access token, or a chunk of it is missing", nil)
	}
	return session.AccessToken, nil
}

// checkSameOrigin refuses a request that a page of another origin could have caused, because browsers add cookies to it
// all the same. Two things must be true: the browser says that the origin is this server's own or one of CookieOrigins,
// and the content type is JSON, which no form can send; a websocket has no content type.
func (v *Verifier) checkSameOrigin(r *http.Request) error {
	if !v.sameOrigin(r) {
		return refuse(ErrUnauthenticated, "the session cookie is taken from pages of the same origin only: send the token in the header Authorization", nil)
	}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if mediaType != "application/json" && !IsWebsocket(r) {
		return refuse(ErrUnauthenticated, "the session cookie is taken with the content type application/json only", nil)
	}
	return nil
}

func (v *Verifier) sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if slices.Contains(v.cfg.CookieOrigins, origin) && origin != "" {
		return true
	}
	// Fetch Metadata, section 2.3. Browsers send it over https only.
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	parsed, err := url.Parse(origin)
	return err == nil && parsed.Host != "" && strings.EqualFold(parsed.Host, r.Host)
}
