package devauth

import (
	"encoding/json"
	"net/http"
	"strings"
)

// maxBodyBytes bounds a request: an email address, a password, and a user's metadata.
const maxBodyBytes = 64 << 10

// Handler serves /auth/v1 like Supabase Auth behind a project's gateway.
func (s *Server) Handler() http.Handler {
	open, keyed := http.NewServeMux(), http.NewServeMux()

	open.HandleFunc("GET /auth/v1/.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=600")
		_, _ = w.Write(s.issuer.jwks)
	})
	open.HandleFunc("GET /auth/v1/verify", s.verifyLink) // the link of a mail has no key
	// Agents have no key.
	for _, path := range []string{
		"/auth/v1/.well-known/oauth-authorization-server", "/auth/v1/.well-known/openid-configuration",
		"/.well-known/oauth-authorization-server/auth/v1", // RFC 8414, section 3.1: what clients ask for first
	} {
		open.Handle("GET "+path, s.needsOAuth(s.authServerMetadata))
	}
	open.Handle("POST /auth/v1/oauth/clients/register", s.needsOAuth(s.registerClient))
	open.Handle("GET "+authorizePath, s.needsOAuth(s.authorize))
	open.Handle("GET "+consentPath, s.needsOAuth(s.askConsent))
	open.Handle("POST "+consentPath, s.needsOAuth(s.takeConsent))
	open.Handle("POST /auth/v1/oauth/token", s.needsOAuth(s.answer(s.tokenOfApp).ServeHTTP))
	open.Handle("GET /auth/v1/oauth/userinfo", s.needsOAuth(s.answer(s.userInfo).ServeHTTP))
	open.Handle("/", s.needsKey(keyed))

	keyed.Handle("GET /auth/v1/health", s.answer(health))
	keyed.Handle("GET /auth/v1/settings", s.answer(s.settings))
	keyed.Handle("POST /auth/v1/signup", s.answer(s.signUp))
	keyed.Handle("POST /auth/v1/resend", s.answer(s.resend))
	keyed.Handle("POST /auth/v1/verify", s.answer(s.verify))
	keyed.Handle("POST /auth/v1/token", s.answer(s.token))
	keyed.Handle("POST /auth/v1/logout", s.answer(s.logOut))
	keyed.Handle("GET /auth/v1/user", s.answer(s.readUser))
	keyed.Handle("PUT /auth/v1/user", s.answer(s.changeUser))
	keyed.Handle("POST /auth/v1/factors", s.answer(s.enroll))
	keyed.Handle("POST /auth/v1/factors/{factor}/challenge", s.answer(s.challengeFactor))
	keyed.Handle("POST /auth/v1/factors/{factor}/verify", s.answer(s.verifyFactor))
	keyed.Handle("DELETE /auth/v1/factors/{factor}", s.answer(s.unenroll))
	keyed.Handle("GET /auth/v1/oauth/authorizations/{authorization}", s.needsOAuth(s.answer(s.readAuthorization).ServeHTTP))
	keyed.Handle("POST /auth/v1/oauth/authorizations/{authorization}/consent", s.needsOAuth(s.answer(s.consent).ServeHTTP))
	keyed.Handle("GET /auth/v1/user/oauth/grants", s.needsOAuth(s.answer(s.listGrants).ServeHTTP))
	keyed.Handle("DELETE /auth/v1/user/oauth/grants", s.needsOAuth(s.answer(s.revokeGrant).ServeHTTP))
	keyed.Handle("/", s.answer(func(*http.Request) (any, error) { return nil, errNoRoute }))

	return s.sameMachine(http.MaxBytesHandler(open, maxBodyBytes))
}

// needsKey refuses a request without a key, as the gateway does. It accepts any key.
func (s *Server) needsKey(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("apikey") == "" {
			s.answerError(w, r, errAPIKey)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// needsOAuth refuses a request if the database cannot keep OAuth clients: that of a project whose Auth is older.
func (s *Server) needsOAuth(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.isOAuthServer {
			s.answerError(w, r, errNoOAuth)
			return
		}
		next(w, r)
	})
}

// answer sends the result of handle as JSON: a body, an error, or nothing.
func (s *Server) answer(handle func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := handle(r)
		switch {
		case err != nil:
			s.answerError(w, r, err)
		case body == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			writeJSON(w, http.StatusOK, body)
		}
	})
}

func health(*http.Request) (any, error) {
	return map[string]any{"name": "usergraph dev", "description": "a local stand-in for Supabase Auth"}, nil
}

func (s *Server) settings(*http.Request) (any, error) {
	return map[string]any{
		"external":       map[string]bool{"email": true, "anonymous_users": true, "phone": false},
		"disable_signup": false, "mailer_autoconfirm": !s.cfg.ConfirmEmail, "phone_autoconfirm": false,
	}, nil
}

// caller returns the user and the session of a request's access token. The session must exist.
func (s *Server) caller(r *http.Request) (*user, session, error) {
	scheme, rawToken, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || rawToken == "" {
		return nil, session{}, errNoToken
	}
	sessionID, err := s.issuer.verify(rawToken)
	if err != nil {
		return nil, session{}, errToken
	}
	return sessionByID(r.Context(), s.db, sessionID)
}

// readJSON parses a body. Its errors do not quote it, because it may hold a password.
func readJSON(r *http.Request, target any) error {
	if err := json.NewDecoder(r.Body).Decode(target); err != nil {
		return errJSON
	}
	return nil
}
