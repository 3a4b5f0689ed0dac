package auth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"usergraph/auth"
	"usergraph/auth/authtest"
)

// What a setting would change is told to the operator, in the log, and not to the client.
func TestAdvice(t *testing.T) {
	issuer := authtest.New(t)
	verifier := newVerifier(t, issuer, func(cfg *auth.Config) { cfg.Issuers[0].Secret = nil })
	set := func(claim string, value any) func(jwt.MapClaims) {
		return func(claims jwt.MapClaims) { claims[claim] = value }
	}
	for setting, token := range map[string]string{
		"SUPABASE_ACCEPT_NO_ISSUER=on": issuer.Token(ada, set("iss", nil)),
		"SUPABASE_JWT_ISSUER":          issuer.Token(ada, set("iss", "https://auth.example.com/auth/v1")),
		"SUPABASE_OAUTH_CLIENTS":       issuer.Token(ada, set("client_id", "app")),
		"SUPABASE_JWT_SECRET":          authtest.NewSecret(t, issuer.Secret()).Sign(issuer.Claims(ada)),
		"":                             issuer.Token(ada, set("aud", "other")),
	} {
		_, err := verifier.Verify(t.Context(), token)
		code, message := auth.Public(err)
		if !errors.Is(err, auth.ErrTokenInvalid) || !strings.Contains(auth.Advice(err), setting) || (auth.Advice(err) == "") != (setting == "") {
			t.Errorf("%s: %v, advice %q", setting, err, auth.Advice(err))
		}
		if !strings.Contains(err.Error(), setting) || strings.Contains(code+message, "SUPABASE") {
			t.Errorf("%s: the log gets %q, the client %q", setting, err, message)
		}
	}
}
