package endpoint

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/rs/cors"

	"usergraph/auth"
)

// preflightAge is how many seconds a browser may remember what it may send: the most that Chromium takes.
const preflightAge = 7200

// preflightHeaders are some of those that a page of another site cannot send before the browser has asked permission, by
// a preflight request. https://fetch.spec.whatwg.org/#cors-safelisted-request-header
var preflightHeaders = []string{"Authorization", "Apikey", "X-Apollo-Operation-Name", "Apollo-Require-Preflight", "Graphql-Require-Preflight"}

// CrossSite keeps pages of other sites from using the API, unless their origin is listed, and sets the headers that
// keep browsers from making something else of an answer. It belongs in front of everything, so that refusals have the
// headers too.
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
			// net/http has dropped a Content-Length beside it; whoever sent both must not get a second answer on this
			// connection (RFC 9112, section 6.1).
			header["Connection"] = closing
		}
		if r.Header["Origin"] == nil {
			// Nothing to share; caches must know that it could have been otherwise.
			guard.ServeHTTP(w, r)
			return
		}
		shared.ServeHTTP(w, r)
	})
}

// securityHeaders are those of every answer. Their values are shared, and never changed.
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

// allowsRequest tells whether a request is no forgery: a page of another site can make the browser send GET, and forms,
// with the user's cookies and without asking. POST is taken with a JSON body only, which it must ask for.
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
		// No browser of the last years. An older one tells by the referrer, and can do harm only with a cookie.
		referrer := r.Header.Get("Referer")
		return r.Header.Get("Cookie") == "" && (referrer == "" || sameHost(referrer, r))
	}
	return false
}

// sameHost tells whether a page's address is of the host that a request was sent to.
func sameHost(address string, r *http.Request) bool {
	parsed, err := url.Parse(address)
	return err == nil && parsed.Host != "" && strings.EqualFold(parsed.Host, r.Host)
}
