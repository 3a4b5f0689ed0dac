package auth_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"usergraph/auth"
	"usergraph/auth/authtest"
)

// The fuzzers' keys are the same in each of their processes.
const (
	fuzzIssuer = "https://abc.supabase.co/auth/v1"
	fuzzSecret = "a secret of the fuzzers with at least 32 bytes"
	fuzzNow    = 1_800_000_000
)

// newFuzzVerifier accepts the tokens that its keys sign.
func newFuzzVerifier(f *testing.F) (verifier *auth.Verifier, key, secret *authtest.Key) {
	key = authtest.NewKeyFrom(f, "key-1", bytes.Repeat([]byte{7}, 32))
	keys, err := auth.NewStaticKeySet([]byte(`{"keys":[` + string(key.JWK()) + `]}`))
	if err != nil {
		f.Fatal(err)
	}
	verifier, err = auth.NewVerifier(auth.Config{
		Issuers:       []auth.Issuer{{URL: fuzzIssuer, Keys: keys, Secret: []byte(fuzzSecret)}},
		SessionCookie: auth.SessionCookieName(fuzzIssuer),
		Now:           func() time.Time { return time.Unix(fuzzNow, 0) },
	})
	if err != nil {
		f.Fatal(err)
	}
	return verifier, key, authtest.NewSecret(f, []byte(fuzzSecret))
}

func fuzzClaims() jwt.MapClaims {
	return jwt.MapClaims{
		"iss": fuzzIssuer, "sub": ada.String(), "aud": []string{"authenticated"}, "role": "authenticated",
		"iat": fuzzNow, "exp": fuzzNow + 3600, "session_id": ada.String(), "email": "ada@example.com",
		"app_metadata": map[string]any{"provider": "email"}, "is_anonymous": false,
	}
}

// checkRefusal requires an error of this package that shows nothing of the token.
func checkRefusal(t *testing.T, err error, sent string) {
	t.Helper()
	if !errors.Is(err, auth.ErrTokenInvalid) && !errors.Is(err, auth.ErrTokenExpired) && !errors.Is(err, auth.ErrAnonymous) && !errors.Is(err, auth.ErrUnauthenticated) {
		t.Fatalf("an error of no kind: %v", err)
	}
	_, message := auth.Public(err)
	for part := range strings.SplitSeq(sent, ".") {
		if len(part) > 20 && (strings.Contains(message, part) || strings.Contains(err.Error(), part)) {
			t.Fatalf("%q shows %q", err, part)
		}
	}
}

func FuzzBearerToken(f *testing.F) {
	for _, seed := range []string{"Bearer a.b.c", "bearer  x", "BEARER", "Basic YTpi", "Bearer a, Bearer b", "Bearer \x00", "Bearer a b", "", " Bearer a", "Bearer\ta"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		rawToken, err := auth.BearerToken(http.Header{"Authorization": {value}})
		if err != nil {
			checkRefusal(t, err, value)
			if rawToken != "" {
				t.Fatalf("a token beside an error: %q", rawToken)
			}
			return
		}
		if rawToken == "" || strings.ContainsAny(rawToken, " \t\r\n,;\"\\\x00") || !strings.HasPrefix(strings.ToLower(value), "bearer ") || !strings.Contains(value, rawToken) {
			t.Fatalf("%q holds the token %q", value, rawToken)
		}
	})
}

// The verifier accepts no token that golang-jwt, given the one right key and algorithm, refuses.
func FuzzVerify(f *testing.F) {
	verifier, key, secret := newFuzzVerifier(f)
	good := key.Sign(fuzzClaims())
	f.Add(good)
	f.Add(secret.Sign(fuzzClaims()))
	f.Add(key.SignHeader(fuzzClaims(), map[string]any{"jwk": key.JWK(), "crit": []string{"b64"}, "b64": false}))
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + good[strings.IndexByte(good, '.'):])
	f.Fuzz(func(t *testing.T, rawToken string) {
		claims, err := verifier.Verify(t.Context(), rawToken)
		if err != nil {
			checkRefusal(t, err, rawToken)
			return
		}
		_, err = jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation()).Parse(rawToken, func(token *jwt.Token) (any, error) {
			switch token.Method {
			case jwt.SigningMethodES256:
				return key.Public(), nil
			case jwt.SigningMethodHS256:
				return []byte(fuzzSecret), nil
			}
			return nil, errors.New("another algorithm")
		})
		if err != nil || claims.UserID != ada {
			t.Fatalf("accepted %q: %v", rawToken, err)
		}
	})
}

// Any payload with a valid signature: an accepted one has the values that encoding/json reads too.
func FuzzClaims(f *testing.F) {
	verifier, _, _ := newFuzzVerifier(f)
	text, err := json.Marshal(fuzzClaims())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	for _, change := range []string{`"exp":1e9`, `"exp":"1800003600"`, `"sub":null`, `"SUB":"x"`, `"a":"\u0000"`, `"a":"\ud800"`, `"a":"\\u0000"`, `"aud":["authenticated",1]`} {
		f.Add("{" + change + "," + string(text[1:]))
	}
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))
	f.Fuzz(func(t *testing.T, payload string) {
		signed := header + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
		signature := authtest.NewSecret(t, []byte(fuzzSecret)).Signature(signed)
		claims, err := verifier.Verify(t.Context(), signed+"."+base64.RawURLEncoding.EncodeToString(signature))
		if err != nil {
			checkRefusal(t, err, signed)
			return
		}
		var read map[string]any
		if err := json.Unmarshal([]byte(payload), &read); err != nil {
			t.Fatalf("accepted what is no JSON: %v", err)
		}
		if read["iss"] != fuzzIssuer || read["role"] != "authenticated" || !json.Valid(claims.Payload) {
			t.Fatalf("accepted %v", read)
		}
		if sub, _ := read["sub"].(string); uuid.MustParse(sub) != claims.UserID || len(sub) != 36 {
			t.Fatalf("user %s from %v", claims.UserID, read["sub"])
		}
		if exp, _ := read["exp"].(float64); int64(exp) != claims.ExpiresAt.Unix() || int64(exp) < fuzzNow-5 {
			t.Fatalf("expiry %s from %v", claims.ExpiresAt, read["exp"])
		}
	})
}

func FuzzSessionCookie(f *testing.F) {
	verifier, key, _ := newFuzzVerifier(f)
	good := key.Sign(fuzzClaims())
	session := "base64-" + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"access_token":%q,"refresh_token":"x"}`, good))
	name := auth.SessionCookieName(fuzzIssuer)
	f.Add(name + "=" + session)
	f.Add(name + ".0=" + session[:100] + "; " + name + ".1=" + session[100:])
	f.Add(name + ".1=" + session[100:])
	f.Add(name + "=" + session + "; " + name + "=other")
	f.Add(name + "-code-verifier=a; " + name + "-code-verifier=b")
	f.Add(name + `={"access_token":"x"}`)
	f.Add(name + "=base64-bnVsbA")
	f.Fuzz(func(t *testing.T, cookies string) {
		r := httptest.NewRequest(http.MethodPost, "/graphql", nil)
		r.Header = http.Header{"Cookie": {cookies}, "Content-Type": {"application/json"}, "Sec-Fetch-Site": {"same-origin"}}
		claims, err := verifier.Authenticate(r)
		if err != nil {
			checkRefusal(t, err, cookies)
		}
		if claims != nil && (err != nil || claims.UserID != ada) {
			t.Fatalf("%q is %+v, %v", cookies, claims, err)
		}
		// The same cookies from another site are always refused.
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		if claims, _ := verifier.Authenticate(r); claims != nil {
			t.Fatalf("%q is taken from another site", cookies)
		}
	})
}

func FuzzJWKS(f *testing.F) {
	for _, algorithm := range []string{"ES256", "RS256", "EdDSA"} {
		f.Add(`{"keys":[` + string(authtest.NewKey(f, algorithm).JWK()) + `]}`)
	}
	for _, seed := range []string{
		`[]`, `{"keys":[]}`, `{"keys":null}`, `{"keys":[null]}`, `{"keys":[{"kty":"oct","k":"AAAA","kid":"a"}]}`,
		`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQ","kid":"a"}]}`, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","kid":"a"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA","kid":"a"}]}`, `{"keys":[{"kty":"EC","crv":"P-521","x":"","y":"","kid":"a"}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, jwks string) {
		keys, err := auth.NewStaticKeySet([]byte(jwks))
		if err != nil {
			return
		}
		verifier, err := auth.NewVerifier(auth.Config{Issuers: []auth.Issuer{{URL: fuzzIssuer, Keys: keys}}})
		if err != nil {
			return
		}
		// Whatever was read neither panics nor accepts.
		for _, algorithm := range []string{"ES256", "RS256", "EdDSA"} {
			header, _ := json.Marshal(map[string]string{"alg": algorithm, "kid": firstKeyID(jwks)})
			payload, _ := json.Marshal(fuzzClaims())
			rawToken := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload) + "." + strings.Repeat("A", 86)
			if _, err := verifier.Verify(t.Context(), rawToken); !errors.Is(err, auth.ErrTokenInvalid) {
				t.Fatalf("%s: %v", rawToken, err)
			}
		}
	})
}

func firstKeyID(jwks string) string {
	var set struct {
		Keys []struct {
			KID string `json:"kid"`
		} `json:"keys"`
	}
	if json.Unmarshal([]byte(jwks), &set) != nil || len(set.Keys) == 0 {
		return ""
	}
	return set.Keys[0].KID
}
