package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// BearerToken returns the token of a request, or "" for an anonymous one (RFC 6750, section 2.1).
// A Supabase API key of the form sb_… is no user's token.
func BearerToken(r *http.Request) (rawToken string, err error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return "", nil
	}
	if len(headers) > 1 {
		return "", invalid("there are several Authorization headers", nil)
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", invalid("the Authorization header is not of the form: Bearer <token>", nil)
	}
	if strings.HasPrefix(token, "sb_") {
		return "", nil
	}
	return token, nil
}

// Middleware puts the claims of the caller into the context. Requests without a token go on without claims; those with
// a bad one are answered here: 401 with a challenge (RFC 6750, section 3), or 503 while the keys are unavailable.
func Middleware(v *Verifier) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, err := BearerToken(r)
			if err == nil && token == "" {
				next.ServeHTTP(w, r)
				return
			}
			var claims *Claims
			if err == nil {
				claims, err = v.Verify(r.Context(), token)
			}
			if err != nil {
				refuse(w, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), claims)))
		})
	}
}

func refuse(w http.ResponseWriter, err error) {
	code, message := Public(err)
	status := http.StatusUnauthorized
	if errors.Is(err, ErrKeysUnavailable) {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "10")
	} else {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer error="invalid_token", error_description=%q`, message))
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{
		map[string]any{"message": message, "extensions": map[string]string{"code": code}},
	}})
}
