package auth_test

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"usergraph/auth"
	"usergraph/auth/authtest"
)

var ada = uuid.MustParse("a0000000-0000-4000-8000-000000000001")

// newVerifier accepts the tokens of an issuer by its keys, by URL, and by its secret.
func newVerifier(t testing.TB, issuer *authtest.Issuer, changes ...func(*auth.Config)) *auth.Verifier {
	t.Helper()
	keys, err := auth.NewRemoteKeySet(auth.RemoteConfig{URL: issuer.JWKSURL()})
	if err != nil {
		t.Fatal(err)
	}
	cfg := auth.Config{Issuers: []auth.Issuer{{URL: issuer.URL(), Keys: keys, Secret: issuer.Secret()}}}
	for _, change := range changes {
		change(&cfg)
	}
	verifier, err := auth.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := verifier.Close(); err != nil {
			t.Error(err)
		}
	})
	return verifier
}

func TestVerify(t *testing.T) {
	issuer := authtest.New(t)
	verifier := newVerifier(t, issuer)
	for _, algorithm := range []string{"ES256", "RS256", "EdDSA", "HS256"} {
		t.Run(algorithm, func(t *testing.T) {
			if algorithm == "HS256" {
				issuer.UseSecret()
			} else {
				issuer.Use(issuer.Publish(algorithm))
				verifier.Purge()
			}
			rawToken := issuer.Token(ada, func(claims jwt.MapClaims) { claims["is_anonymous"] = true })
			for range 2 { // the second time from the cache
				claims, err := verifier.Verify(t.Context(), rawToken)
				if err != nil {
					t.Fatal(err)
				}
				if claims.UserID != ada || claims.Algorithm != algorithm || !claims.IsAnonymous || claims.Role != "authenticated" ||
					claims.Email != "user@example.com" || claims.AAL != "aal1" || claims.SessionID == uuid.Nil || claims.Issuer != issuer.URL() {
					t.Errorf("claims are %+v", claims)
				}
			}
		})
	}
}
