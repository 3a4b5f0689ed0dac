package endpoint

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/rs/cors"

	"usergraph/auth"
)

// preflightAge is how long, in seconds, a browser may cache a preflight answer. Chromium caps it at this value.
const preflightAge = 7200

// preflightHeaders are headers that a page of another site cannot send without a preflight request.
// https://fetch.spec.whatwg.org/#cors-safelisted-request-header
var preflightHeaders = []string{"Authorization", "Apikey", "X-Apollo-Operation-Name", "Apollo-Require-Preflight", "Graphql-Require-Preflight"}

// CrossSite rejects requests from pages of other sites unless their origin is listed. It also sets the headers that
// keep browsers from interpreting a response as something else. It must be the outermost handler, so that refusals
// carry the headers too.
func CrossSite(origins *Origins, next http.Handler) http.Handler {
	guard := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allowsRequest(origins, r) {
			refuse(w, r, http.StatusForbidden, refusef(CodeCrossSite,
				"a page of another site may not ask like this: list its origin, or send POST with Content-Type application/json, or the header Apollo-Require-Preflight"))
			return
		}
		next.ServeHTTP(w, r)
	})
	shared := cors.New(cors.Options{
		AllowOriginFunc:  origins.Contains,
		AllowedMethods:   []string{http.MethodGet, http.MethodHead, http.MethodPost},
		AllowedHeaders:   []string{"*"},
		ExposedHeaders:   []string{"X-Request-Id", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"},
		AllowCredentials: true,
		MaxAge:           preflightAge,
	}).Handler(guard)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		for _, h := range securityHeaders {
			header[h.name] = h.values
		}
		if len(r.TransferEncoding) > 0 {
			// With a Transfer-Encoding, net/http drops any Content-Length. A client that sent both must not get a
			// second response on this connection (RFC 9112, section 6.1).
			header["Connection"] = closing
		}
		if r.Header["Origin"] == nil {
			// A request without an Origin needs no CORS headers. Vary names Origin, because caches must keep the two
			// kinds apart.
			guard.ServeHTTP(w, r)
			return
		}
		shared.ServeHTTP(w, r)
	})
}

// securityHeaders are set on every response. Their values are shared and must not be modified.
var securityHeaders = []struct {
	name   string
	values []string
}{
	{"Cache-Control", []string{"private, no-store"}},
	{"Content-Security-Policy", []string{"default-src 'none'; frame-ancestors 'none'"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	{"Referrer-Policy", []string{"no-referrer"}},
	{"Vary", []string{"Accept, Accept-Encoding, Authorization, Cookie, Origin"}},
	{"X-Content-Type-Options", []string{"nosniff"}},
}

var closing = []string{"close"}

// allowsRequest reports whether a request cannot be a forgery. A page of another site can make the browser send GET
// requests and forms, with the user's cookies and without a preflight. POST is safe: it needs a JSON body, and that
// needs a preflight.
func allowsRequest(origins *Origins, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return true
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		return sameHost(origin, r) || origins.Contains(origin)
	}
	if auth.IsWebsocket(r) {
		return true // a browser would have sent the origin
	}
	for _, name := range preflightHeaders {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	if mediaType(r.Header.Get("Content-Type")) == "application/json" {
		return true
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		// Only browsers that are years old omit Sec-Fetch-Site. An old browser sends a referrer, and a forged request
		// harms only if it carries a cookie.
		referrer := r.Header.Get("Referer")
		return r.Header.Get("Cookie") == "" && (referrer == "" || sameHost(referrer, r))
	}
	return false
}

// sameHost reports whether the URL of a page has the host of the request.
func sameHost(address string, r *http.Request) bool {
	parsed, err := url.Parse(address)
	return err == nil && parsed.Host != "" && strings.EqualFold(parsed.Host, r.Host)
}
