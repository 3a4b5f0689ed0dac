package devauth

import (
	"net/http"

	"usergraph/auth"
)

// sameMachine lets pages of this machine ask from any port, as that of a Next.js development server, and nobody else. The
// host is checked because a name server could let a page's own name mean 127.0.0.1.
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
			// A page of another origin that asks without its origin being told: by a link or a picture, not by supabase-js.
			if origin == "" {
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
			header.Set("Access-Control-Allow-Methods", "GET, POST, PUT")
			header.Set("Access-Control-Allow-Headers", "apikey, authorization, content-type, x-client-info, "+versionHeader)
			header.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
