package auth_test

import (
	"context"
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

	"usergraph/auth"
	"usergraph/auth/authtest"
)

const publishableKey = "sb_publishable_of_this_test"

func TestAuthorizationHeader(t *testing.T) {
	f := newFixture(t, func(cfg *auth.Config) { cfg.PublishableKeys = []string{publishableKey, "legacy.anon.key"} })
	good, other := f.issuer.Token(ada), f.issuer.Token(ada)
	anon := f.hs256.Sign(jwt.MapClaims{"iss": "supabase", "ref": "abc", "role": "anon", "iat": time.Now().Unix() - 60, "exp": time.Now().Unix() + 60})
	for _, test := range []struct {
		name   string
		values []string
		called string // "" if it is refused
	}{
		{"none", nil, "anonymous"},
		{"Bearer", []string{"Bearer " + good}, ada.String()},
		{"bearer", []string{"bearer " + good}, ada.String()},
		{"BEARER", []string{"BEARER " + good}, ada.String()},
		{"more spaces", []string{"Bearer   " + good + "  "}, ada.String()},
		{"publishable key", []string{"Bearer " + publishableKey}, "anonymous"},
		{"another project's publishable key", []string{"Bearer sb_publishable_x"}, "anonymous"},
		{"secret key", []string{"Bearer sb_secret_x"}, ""},
		{"a key of no kind that there is", []string{"Bearer sb_x"}, ""},
		{"anon key, by its signature", []string{"Bearer " + anon}, "anonymous"},
		{"anon key, by the list", []string{"Bearer legacy.anon.key"}, "anonymous"},
		{"empty", []string{""}, ""},
		{"no token", []string{"Bearer"}, ""},
		{"spaces for a token", []string{"Bearer   "}, ""},
		{"no scheme", []string{good}, ""},
		{"Basic", []string{"Basic YTpi"}, ""},
		{"Token", []string{"Token " + good}, ""},
		{"tab", []string{"Bearer\t" + good}, ""},
		{"two headers", []string{"Bearer " + good, "Bearer " + other}, ""},
		{"the same header twice", []string{"Bearer " + good, "Bearer " + good}, ""},
		{"one is empty", []string{"Bearer " + good, ""}, ""},
		{"a list", []string{"Bearer " + good + ", Bearer " + other}, ""},
		{"parameters", []string{"Bearer token=" + good + ", realm=x"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer, called := f.send(func(r *http.Request) {
				if test.values != nil {
					r.Header["Authorization"] = test.values
				}
			})
			if called != test.called {
				t.Errorf("called %q, answer %d %s", called, answer.Code, answer.Body)
			}
			if test.called == "" && (answer.Code != 401 || !strings.Contains(answer.Body.String(), `"TOKEN_INVALID"`)) {
				t.Errorf("refused with %d %s", answer.Code, answer.Body)
			}
		})
	}
}

func TestAPIKey(t *testing.T) {
	f := newFixture(t, func(cfg *auth.Config) {
		cfg.PublishableKeys, cfg.RequireAPIKey = []string{publishableKey, "second"}, true
	})
	rawToken := f.issuer.Token(ada)
	for _, test := range []struct {
		name   string
		change func(r *http.Request)
		called string
	}{
		{"none", func(*http.Request) {}, ""},
		{"known", func(r *http.Request) { r.Header.Set("apikey", publishableKey) }, "anonymous"},
		{"the second one", func(r *http.Request) { r.Header.Set("Apikey", "second") }, "anonymous"},
		{"unknown", func(r *http.Request) { r.Header.Set("apikey", publishableKey+"x") }, ""},
		{"a beginning", func(r *http.Request) { r.Header.Set("apikey", publishableKey[:10]) }, ""},
		{"token without key", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+rawToken) }, ""},
		{"token and key", func(r *http.Request) {
			r.Header.Set("apikey", publishableKey)
			r.Header.Set("Authorization", "Bearer "+rawToken)
		}, ada.String()},
		{"key as supabase-js sends it", func(r *http.Request) {
			r.Header.Set("apikey", publishableKey)
			r.Header.Set("Authorization", "Bearer "+publishableKey)
		}, "anonymous"},
		{"key in the query", func(r *http.Request) { r.URL.RawQuery = "apikey=" + publishableKey }, ""},
		{"key in the query of a websocket", func(r *http.Request) {
			r.Method, r.URL.RawQuery = http.MethodGet, "apikey="+publishableKey
			r.Header.Set("Upgrade", "websocket")
		}, "anonymous"},
		{"preflight", func(r *http.Request) {
			r.Method = http.MethodOptions
			r.Header.Set("Access-Control-Request-Method", "POST")
		}, "anonymous"},
		{"OPTIONS that is no preflight", func(r *http.Request) { r.Method = http.MethodOptions }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer, called := f.send(test.change)
			if called != test.called {
				t.Errorf("called %q, answer %d %s", called, answer.Code, answer.Body)
			}
			if test.called != "" {
				return
			}
			if answer.Code != 401 || !strings.Contains(answer.Body.String(), `"UNAUTHENTICATED"`) || answer.Header().Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("refused with %d %q %s", answer.Code, answer.Header(), answer.Body)
			}
			if strings.Contains(answer.Body.String()+f.log.String(), publishableKey[:10]) {
				t.Errorf("the key is shown: %s %s", answer.Body, f.log)
			}
		})
	}
}

// sessionCookie returns a session as @supabase/ssr writes it.
func sessionCookie(rawToken string) string {
	return "base64-" + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil,
		`{"access_token":%q,"token_type":"bearer","expires_in":3600,"refresh_token":"v7wk","user":{"id":%q,"email":"ada@example.com"}}`, rawToken, ada))
}

func TestSessionCookie(t *testing.T) {
	const name = "sb-abc-auth-token"
	if got := auth.SessionCookieName("https://abc.supabase.co"); got != name {
		t.Fatalf("the cookie's name is %q", got)
	}
	f := newFixture(t, func(cfg *auth.Config) {
		cfg.SessionCookie, cfg.CookieOrigins = name, []string{"https://app.example.com"}
		cfg.PublishableKeys = []string{publishableKey}
	})
	good := f.issuer.Token(ada)
	session := sessionCookie(good)
	expired := sessionCookie(f.issuer.Token(ada, func(c jwt.MapClaims) { c["exp"] = time.Now().Unix() - 60 }))
	whole := name + "=" + session
	authorization := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	set := func(header, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(header, value) }
	}
	for _, test := range []struct {
		test    string
		cookies string
		change  func(*http.Request)
		want    string // the caller, or the code of the refusal
	}{
		{"whole", whole, nil, ada.String()},
		{"in chunks", name + ".0=" + session[:700] + "; " + name + ".1=" + session[700:], nil, ada.String()},
		{"in chunks, out of order", name + ".1=" + session[700:] + "; " + name + ".0=" + session[:700], nil, ada.String()},
		{"beside others", "theme=dark; " + whole + "; " + name + "-code-verifier=a; " + name + "-code-verifier=b; sb-xyz-auth-token=x", nil, ada.String()},
		{"signed out", name + "=", nil, "anonymous"},
		{"another project's", "sb-xyz-auth-token=" + session, nil, "anonymous"},
		{"code verifier only", name + "-code-verifier=base64-eHg", nil, "anonymous"},
		{"none", "", nil, "anonymous"},
		{"expired", name + "=" + expired, nil, "TOKEN_EXPIRED"},
		{"first chunk missing", name + ".1=" + session[700:], nil, "TOKEN_INVALID"},
		{"last chunk missing", name + ".0=" + session[:701], nil, "TOKEN_INVALID"},
		{"as old versions wrote it", name + "=%7B%22access_token%22%3A%22x%22%7D", nil, "TOKEN_INVALID"},
		{"no JSON", name + "=base64-eHg", nil, "TOKEN_INVALID"},
		{"null", name + "=base64-bnVsbA", nil, "TOKEN_INVALID"},
		{"no access token", name + "=base64-e30", nil, "TOKEN_INVALID"},
		{"two that differ", whole + "; " + name + "=" + expired, nil, "TOKEN_INVALID"},
		{"twice the same", whole + "; " + whole, nil, ada.String()},
		{"too long", name + "=base64-" + strings.Repeat("A", 40<<10), nil, "TOKEN_INVALID"},
		{"forged", name + "=" + sessionCookie(authtest.NewKey(t, "ES256").Sign(f.issuer.Claims(ada))), nil, "TOKEN_INVALID"},

		{"from a page of another site", whole, set("Sec-Fetch-Site", "cross-site"), "UNAUTHENTICATED"},
		{"from a sibling domain", whole, set("Sec-Fetch-Site", "same-site"), "UNAUTHENTICATED"},
		{"typed into the address bar", whole, set("Sec-Fetch-Site", "none"), "UNAUTHENTICATED"},
		{"a form", whole, set("Content-Type", "application/x-www-form-urlencoded"), "UNAUTHENTICATED"},
		{"text/plain", whole, set("Content-Type", "text/plain"), "UNAUTHENTICATED"},
		{"no content type", whole, set("Content-Type", ""), "UNAUTHENTICATED"},
		{"JSON with a charset", whole, set("Content-Type", "application/json; charset=utf-8"), ada.String()},
		{"no sign of a browser", whole, func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") }, "UNAUTHENTICATED"},
		{"old browser, same origin", whole, func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "https://api.example.com")
		}, ada.String()},
		{"old browser, other origin", whole, func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") }, "UNAUTHENTICATED"},
		{"old browser, origin null", whole, func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") }, "UNAUTHENTICATED"},
		{"listed origin", whole, func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "same-site")
			r.Header.Set("Origin", "https://app.example.com")
		}, ada.String()},
		{"listed origin, but http", whole, func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "same-site")
			r.Header.Set("Origin", "http://app.example.com")
		}, "UNAUTHENTICATED"},
		{"websocket", whole, func(r *http.Request) {
			r.Method = http.MethodGet
			r.Header.Del("Content-Type")
			r.Header.Set("Upgrade", "websocket")
		}, ada.String()},
		{"websocket from another site", whole, func(r *http.Request) {
			r.Method = http.MethodGet
			r.Header.Set("Upgrade", "websocket")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		}, "UNAUTHENTICATED"},

		{"with the same token in the header", whole, authorization("Bearer " + good), ada.String()},
		{"with another token in the header", whole, authorization("Bearer " + f.issuer.Token(ada)), "TOKEN_INVALID"},
		{"with an API key in the header", whole, authorization("Bearer " + publishableKey), ada.String()},
		{"with a bad header", whole, authorization("Basic YTpi"), "TOKEN_INVALID"},
		{"from another site, with a token in the header", whole, func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Authorization", "Bearer "+good)
		}, ada.String()},
	} {
		t.Run(test.test, func(t *testing.T) {
			f.log.Reset()
			answer, called := f.send(func(r *http.Request) {
				r.Header.Set("Sec-Fetch-Site", "same-origin")
				if test.cookies != "" {
					r.Header.Set("Cookie", test.cookies)
				}
				if test.change != nil {
					test.change(r)
				}
			})
			if called == test.want {
				return
			}
			if answer.Code != 401 || !strings.Contains(answer.Body.String(), `"`+test.want+`"`) {
				t.Errorf("called %q, %d %s; want %s", called, answer.Code, answer.Body, test.want)
			}
			if shown := answer.Body.String() + f.log.String(); strings.Contains(shown, good[:40]) || strings.Contains(shown, session[7:60]) {
				t.Errorf("the cookie is shown: %s", shown)
			}
		})
	}
}

func TestCookiesAreOffByDefault(t *testing.T) {
	f := newFixture(t)
	_, called := f.send(func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Cookie", "sb-abc-auth-token="+sessionCookie(f.issuer.Token(ada)))
	})
	if called != "anonymous" {
		t.Errorf("called %q", called)
	}
}

// A websocket's connection_init carries credentials without a header.
func TestAuthenticateHeader(t *testing.T) {
	f := newFixture(t)
	good := f.issuer.Token(ada)
	for credentials, want := range map[string]string{
		"": "", good: ada.String(), "Bearer " + good: ada.String(), "bearer " + good: ada.String(), publishableKey: "",
		"Bearer": "TOKEN_INVALID", "Bearer ": "TOKEN_INVALID", "Basic " + good: "TOKEN_INVALID", good + " " + good: "TOKEN_INVALID",
		"x": "TOKEN_INVALID", "Bearer x": "TOKEN_INVALID",
	} {
		claims, err := f.verifier.AuthenticateHeader(t.Context(), credentials)
		got := ""
		if claims != nil {
			got = claims.UserID.String()
		}
		if err != nil {
			got, _ = auth.Public(err)
		}
		if got != want {
			t.Errorf("%.20q: %s, %v", credentials, got, err)
		}
	}
}

func TestCheckSession(t *testing.T) {
	var says error
	var asked []string
	f := newFixture(t, func(cfg *auth.Config) {
		cfg.CheckSession = func(_ context.Context, claims *auth.Claims) error {
			asked = append(asked, claims.SessionID.String())
			return says
		}
	})
	rawToken := f.issuer.Token(ada)
	for _, test := range []struct {
		says   error
		status int
		want   string
	}{
		{nil, 200, ""},
		{fmt.Errorf("signed out: %w", auth.ErrSessionRevoked), 401, `"code":"SESSION_REVOKED"`},
		{errors.New("the password of the database is hunter2"), 503, `"code":"UNAVAILABLE"`},
		{context.DeadlineExceeded, 503, `"code":"UNAVAILABLE"`},
		{nil, 200, ""},
	} {
		says, asked = test.says, nil
		f.log.Reset()
		answer, _ := f.sendToken(rawToken)
		if answer.Code != test.status || !strings.Contains(answer.Body.String(), test.want) || len(asked) != 1 {
			t.Errorf("%v: %d %s, asked %v", test.says, answer.Code, answer.Body, asked)
		}
		if strings.Contains(answer.Body.String(), "hunter2") {
			t.Error("the cause is shown")
		}
		if says != nil && !strings.Contains(f.log.String(), says.Error()) {
			t.Errorf("the hook was told %q", f.log)
		}
		claims, err := f.verifier.Verify(t.Context(), rawToken)
		if err != nil {
			t.Fatalf("Verify asks about the session: %v", err)
		}
		if err := f.verifier.CheckSession(t.Context(), claims); (err == nil) != (says == nil) || !errors.Is(err, says) {
			t.Errorf("asked again, %v", err)
		}
	}
	if _, called := f.send(func(*http.Request) {}); called != "anonymous" {
		t.Errorf("called %q", called)
	}
	if err := newVerifier(t, f.issuer).CheckSession(t.Context(), &auth.Claims{}); err != nil {
		t.Errorf("without a check: %v", err)
	}
}

// The body of a refusal is a GraphQL response, with a content type that the client accepts.
func TestRefusalIsGraphQL(t *testing.T) {
	f := newFixture(t)
	for accept, want := range map[string]string{
		"": "application/json", "*/*": "application/json", "text/html": "application/json",
		"application/json, multipart/mixed":                         "application/json",
		"application/graphql-response+json, application/json;q=0.9": "application/graphql-response+json; charset=utf-8",
	} {
		answer, _ := f.send(func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer x")
			r.Header.Set("Accept", accept)
		})
		if got := answer.Header().Get("Content-Type"); got != want {
			t.Errorf("accepting %q: %q", accept, got)
		}
		var body struct {
			Errors []struct {
				Message    string
				Extensions map[string]string
			}
		}
		if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil || len(body.Errors) != 1 || body.Errors[0].Message == "" || len(body.Errors[0].Extensions) != 1 {
			t.Errorf("%v: %s", err, answer.Body)
		}
	}
}

func TestUnavailableIsNoChallenge(t *testing.T) {
	f := newFixture(t)
	f.issuer.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	answer, called := f.sendToken(f.issuer.Token(ada))
	if called != "" || answer.Code != 503 || answer.Header().Get("Retry-After") == "" || answer.Header().Get("WWW-Authenticate") != "" ||
		!strings.Contains(answer.Body.String(), `"UNAVAILABLE"`) || strings.Contains(answer.Body.String(), f.issuer.URL()) {
		t.Errorf("%q called, %d %v %s", called, answer.Code, answer.Header(), answer.Body)
	}
	if _, called := f.send(func(*http.Request) {}); called != "anonymous" {
		t.Error("an anonymous caller needs no keys")
	}
}

func TestOwnRefusal(t *testing.T) {
	f := newFixture(t)
	handler := auth.Middleware(f.verifier, auth.Options{Refuse: func(w http.ResponseWriter, r *http.Request, err error) {
		auth.WriteRefusal(w, r, err, map[string]any{"requestId": "r-1", "code": "mine"})
	}})(http.NotFoundHandler())
	answer := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header.Set("Authorization", "Bearer x")
	handler.ServeHTTP(answer, request)
	if body := answer.Body.String(); !strings.Contains(body, `"requestId":"r-1"`) || !strings.Contains(body, `"code":"TOKEN_INVALID"`) {
		t.Error(body)
	}
}

// A key that bypasses row-level security is refused wherever it is sent, so that a client that sends it from a browser
// learns of the mistake.
func TestSecretKeys(t *testing.T) {
	for name, change := range map[string]func(*auth.Config){
		"default":          func(*auth.Config) {},
		"API key required": func(cfg *auth.Config) { cfg.PublishableKeys, cfg.RequireAPIKey = []string{publishableKey}, true },
		"cookies":          func(cfg *auth.Config) { cfg.SessionCookie = cookieName },
		"no secret":        func(cfg *auth.Config) { cfg.Issuers[0].Secret = nil },
	} {
		f := newFixture(t, change)
		good := f.issuer.Token(ada)
		for kind, key := range map[string]string{
			"sb_secret":    "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz",
			"service_role": f.hs256.Sign(jwt.MapClaims{"iss": "supabase", "ref": "abc", "role": "service_role", "exp": time.Now().Unix() + 60}),
		} {
			for where, send := range map[string]func(r *http.Request){
				"bearer":                func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+key) },
				"apikey":                func(r *http.Request) { r.Header.Set("apikey", key) },
				"apikey beside a token": func(r *http.Request) { r.Header.Set("apikey", key); r.Header.Set("Authorization", "Bearer "+good) },
				"the second apikey":     func(r *http.Request) { r.Header["Apikey"] = []string{publishableKey, key} },
				"query":                 func(r *http.Request) { r.URL.RawQuery = "apikey=" + key },
				"query, the second one": func(r *http.Request) { r.URL.RawQuery = "apikey=" + publishableKey + "&apikey=" + key },
				"query of a websocket": func(r *http.Request) {
					r.Method = http.MethodGet
					r.Header.Set("Upgrade", "websocket")
					r.URL.RawQuery = "apikey=" + key
				},
				"as supabase-js does it": func(r *http.Request) { r.Header.Set("apikey", key); r.Header.Set("Authorization", "Bearer "+key) },
				"beside a cookie": func(r *http.Request) {
					r.Header.Set("Authorization", "Bearer "+key)
					r.Header.Set("Cookie", cookieName+"="+sessionCookie(good))
					r.Header.Set("Sec-Fetch-Site", "same-origin")
				},
			} {
				if name == "API key required" && (where == "bearer" || where == "beside a cookie") {
					continue // refused earlier, for the missing key
				}
				f.log.Reset()
				answer, called := f.send(send)
				if called != "" || answer.Code != 401 || !strings.Contains(answer.Body.String(), `"TOKEN_INVALID"`) || !strings.Contains(answer.Body.String(), "bypasses row-level security") {
					t.Errorf("%s, %s as %s: called %q, %d %s", name, kind, where, called, answer.Code, answer.Body)
				}
				if strings.Contains(answer.Body.String()+f.log.String(), key[10:]) {
					t.Errorf("%s, %s as %s: the key is shown: %s %s", name, kind, where, answer.Body, f.log)
				}
			}
			for _, credentials := range []string{key, "Bearer " + key} {
				if claims, err := f.verifier.AuthenticateHeader(t.Context(), credentials); claims != nil || !errors.Is(err, auth.ErrTokenInvalid) {
					t.Errorf("%s, %s without a header: %v", name, kind, err)
				}
			}
			if err := f.verifier.CheckAPIKey(t.Context(), key); !errors.Is(err, auth.ErrTokenInvalid) {
				t.Errorf("%s, %s: %v", name, kind, err)
			}
		}
		for _, key := range []string{"", publishableKey, "x", "a.b.c", "a.e30.c", f.hs256.Sign(jwt.MapClaims{"role": "anon"})} {
			if err := f.verifier.CheckAPIKey(t.Context(), key); err != nil {
				t.Errorf("%s, %s: %v", name, key, err)
			}
		}
	}
}
