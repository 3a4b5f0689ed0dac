package devauth

import (
	"net/http"

	"usergraph/auth"
)

// sameMachine accepts requests only from pages of this machine, of any port, such as a Next.js development server's. It
// checks the host because DNS could resolve a page's own host name to 127.0.0.1.
func (s *Server) sameMachine(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !auth.IsLoopbackURL("http://" + r.Host) {
			s.answerError(w, r, errHost)
			return
		}
		header := w.Header()
		header.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		switch r.Header.Get("Sec-Fetch-Site") {
		case "", "same-origin", "none":
		default:
			// A page of another origin whose request has no Origin: a link or a picture, not supabase-js.
			if origin == "" && !isAuthorization(r) {
				s.answerError(w, r, errHost)
				return
			}
		}
		if origin != "" {
			if !auth.IsLoopbackURL(origin) {
				s.answerError(w, r, errHost)
				return
			}
			header.Set("Access-Control-Allow-Origin", origin)
			header.Set("Access-Control-Expose-Headers", versionHeader)
		}
		if r.Method == http.MethodOptions {
			header.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
			header.Set("Access-Control-Allow-Headers", "apikey, authorization, content-type, x-client-info, "+versionHeader)
			header.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isAuthorization reports whether the browser goes to the consent page, as the page of an OAuth client makes it do.
func isAuthorization(r *http.Request) bool {
	return (r.URL.Path == authorizePath || r.URL.Path == consentPath) && r.Method == http.MethodGet &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}
