package app

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"usergraph/auth"
	"usergraph/auth/authtest"
	"usergraph/internal/pgtest"
	"usergraph/internal/telemetry"
)

var ada = uuid.MustParse("a0000000-0000-4000-8000-000000000001")

// startServer runs `usergraph serve` inside the test until it ends, on its own database in which Ada has signed up.
func startServer(t *testing.T, issuer *authtest.Issuer, env ...string) (url string, pg *pgtest.Database) {
	t.Helper()
	pg = pgtest.New(t)
	pg.Exec(t, `insert into auth.users (id, email, raw_user_meta_data) values ($1, 'ada@example.com', '{"full_name":"Ada"}')`, ada)
	env = append(env, "DATABASE_URL", pg.URL, "SUPABASE_URL", strings.TrimSuffix(issuer.URL(), issuerPath))
	return serveAPI(t, testAPI, env...), pg
}

const whoAmI = "{ me { fullName } }"

func TestSessionCheck(t *testing.T) {
	issuer, session := authtest.New(t), uuid.New()
	url, pg := startServer(t, issuer, "SESSION_CHECK", "always")
	token := issuer.Token(ada, func(claims jwt.MapClaims) { claims["session_id"] = session.String() })
	const signIn = "insert into auth.sessions (id, user_id) values ($1, $2)"
	pg.Exec(t, signIn, session, ada)

	expect := func(when string, status int, want string) {
		t.Helper()
		if got, body := ask(t, url, token, whoAmI); got != status || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", when, got, body)
		}
	}
	expect("signed in", 200, `"Ada"`)
	pg.Exec(t, "delete from auth.sessions")
	expect("signed out", 401, `"SESSION_REVOKED"`)
	pg.Exec(t, signIn, session, ada)
	expect("signed in again", 200, `"Ada"`)
	pg.Exec(t, "update auth.users set banned_until = 'infinity'")
	expect("banned", 401, `"SESSION_REVOKED"`)
	pg.Exec(t, "drop function usergraph.session_is_live()")
	expect("cannot be told", 503, `"UNAVAILABLE"`)
	if status, body := ask(t, url, "", "{ __typename }"); status != 200 {
		t.Errorf("anonymous: %d %s", status, body)
	}
}

// With a maximum age, a positive result is cached for that long, and a negative one never.
func TestSessionCheckMaxAge(t *testing.T) {
	issuer, session := authtest.New(t), uuid.New()
	url, pg := startServer(t, issuer, "SESSION_CHECK", "always", "SESSION_CHECK_MAX_AGE", "1m")
	token := issuer.Token(ada, func(claims jwt.MapClaims) { claims["session_id"] = session.String() })
	if status, body := ask(t, url, token, whoAmI); status != 401 || !strings.Contains(body, `"SESSION_REVOKED"`) {
		t.Errorf("before the session: %d %s", status, body)
	}
	pg.Exec(t, "insert into auth.sessions (id, user_id) values ($1, $2)", session, ada)
	for range 2 {
		if status, body := ask(t, url, token, whoAmI); status != 200 {
			t.Errorf("signed in: %d %s", status, body)
		}
		pg.Exec(t, "delete from auth.sessions")
	}
	another := issuer.Token(ada, func(claims jwt.MapClaims) { claims["session_id"] = uuid.NewString() })
	if status, body := ask(t, url, another, whoAmI); status != 401 {
		t.Errorf("another session of the same user: %d %s", status, body)
	}
}

// A token of level 2 ends with its factor, whichever way that goes. The session's tokens of level 1 go on.
func TestSessionCheckOfSecondFactor(t *testing.T) {
	const session, factor = "a0000000-0000-4000-8000-000000000002", "a0000000-0000-4000-8000-000000000003"
	for _, maxAge := range []string{"0s", "1m"} {
		for name, test := range map[string]struct {
			change string
			status int
		}{
			"verified":               {"select 1", 200},
			"unenrolled":             {"delete from auth.mfa_factors; update auth.sessions set aal = 'aal1', factor_id = null", 401},
			"deleted":                {"delete from auth.mfa_factors", 401},
			"not verified":           {"update auth.mfa_factors set status = 'unverified'", 401},
			"session lowered":        {"update auth.sessions set aal = 'aal1'", 401},
			"session without levels": {"update auth.sessions set aal = null, factor_id = null", 401},
			"of another user":        {"insert into auth.users (id) values ('b0000000-0000-4000-8000-000000000002'); update auth.mfa_factors set user_id = 'b0000000-0000-4000-8000-000000000002'", 401},
		} {
			issuer := authtest.New(t)
			url, pg := startServer(t, issuer, "SESSION_CHECK", "always", "SESSION_CHECK_MAX_AGE", maxAge)
			pg.Exec(t, "insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at) values ($1, $2, 'totp', 'verified', now(), now())", factor, ada)
			pg.Exec(t, "insert into auth.sessions (id, user_id, aal, factor_id) values ($1, $2, 'aal2', $3)", session, ada, factor)
			pg.Exec(t, test.change)
			token := func(aal string) string {
				return issuer.Token(ada, func(claims jwt.MapClaims) { claims["session_id"], claims["aal"] = session, aal })
			}
			if status, body := ask(t, url, token("aal1"), whoAmI); status != 200 {
				t.Errorf("%s, max age %s, level 1: %d %s", name, maxAge, status, body)
			}
			if status, body := ask(t, url, token("aal2"), whoAmI); status != test.status || status == 401 && !strings.Contains(body, `"SESSION_REVOKED"`) {
				t.Errorf("%s, max age %s, level 2: %d %s", name, maxAge, status, body)
			}
		}
	}
}

func TestSessionsAreNotCheckedByDefault(t *testing.T) {
	issuer := authtest.New(t)
	url, _ := startServer(t, issuer)
	if status, body := ask(t, url, issuer.Token(ada), whoAmI); status != 200 || !strings.Contains(body, `"Ada"`) {
		t.Errorf("without a session: %d %s", status, body)
	}
}

// The server starts while the keys are unreachable, reports it, and recovers.
func TestStartsWithoutKeys(t *testing.T) {
	issuer := authtest.New(t)
	issuer.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	url, _ := startServer(t, issuer)
	readyz := func() (int, string) { return fetch(t, http.MethodGet, url+"/readyz") }
	if status, body := readyz(); status != 503 || !strings.Contains(body, `"keys":"the keys that verify tokens cannot be fetched"`) {
		t.Errorf("/readyz: %d %s", status, body)
	}
	token := issuer.Token(ada)
	if status, body := ask(t, url, token, whoAmI); status != 503 || !strings.Contains(body, `"UNAVAILABLE"`) {
		t.Errorf("with a token: %d %s", status, body)
	}
	issuer.Answer(nil)
	deadline := time.Now().Add(time.Minute)
	for {
		status, body := ask(t, url, token, whoAmI)
		if status == 200 && strings.Contains(body, `"Ada"`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not heal: %d %s", status, body)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if status, body := readyz(); status != 200 || !strings.Contains(body, `"keys":"ok"`) {
		t.Errorf("/readyz: %d %s", status, body)
	}
}

// Each setting accepts what is refused without it.
func TestSettingsOfTheVerifier(t *testing.T) {
	observed, err := telemetry.New(t.Context(), telemetry.Config{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	issuer := authtest.New(t)
	supabaseURL := strings.TrimSuffix(issuer.URL(), issuerPath)
	set := func(name string, value any) func(jwt.MapClaims) {
		return func(claims jwt.MapClaims) { claims[name] = value }
	}
	for _, test := range []struct {
		name  string
		token string
		env   []string
	}{
		{"custom domain", issuer.Token(ada, set("iss", "https://auth.example.com/auth/v1")), []string{"SUPABASE_JWT_ISSUER", "https://auth.example.com/auth/v1, " + issuer.URL()}},
		{"no issuer", issuer.Token(ada, set("iss", nil)), []string{"SUPABASE_ACCEPT_NO_ISSUER", "on"}},
		{"OAuth app", issuer.Token(ada, set("client_id", "app-2")), []string{"SUPABASE_OAUTH_CLIENTS", "app-1, app-2"}},
		{"secret", authtest.NewSecret(t, issuer.Secret()).Sign(issuer.Claims(ada)), []string{"SUPABASE_JWT_SECRET", string(issuer.Secret())}},
		{"secret only", authtest.NewSecret(t, issuer.Secret()).Sign(issuer.Claims(ada)), []string{"SUPABASE_JWT_SECRET", string(issuer.Secret()), "SUPABASE_JWKS", `{"keys":[]}`}},
		{"secret only, as a list", authtest.NewSecret(t, issuer.Secret()).Sign(issuer.Claims(ada)), []string{"SUPABASE_JWT_SECRET", string(issuer.Secret()), "SUPABASE_JWKS", ` [ ] `}},
		{"inline keys", issuer.Token(ada, set("iss", "https://abc.supabase.co/auth/v1")), []string{"SUPABASE_JWKS", string(issuer.JWKS()), "SUPABASE_URL", "https://abc.supabase.co"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			always := []string{"DATABASE_URL", "postgres://authenticator:x@db/postgres", "SUPABASE_URL", supabaseURL}
			verify := func(env []string) error {
				cfg, err := readConfig(environment(env...))
				if err != nil {
					t.Fatal(err)
				}
				verifier, err := newVerifier(cfg, nil, observed)
				if err != nil {
					t.Fatal(err)
				}
				defer verifier.Close()
				_, err = verifier.Verify(t.Context(), test.token)
				return err
			}
			if err := verify(always); !errors.Is(err, auth.ErrTokenInvalid) {
				t.Errorf("without the setting: %v", err)
			}
			if err := verify(append(test.env, always...)); err != nil {
				t.Errorf("with it: %v", err)
			}
		})
	}
}

func TestKeysAndCookies(t *testing.T) {
	always := []string{"DATABASE_URL", "postgres://authenticator:x@db/postgres", "SUPABASE_URL", "https://abc.supabase.co"}
	for _, test := range []struct {
		env    []string
		cookie string
		keys   string
		err    string
	}{
		{env: nil},
		{env: []string{"SESSION_COOKIE", "on"}, cookie: "sb-abc-auth-token"},
		{env: []string{"SESSION_COOKIE", "my-session"}, cookie: "my-session"},
		{env: []string{"SUPABASE_PUBLISHABLE_KEY", "sb_publishable_a", "API_KEY_REQUIRED", "on"}, keys: "sb_publishable_a"},
		{env: []string{"SUPABASE_PUBLISHABLE_KEYS", `{"web":"sb_publishable_b","ios":"sb_publishable_a"}`}, keys: "sb_publishable_a sb_publishable_b"},
		{env: []string{"SUPABASE_PUBLISHABLE_KEYS", "{"}, err: "SUPABASE_PUBLISHABLE_KEYS is not a JSON object"},
		{env: []string{"API_KEY_REQUIRED", "on"}, err: "API_KEY_REQUIRED needs SUPABASE_PUBLISHABLE_KEYS"},
		{env: []string{"SUPABASE_OTHER_PROJECTS", "https://other.example"}, err: "SUPABASE_OTHER_PROJECTS is no setting any more"},
		{env: []string{"SUPABASE_OTHER_PROJECTS", " "}, err: "Take it out and run one server for each project"},
		{env: []string{"SESSION_COOKIE_ORIGINS", "app.example.com"}, err: "SESSION_COOKIE_ORIGINS has an entry"},
		{env: []string{"SESSION_CHECK", "sometimes"}, err: "SESSION_CHECK"},
		{env: []string{"SUPABASE_JWKS_MAX_STALE", "1s"}, err: "SUPABASE_JWKS_MAX_STALE"},
	} {
		c, err := readConfig(environment(append(test.env, always...)...))
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%v: %v", test.env, err)
			}
			continue
		}
		if err != nil || c.sessionCookie != test.cookie || strings.Join(c.publishableKeys, " ") != test.keys {
			t.Errorf("%v: %v, cookie %q, keys %v", test.env, err, c.sessionCookie, c.publishableKeys)
		}
	}
}

// A self-hosted project without keys, reached by a name of its own network: HS256, no iss, nothing is fetched.
func TestSelfHosted(t *testing.T) {
	secret := strings.Repeat("secret of our own", 3)
	project := []string{"SUPABASE_URL", "http://kong.invalid:8000", "SUPABASE_JWT_SECRET", secret}
	_, err := readConfig(environment(append(project, "DATABASE_URL", "postgres://authenticator:x@db/postgres")...))
	if err == nil || !strings.Contains(err.Error(), `SUPABASE_JWKS={"keys":[]}`) {
		t.Errorf("with keys to fetch over http: %v", err)
	}
	project = append(project, "SUPABASE_JWKS", `{"keys":[]}`)
	_, err = readConfig(environment(append(project, "DATABASE_URL", "postgres://authenticator:x@db/postgres", "SUPABASE_JWKS_URL", "http://kong.invalid:8000/jwks.json")...))
	if err == nil || !strings.Contains(err.Error(), "both set") {
		t.Errorf("with a key set over http: %v", err)
	}
	_, err = readConfig(environment("SUPABASE_URL", "http://kong.invalid:8000", "SUPABASE_JWKS", `{"keys":[]}`, "DATABASE_URL", "postgres://authenticator:x@db/postgres",
		"SUPABASE_JWT_SECRET", "your-super-secret-jwt-token-with-at-least-32-characters-long"))
	if err == nil || !strings.Contains(err.Error(), "publishes") {
		t.Errorf("the example's secret: %v", err)
	}

	pg := pgtest.New(t)
	pg.Exec(t, `insert into auth.users (id, email, raw_user_meta_data) values ($1, 'ada@example.com', '{"full_name":"Ada"}')`, ada)
	now := time.Now().Unix()
	token := authtest.NewSecret(t, []byte(secret)).Sign(jwt.MapClaims{"sub": ada.String(), "aud": "authenticated", "role": "authenticated", "iat": now, "exp": now + 60})
	for name, test := range map[string]struct {
		env    []string
		status int
	}{"without SUPABASE_ACCEPT_NO_ISSUER": {nil, 401}, "with it": {[]string{"SUPABASE_ACCEPT_NO_ISSUER", "on", "PLAYGROUND", "on", "INTROSPECTION", "on", "SUPABASE_PUBLISHABLE_KEY", "sb_publishable_x"}, 200}} {
		url := serveAPI(t, testAPI, append(append(test.env, project...), "DATABASE_URL", pg.URL)...)
		status, body := ask(t, url, token, whoAmI)
		if status != test.status || strings.Contains(body, "SUPABASE_") {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if status, body := fetch(t, http.MethodGet, url+"/readyz"); status != 200 {
			t.Errorf("%s, /readyz: %d %s", name, status, body)
		}
		if _, page := fetch(t, http.MethodGet, url+"/playground"); strings.Contains(page, "kong.invalid") {
			t.Errorf("%s: the playground would send passwords over http", name)
		}
	}
}

// An inline key set without keys means that only the secret verifies. Without a secret the server does not start.
func TestEmptyInlineKeys(t *testing.T) {
	observed, err := telemetry.New(t.Context(), telemetry.Config{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	issuer := authtest.New(t)
	env := []string{"DATABASE_URL", "postgres://authenticator:x@db/postgres", "SUPABASE_URL", strings.TrimSuffix(issuer.URL(), issuerPath), "SUPABASE_JWKS", `{"keys":[]}`}
	if _, err := readConfig(environment(env...)); err == nil || !strings.Contains(err.Error(), "SUPABASE_JWKS: it has no keys") || !strings.Contains(err.Error(), "SUPABASE_JWT_SECRET") {
		t.Error(err)
	}
	cfg, err := readConfig(environment(append(env, "SUPABASE_JWT_SECRET", string(issuer.Secret()))...))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := newVerifier(cfg, nil, observed)
	if err != nil {
		t.Fatal(err)
	}
	defer verifier.Close()
	if err := verifier.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := verifier.Verify(t.Context(), issuer.Token(ada)); !errors.Is(err, auth.ErrTokenInvalid) {
		t.Errorf("a token of no secret: %v", err)
	}
	if n := issuer.Fetches(); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

// A project that signs with its secret and has no key set becomes ready.
func TestReadyWithoutKeySet(t *testing.T) {
	issuer := authtest.New(t)
	issuer.UseSecret()
	issuer.Answer(http.NotFound)
	url, _ := startServer(t, issuer, "SUPABASE_JWT_SECRET", string(issuer.Secret()))
	if status, body := fetch(t, http.MethodGet, url+"/readyz"); status != 200 || !strings.Contains(body, `"keys":"ok"`) {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if status, body := ask(t, url, issuer.Token(ada), whoAmI); status != 200 || !strings.Contains(body, `"Ada"`) {
		t.Errorf("%d %s", status, body)
	}
}

// Whatever claims Supabase Auth signs, PostgreSQL and the functions of the schema auth can read them, or the token is
// refused first. It never causes a 503 or 500.
func TestOddClaims(t *testing.T) {
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	nested := func(depth int) any { return raw(strings.Repeat("[", depth) + strings.Repeat("]", depth)) }
	session := uuid.New()
	odd := []struct {
		name  string
		value any
	}{
		{"session_id", ""}, {"session_id", nil}, {"session_id", " "}, {"session_id", "x"}, {"session_id", 1}, {"session_id", []string{}},
		{"session_id", uuid.Nil.String()}, {"session_id", strings.ToUpper(session.String())}, {"session_id", "{" + session.String() + "}"},
		{"session_id", session.String() + " "}, {"session_id", strings.ReplaceAll(session.String(), "-", "")}, {"session_id", uuid.NewString()},
		{"sub", ""}, {"sub", nil}, {"sub", "ada"}, {"sub", strings.ToUpper(ada.String())}, {"sub", uuid.Nil.String()}, {"sub", ada.String() + "\n"},
		{"role", ""}, {"role", nil}, {"role", "anon"}, {"role", "postgres"}, {"role", "authenticated "},
		{"aal", ""}, {"aal", nil}, {"aal", "aal9"}, {"aal", 1}, {"aal", "'"}, {"aal", strings.Repeat("a", 5000)},
		{"is_anonymous", nil}, {"is_anonymous", ""}, {"is_anonymous", "yes"}, {"is_anonymous", 1},
		{"email", nil}, {"email", strings.Repeat("é", 2000)}, {"phone", nil}, {"amr", nil}, {"amr", "x"}, {"amr", 1}, {"client_id", ""}, {"client_id", nil},
		{"app_metadata", nil}, {"app_metadata", ""}, {"app_metadata", []int{1}}, {"app_metadata", "x"}, {"user_metadata", 1},
		{"nbf", 0}, {"nbf", nil}, {"iat", nil}, {"iat", 0},
		{"hook", raw("1e200000")}, {"hook", raw("-1E+131072")}, {"hook", raw("1e-20000")}, {"hook", raw("1e99999999999999999999")}, {"hook", raw("0e-99999")},
		{"hook", raw(`{"a":[1,{"b":1e131072}]}`)}, {"hook", raw("1e400")}, {"hook", raw("1.5e-300")}, {"hook", raw("1" + strings.Repeat("0", 9000))},
		{"hook", raw("0." + strings.Repeat("0", 9000) + "1")}, {"hook", raw("1e0000000000000000001")}, {"hook", "1e200000"}, {"1e200000", "x"},
		{"hook", nested(1000)}, {"hook", nested(5500)}, {"hook", raw(strings.Repeat(`{"":`, 1700) + "1" + strings.Repeat("}", 1700))},
		{"hook", raw(`"\u0001\u001f\ufffe\uffff"`)}, {"hook", raw(`{"":{"":""}}`)}, {strings.Repeat("n", 9000), 1},
	}
	for _, check := range []string{"off", "always"} {
		issuer := authtest.New(t)
		url, pg := startServer(t, issuer, "SESSION_CHECK", check)
		pg.Exec(t, "insert into auth.sessions (id, user_id) values ($1, $2)", session, ada)
		for _, claim := range odd {
			token := issuer.Token(ada, func(claims jwt.MapClaims) {
				claims["session_id"] = session.String()
				claims[claim.name] = claim.value
			})
			status, body := ask(t, url, token, whoAmI)
			if text, _ := json.Marshal(claim.value); status != 401 && (status != 200 || strings.Contains(body, `"errors"`)) {
				t.Errorf("SESSION_CHECK=%s, %.20q: %.40s: %d %s", check, claim.name, text, status, body)
			}
		}
	}
}
