package graph

import (
	"context"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

type contextKey struct{}

// Middleware verifies the bearer token and puts the user's id into the context, as gqlgen's and golang-jwt's
// documentation show: https://gqlgen.com/recipes/authentication/, https://golang-jwt.github.io/jwt/usage/parse/.
func Middleware(secret []byte, issuer string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rawToken := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			if rawToken == "" {
				next.ServeHTTP(w, r)
				return
			}
			token, err := jwt.Parse(rawToken, func(*jwt.Token) (any, error) { return secret, nil },
				jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
				jwt.WithIssuer(issuer), jwt.WithAudience("authenticated"), jwt.WithExpirationRequired())
			if err != nil {
				http.Error(w, "Invalid token", http.StatusForbidden)
				return
			}
			userID, err := token.Claims.GetSubject()
			if err != nil {
				http.Error(w, "Invalid token", http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, userID)))
		})
	}
}

// UserIDFrom returns the id of the user who calls, or "".
func UserIDFrom(ctx context.Context) string {
	userID, _ := ctx.Value(contextKey{}).(string)
	return userID
}
