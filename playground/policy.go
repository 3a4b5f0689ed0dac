package playground

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// secure sets headers that stop other pages from embedding this one, and this one from connecting to hosts other than
// its own and Supabase's, if given.
func secure(supabaseURL string, next http.Handler) http.Handler {
	policy := contentSecurityPolicy(supabaseURL)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// contentSecurityPolicy returns the policy of the page and of its workers: a worker obeys the policy of its own file.
func contentSecurityPolicy(supabaseURL string) string {
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"worker-src 'self'",
		// Monaco adds style elements and attributes at run time, and supports no nonce. Styles run no code.
		"style-src 'self' 'unsafe-inline'",
		// Icons and fonts are in the style sheets.
		"img-src 'self' data:",
		"font-src 'self' data:",
		// 'self' includes ws: and wss: on this host (CSP 3, 6.7.2.8).
		strings.TrimSpace("connect-src 'self' " + originOf(supabaseURL)),
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	}, "; ")
}

// originOf returns scheme, host and port of an http or https URL, and "" for other strings.
func originOf(address string) string {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "https" && parsed.Scheme != "http" || parsed.Host == "" {
		return ""
	}
	if strings.ContainsAny(parsed.Host, ";,") { // would end the directive, or the policy
		return ""
	}
	return parsed.Scheme + "://" + parsed.Host
}

// IsPublishable reports whether a key may be public: a publishable key, or a legacy JWT with the role anon. Secret keys
// look similar.
func IsPublishable(key string) bool {
	if strings.HasPrefix(key, "sb_publishable_") {
		return true
	}
	parts := strings.Split(key, ".")
	if len(parts) != 3 {
		return false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return false
	}
	var claims struct {
		Role string `json:"role"`
	}
	return json.Unmarshal(payload, &claims) == nil && claims.Role == "anon"
}
