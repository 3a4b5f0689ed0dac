package auth_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"usergraph/auth"
)

func ExampleNewVerifier() {
	const issuer = "https://abc.supabase.co/auth/v1"
	keys, err := auth.NewRemoteKeySet(auth.RemoteConfig{URL: issuer + "/.well-known/jwks.json"})
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := auth.NewVerifier(auth.Config{Issuers: []auth.Issuer{{URL: issuer, Keys: keys}}})
	if err != nil {
		log.Fatal(err)
	}
	defer verifier.Close()

	_, err = verifier.Verify(context.Background(), "undefined")
	code, message := auth.Public(err)
	fmt.Printf("%s: %s\n", code, message)
	// Output:
	// TOKEN_INVALID: token is the word undefined: the client has no session
}

func ExampleMiddleware() {
	const issuer = "https://abc.supabase.co/auth/v1"
	secret := []byte("the secret of a project that still signs with HS256")
	verifier, err := auth.NewVerifier(auth.Config{Issuers: []auth.Issuer{{URL: issuer, Secret: secret}}})
	if err != nil {
		log.Fatal(err)
	}
	defer verifier.Close()

	handler := auth.Middleware(verifier, auth.Options{})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, ok := auth.FromContext(r.Context())
		if !ok {
			fmt.Fprint(w, "hello, whoever you are")
			return
		}
		fmt.Fprint(w, "hello, ", claims.Email)
	}))

	rawToken, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": issuer, "sub": "a0000000-0000-4000-8000-000000000001", "aud": "authenticated", "role": "authenticated",
		"email": "ada@example.com", "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString(secret)
	if err != nil {
		log.Fatal(err)
	}
	for _, authorization := range []string{"", "Bearer " + rawToken, "Bearer " + rawToken[:len(rawToken)-4] + "AAAA"} {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		fmt.Println(answer.Code, answer.Body)
	}
	// Output:
	// 200 hello, whoever you are
	// 200 hello, ada@example.com
	// 401 {"errors":[{"extensions":{"code":"TOKEN_INVALID"},"message":"token's signature is wrong"}]}
}

func ExampleFromContext() {
	greet := func(ctx context.Context) string {
		claims, ok := auth.FromContext(ctx)
		if !ok {
			return "hello, whoever you are"
		}
		return "hello, " + claims.Email
	}
	// Middleware does this for a request; a test can do it too.
	ctx := auth.NewContext(context.Background(), &auth.Claims{Email: "ada@example.com"})
	fmt.Println(greet(context.Background()))
	fmt.Println(greet(ctx))
	// Output:
	// hello, whoever you are
	// hello, ada@example.com
}
