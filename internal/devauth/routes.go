package devauth

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
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
	open.Handle("/", s.needsKey(keyed))

	keyed.Handle("GET /auth/v1/health", s.answer(health))
	keyed.Handle("GET /auth/v1/settings", s.answer(settings))
	keyed.Handle("POST /auth/v1/signup", s.answer(s.signUp))
	keyed.Handle("POST /auth/v1/token", s.answer(s.token))
	keyed.Handle("POST /auth/v1/logout", s.answer(s.logOut))
	keyed.Handle("GET /auth/v1/user", s.answer(s.readUser))
	keyed.Handle("PUT /auth/v1/user", s.answer(s.changeUser))
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

func settings(*http.Request) (any, error) {
	return map[string]any{
		"external":       map[string]bool{"email": true, "anonymous_users": true, "phone": false},
		"disable_signup": false, "mailer_autoconfirm": true, "phone_autoconfirm": false,
	}, nil
}

// signUp creates a user and signs the user in: there is no mail to confirm an address. A user without an address and a
// telephone number is anonymous.
func (s *Server) signUp(r *http.Request) (any, error) {
	var c credentials
	if err := readJSON(r, &c); err != nil {
		return nil, err
	}
	if c.Phone != "" {
		return nil, errPhone
	}
	return s.signIn(r.Context(), r.UserAgent(), func(tx pgx.Tx) (*user, error) { return createUser(r.Context(), tx, c) })
}

func (s *Server) token(r *http.Request) (any, error) {
	switch r.URL.Query().Get("grant_type") {
	case "password":
		var c credentials
		if err := readJSON(r, &c); err != nil {
			return nil, err
		}
		return s.signIn(r.Context(), r.UserAgent(), func(tx pgx.Tx) (*user, error) { return userByPassword(r.Context(), tx, c) })
	case "refresh_token":
		var body struct {
			RefreshToken string `json:"refresh_token"`
		}
		if err := readJSON(r, &body); err != nil {
			return nil, err
		}
		return s.refresh(r.Context(), body.RefreshToken)
	}
	return nil, errGrantType
}

func (s *Server) logOut(r *http.Request) (any, error) {
	u, sessionID, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	return nil, s.endSessions(r.Context(), r.URL.Query().Get("scope"), u.ID, sessionID)
}

func (s *Server) readUser(r *http.Request) (any, error) {
	u, _, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	return u, nil
}

func (s *Server) changeUser(r *http.Request) (any, error) {
	u, _, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	var c credentials
	if err := readJSON(r, &c); err != nil {
		return nil, err
	}
	if c.Phone != "" {
		return nil, errPhone
	}
	return updateUser(r.Context(), s.db, u.ID, c)
}

// caller returns the user and the session of a request's access token. The session must exist.
func (s *Server) caller(r *http.Request) (*user, uuid.UUID, error) {
	scheme, rawToken, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || rawToken == "" {
		return nil, uuid.Nil, errNoToken
	}
	sessionID, err := s.issuer.verify(rawToken)
	if err != nil {
		return nil, uuid.Nil, errToken
	}
	u, _, err := sessionUser(r.Context(), s.db, sessionID)
	return u, sessionID, err
}

// readJSON parses a body. Its errors do not quote it, because it may hold a password.
func readJSON(r *http.Request, target any) error {
	if err := json.NewDecoder(r.Body).Decode(target); err != nil {
		return errJSON
	}
	return nil
}
