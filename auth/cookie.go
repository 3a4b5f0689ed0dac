package auth

import (
	"encoding/base64"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
)

// The bounds of a session cookie. It holds the access token and the user; @supabase/ssr splits it into chunks of 3,180
// bytes.
const (
	maxCookieBytes  = 32 << 10
	maxCookieChunks = 20
)

// maxShorter is how much shorter than others a chunk may be that does not end the cookie: @supabase/ssr cuts before a
// character that would not fit, percent-encoded 12 bytes at most.
const maxShorter = 11

// SessionCookieName returns the session cookie's name in supabase-js: sb-<ref>-auth-token.
func SessionCookieName(supabaseURL string) string {
	parsed, err := url.Parse(supabaseURL)
	if err != nil {
		return ""
	}
	ref, _, _ := strings.Cut(parsed.Hostname(), ".")
	return "sb-" + ref + "-auth-token"
}

// withCookie returns rawToken, the token of the Authorization header, or the cookie's token if rawToken is "".
func (v *Verifier) withCookie(r *http.Request, rawToken string) (string, error) {
	value, ambiguous := sessionValue(r, v.cfg.SessionCookie)
	if value == "" && ambiguous == nil {
		return rawToken, nil
	}
	if err := v.checkSameOrigin(r); err != nil {
		// Other sites cannot forge the header, so it needs no check of the origin.
		if rawToken != "" {
			return rawToken, nil
		}
		return "", err
	}
	if ambiguous != nil {
		return "", ambiguous
	}
	fromCookie, err := sessionToken(value)
	if err != nil {
		return "", err
	}
	if rawToken != "" && rawToken != fromCookie {
		if err := checkKey(rawToken); err != nil {
			return "", err
		}
		return "", refuse(ErrTokenInvalid, "the header Authorization and the session cookie hold different tokens", nil)
	}
	return fromCookie, nil
}

var errAmbiguousCookie = refuse(ErrTokenInvalid, "there is more than one session cookie, or a piece of one is missing: delete this site's cookies and sign in again", nil)

// sessionValue returns the value of the session cookie, or "". @supabase/ssr writes one cookie, or chunks name.0,
// name.1 and so on, all of the same length except the last; of percent-encoded JSON, almost of the same length.
//
// A neighbour under the same domain can set cookies of any name for this host, and requests do not show who set them or
// with which path or domain. The cookie is therefore accepted only if all cookies of the name can be one session.
func sessionValue(r *http.Request, name string) (string, error) {
	whole, chunks := "", map[int]string{}
	seen := map[string]string{}
	// net/http's Cookies skips malformed cookies. Another reader might accept them, so they must be noticed.
	for part := range strings.SplitSeq(strings.Join(r.Header["Cookie"], ";"), ";") {
		cookieName, value, _ := strings.Cut(part, "=")
		suffix, ok := strings.CutPrefix(strings.Trim(cookieName, " \t"), name)
		if !ok || suffix != "" && suffix[0] != '.' {
			continue // another cookie, such as name-code-verifier
		}
		value = strings.Trim(value, " \t")
		if known, ok := seen[suffix]; ok && known != value {
			return "", errAmbiguousCookie
		}
		seen[suffix] = value
		if value == "" {
			continue // deleted by @supabase/ssr, and passed on by a proxy
		}
		if suffix == "" {
			whole = value
			continue
		}
		number, err := strconv.Atoi(suffix[1:])
		if err != nil || suffix != "."+strconv.Itoa(number) || number < 0 || number >= maxCookieChunks {
			return "", errAmbiguousCookie
		}
		chunks[number] = value
	}
	if len(chunks) == 0 {
		return whole, checkCookieSize(whole)
	}
	if whole != "" {
		return "", errAmbiguousCookie
	}
	var joined strings.Builder
	for i := range len(chunks) {
		shorter := len(chunks[0]) - len(chunks[i])
		if isJSON(chunks[0]) {
			shorter = max(0, max(shorter, -shorter)-maxShorter)
		}
		if last := i == len(chunks)-1; chunks[i] == "" || !last && shorter != 0 {
			return "", errAmbiguousCookie
		}
		joined.WriteString(chunks[i])
	}
	return joined.String(), checkCookieSize(joined.String())
}

func checkCookieSize(value string) error {
	if len(value) > maxCookieBytes {
		return refuse(ErrTokenInvalid, "the session cookie is too long", nil)
	}
	return nil
}

// isJSON reports whether a cookie, or its first chunk, is of @supabase/ssr's cookieEncoding "raw".
func isJSON(value string) bool {
	return strings.HasPrefix(value, "{") || len(value) >= 3 && strings.EqualFold(value[:3], "%7B")
}

// sessionToken returns the access token of a session cookie: a session as JSON, in the encodings of @supabase/ssr. They
// are base64url (the default), which is base64- and the JSON in base64url, and raw, the JSON itself, which servers and
// browsers percent-encode. It ignores the refresh token, which can be used only once, by the client.
func sessionToken(value string) (rawToken string, err error) {
	var text []byte
	encoded, isBase64 := strings.CutPrefix(value, "base64-")
	switch {
	case isBase64:
		if text, err = base64.RawURLEncoding.DecodeString(encoded); err != nil {
			return "", refuse(ErrTokenInvalid, "the session cookie is not base64url, or a chunk of it is missing", nil)
		}
	case strings.HasPrefix(value, "{"):
		text = []byte(value)
	case isJSON(value):
		decoded, err := url.PathUnescape(value)
		if err != nil {
			return "", refuse(ErrTokenInvalid, "the session cookie is not percent-encoded JSON, or a chunk of it is missing", nil)
		}
		text = []byte(decoded)
	default:
		return "", refuse(ErrTokenInvalid, "the session cookie is not in an encoding of @supabase/ssr, base64url or raw: another library wrote it", nil)
	}
	var session struct {
		AccessToken string `json:"access_token"`
	}
	// Version 2 of encoding/json refuses a session with two tokens.
	if json.Unmarshal(text, &session) != nil || session.AccessToken == "" {
		return "", refuse(ErrTokenInvalid, "the session cookie holds no access token, or a chunk of it is missing", nil)
	}
	return session.AccessToken, nil
}

// checkSameOrigin refuses a request that a page of another origin could have caused, because browsers add cookies to
// such requests. The browser must send an origin that is this server's own or one of CookieOrigins. The content type
// must be JSON, which no form can send; a websocket has no content type.
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
