package devauth_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"usergraph/internal/devauth"
)

const (
	callback = "http://127.0.0.1:7777/callback?from=agent"
	bob      = "b0000000-0000-4000-8000-000000000002"
	// verifier is the example of RFC 7636, appendix B, and challengeOfIt its challenge.
	verifier      = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challengeOfIt = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// app is the response to a registration, to a token request, or to an error of either.
type app struct {
	ClientID    string   `json:"client_id"`
	Secret      string   `json:"client_secret"`
	Type        string   `json:"client_type"`
	AuthMethod  string   `json:"token_endpoint_auth_method"`
	Access      string   `json:"access_token"`
	Refresh     string   `json:"refresh_token"`
	IDToken     string   `json:"id_token"`
	Issuer      string   `json:"issuer"`
	Register    string   `json:"registration_endpoint"`
	Authorize   string   `json:"authorization_endpoint"`
	Token       string   `json:"token_endpoint"`
	Challenges  []string `json:"code_challenge_methods_supported"`
	OAuthError  string   `json:"error"`
	Code        string   `json:"error_code"`
	Message     string   `json:"msg"`
	Description string   `json:"error_description"`
	RedirectURL string   `json:"redirect_url"`
	Scope       string   `json:"scope"`
	Client      struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"client"`
	User struct {
		Email string `json:"email"`
	} `json:"user"`

	status int
	text   string
	header http.Header
}

// ask sends a request without a key, and follows no redirect. header are pairs.
func (s *standIn) ask(method, path, body string, header ...string) app {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := app{status: response.StatusCode, text: string(text), header: response.Header}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(text, &a); err != nil && text[0] == '{' {
			s.t.Fatalf("%s %s: %v: %s", method, path, err, text)
		}
	}
	return a
}

func (s *standIn) register(body string) app {
	s.t.Helper()
	return s.ask("POST", "/auth/v1/oauth/clients/register", body, "Content-Type", "application/json")
}

// public registers a client without a secret.
func (s *standIn) public() app {
	s.t.Helper()
	a := s.register(`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"none","client_name":"Agent <b>"}`)
	if a.status != 201 || a.Secret != "" || a.Type != "public" {
		s.t.Fatal(a.text)
	}
	return a
}

// authorize asks for an authorization. change are pairs of parameters; an empty value removes one.
func (s *standIn) authorize(c app, change ...string) (a app, to *url.URL) {
	s.t.Helper()
	query := url.Values{
		"client_id": {c.ClientID}, "redirect_uri": {callback}, "response_type": {"code"}, "state": {"a b&c"}, "scope": {"openid email"},
		"code_challenge": {challengeOfIt}, "code_challenge_method": {"S256"}, "resource": {"http://127.0.0.1:8080/mcp"}, "nonce": {"once"},
	}
	for i := 0; i < len(change); i += 2 {
		query.Set(change[i], change[i+1])
		if change[i+1] == "" {
			query.Del(change[i])
		}
	}
	a = s.ask("GET", "/auth/v1/oauth/authorize?"+query.Encode(), "")
	to, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		s.t.Fatal(err)
	}
	return a, to
}

// pending returns the id of a new request.
func (s *standIn) pending(c app, change ...string) string {
	s.t.Helper()
	a, to := s.authorize(c, change...)
	id := to.Query().Get("authorization_id")
	if a.status != 302 || id == "" {
		s.t.Fatal(a.status, a.text, to)
	}
	return id
}

func (s *standIn) details(token, id string) app {
	s.t.Helper()
	return s.ask("GET", "/auth/v1/oauth/authorizations/"+id, "", "apikey", "x", "Authorization", "Bearer "+token)
}

func (s *standIn) decide(token, id, action string) app {
	s.t.Helper()
	return s.ask("POST", "/auth/v1/oauth/authorizations/"+id+"/consent", `{"action":"`+action+`"}`, "apikey", "x", "Authorization", "Bearer "+token)
}

// code lets the user of a token approve a request of the client.
func (s *standIn) code(c app, token string, change ...string) string {
	s.t.Helper()
	id := s.pending(c, change...)
	a := s.details(token, id)
	if a.RedirectURL == "" { // consented before
		a = s.decide(token, id, "approve")
	}
	to, err := url.Parse(a.RedirectURL)
	if err != nil || to.Query().Get("code") == "" || to.Query().Get("state") != "a b&c" || to.Query().Get("from") != "agent" {
		s.t.Fatal(a.text)
	}
	return to.Query().Get("code")
}

// redeem asks for tokens. change are pairs of parameters; an empty value removes one.
func (s *standIn) redeem(c app, code string, change ...string) app {
	s.t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {c.ClientID}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {callback}}
	var header []string
	for i := 0; i < len(change); i += 2 {
		if change[i] == "Authorization" {
			header = change[i : i+2]
			continue
		}
		form.Set(change[i], change[i+1])
		if change[i+1] == "" {
			form.Del(change[i])
		}
	}
	return s.ask("POST", "/auth/v1/oauth/token", form.Encode(), append(header, "Content-Type", "application/x-www-form-urlencoded")...)
}

func TestMetadataOfAuthorizationServer(t *testing.T) {
	s := start(t)
	for _, path := range []string{
		"/.well-known/oauth-authorization-server/auth/v1", "/auth/v1/.well-known/oauth-authorization-server", "/auth/v1/.well-known/openid-configuration",
	} {
		a := s.ask("GET", path, "")
		of := s.url + "/auth/v1"
		if a.status != 200 || a.Issuer != of || a.Register != of+"/oauth/clients/register" || a.Authorize != of+"/oauth/authorize" || a.Token != of+"/oauth/token" || a.Challenges[0] != "S256" {
			t.Errorf("%s: %d %s", path, a.status, a.text)
		}
	}
}

func TestClientsRegister(t *testing.T) {
	s := start(t)
	c := s.register(`{"redirect_uris":["https://chat.example.com/cb","cursor://anysphere/cb","http://localhost:1/cb","http://[::1]:1/cb"],"client_name":"x","client_secret":"mine"}`)
	if c.status != 201 || c.Type != "confidential" || c.AuthMethod != "client_secret_basic" || len(c.Secret) < 20 {
		t.Fatal(c.text)
	}
	if kept := one[string](s, "select client_secret_hash || redirect_uris from auth.oauth_clients"); strings.Contains(kept, c.Secret) {
		t.Error("the secret is kept as it is")
	}
	long := strings.Repeat("x", 2049)
	for body, want := range map[string]string{
		`{`:                       "bad_json",
		`{}`:                      "redirect_uris is required",
		`{"redirect_uris":["x"]}`: "scheme and host",
		`{"redirect_uris":["http://127.0.0.2/cb"]}`:                                                         "HTTP scheme only allowed for localhost",
		`{"redirect_uris":["http://example.com/cb"]}`:                                                       "HTTP scheme only allowed for localhost",
		`{"redirect_uris":["JavaScript://x/%0aalert(1)"]}`:                                                  "not allowed for security",
		`{"redirect_uris":["https://x/#a"]}`:                                                                "fragment",
		`{"redirect_uris":["https://x/a,https://y/b"]}`:                                                     "comma",
		`{"redirect_uris":["https://x/\u0000"]}`:                                                            "invalid redirect_uri",
		`{"redirect_uris":["https://x/` + long + `"]}`:                                                      "exceed",
		`{"redirect_uris":[` + strings.Repeat(`"https://x/",`, 10) + `"https://x/"]}`:                       "10 items",
		`{"redirect_uris":["https://x/"],"client_name":"` + long + `"}`:                                     "client_name",
		`{"redirect_uris":["https://x/"],"client_name":"\u0000"}`:                                           "client_name",
		`{"redirect_uris":["https://x/"],"client_uri":"x"}`:                                                 "client_uri",
		`{"redirect_uris":["https://x/"],"logo_uri":"https://` + long + `"}`:                                "logo_uri",
		`{"redirect_uris":["https://x/"],"grant_types":["password"]}`:                                       "grant_types",
		`{"redirect_uris":["https://x/"],"grant_types":["refresh_token","refresh_token","refresh_token"]}`:  "grant_types",
		`{"redirect_uris":["https://x/"],"client_type":"secret"}`:                                           "client_type",
		`{"redirect_uris":["https://x/"],"token_endpoint_auth_method":"private_key_jwt"}`:                   "token_endpoint_auth_method",
		`{"redirect_uris":["https://x/"],"token_endpoint_auth_method":"none","client_type":"confidential"}`: "inconsistent",
		`{"redirect_uris":["https://x/"],"client_name":"` + strings.Repeat(long, 40) + `"}`:                 "bad_json",
	} {
		if a := s.register(body); a.status != 400 || !strings.Contains(a.text, want) {
			t.Errorf("%.80s: %d %.200s", body, a.status, a.text)
		}
	}
	s.db.Exec(t, `insert into auth.oauth_clients (id, registration_type, redirect_uris, grant_types, token_endpoint_auth_method)
		select gen_random_uuid(), 'manual', 'https://x/', 'authorization_code', 'none' from generate_series(1, 999)`)
	if a := s.register(`{"redirect_uris":["https://x/"]}`); a.status != 429 || !strings.Contains(a.Message, "--reset") {
		t.Errorf("the client after the last: %s", a.text)
	}
}

// Errors of a client or page that cannot be trusted are shown; all others go to the client's page.
func TestAuthorizeRefuses(t *testing.T) {
	s := start(t)
	c := s.public()
	for want, change := range map[string][]string{
		"client_id is required":    {"client_id", ""},
		"redirect_uri is required": {"redirect_uri", ""},
		"oauth_client_not_found":   {"client_id", ada},
		"invalid client_id format": {"client_id", "\x00"},
		"invalid redirect_uri":     {"redirect_uri", callback + "&more"},
	} {
		if a, to := s.authorize(c, change...); a.status != 400 || to.String() != "" || !strings.Contains(a.text, want) {
			t.Errorf("%q: %d %s %s", change, a.status, a.text, to)
		}
	}
	for want, change := range map[string][]string{
		"response_type=code":       {"response_type", "token"},
		"requires both":            {"code_challenge", ""},
		"PKCE flow":                {"code_challenge_method", ""},
		"between 43":               {"code_challenge", "short"},
		"'S256'":                   {"code_challenge_method", "S512"},
		"unsupported scope: admin": {"scope", "email admin"},
		"scope parameter":          {"scope", "  "},
		"absolute URI":             {"resource", "/mcp"},
		"query component":          {"resource", "http://x/mcp?a"},
		"fragment component":       {"resource", "http://x/mcp#a"},
		"valid URI":                {"resource", "http://x/\x00"},
		"error creating":           {"state", strings.Repeat("x", 4097)},
		"creating authorization":   {"nonce", "\x00"},
	} {
		a, to := s.authorize(c, change...)
		query := to.Query()
		kind := "invalid_request"
		if strings.Contains(want, "creating") {
			kind = "server_error"
		}
		if a.status != 302 || to.Host != "127.0.0.1:7777" || query.Get("error") != kind || !strings.Contains(query.Get("error_description"), want) ||
			query.Get("state") != "a b&c" && change[0] != "state" || query.Get("from") != "agent" {
			t.Errorf("%.60q: %d %s", change, a.status, to)
		}
	}
	if got := one[int](s, "select count(*) from auth.oauth_authorizations"); got != 0 {
		t.Errorf("%d requests are kept", got)
	}
}

func TestRequestsAreBounded(t *testing.T) {
	s := start(t)
	c := s.public()
	s.db.Exec(t, `insert into auth.oauth_authorizations (id, authorization_id, client_id, redirect_uri, scope, created_at, expires_at)
		select gen_random_uuid(), i::text, '`+c.ClientID+`', 'https://x/', 'email', now() - interval '1 hour', now() + case when i <= 1000 then 1 else -1 end * interval '1 minute'
		from generate_series(1, 1500) i`)
	if _, to := s.authorize(c); to.Query().Get("error") != "temporarily_unavailable" {
		t.Errorf("the request after the last: %s", to)
	}
	if got := one[int](s, "select count(*) from auth.oauth_authorizations"); got != 1000 {
		t.Errorf("%d requests are kept", got)
	}
}

func TestAppActsUntilRevoked(t *testing.T) {
	s := start(t)
	c, mine := s.public(), s.signIn()
	id := s.pending(c)
	if a := s.details(mine.AccessToken, id); a.Client.ID != c.ClientID || a.Client.Name != "Agent <b>" || a.User.Email != "ada@example.com" || a.Scope != "openid email" {
		t.Fatal(a.text)
	}
	to, err := url.Parse(s.decide(mine.AccessToken, id, "approve").RedirectURL)
	if err != nil {
		t.Fatal(err)
	}
	given := s.redeem(c, to.Query().Get("code"))
	if given.status != 200 || given.header.Get("Cache-Control") != "no-store" {
		t.Fatal(given.text)
	}
	got := claims(t, given.Access)
	if got["sub"] != ada || got["client_id"] != c.ClientID || got["scope"] != "openid email" || got["aud"] != "authenticated" || got["aal"] != "aal1" ||
		fmt.Sprint(got["amr"].([]any)[0].(map[string]any)["method"]) != "oauth_provider/authorization_code" {
		t.Errorf("claims: %v", got)
	}
	if who := claims(t, given.IDToken); who["sub"] != ada || who["aud"] != c.ClientID || who["nonce"] != "once" || who["email"] != "ada@example.com" {
		t.Errorf("claims of the ID token: %v", who)
	}
	session := one[string](s, "select oauth_client_id || ' ' || scopes from auth.sessions where id = $1", got["session_id"])
	if session != c.ClientID+" openid email" {
		t.Errorf("session: %s", session)
	}

	// The refresh token is the client's, and not a browser's.
	if a := s.refresh(given.Refresh); a.status != 400 || !strings.Contains(a.text, "Client authentication required") {
		t.Errorf("as a browser: %s", a.text)
	}
	if a := s.redeem(s.public(), "", "grant_type", "refresh_token", "refresh_token", given.Refresh); a.OAuthError != "invalid_client" {
		t.Errorf("another client: %s", a.text)
	}
	if a := s.redeem(c, "", "grant_type", "refresh_token", "refresh_token", mine.RefreshToken); a.OAuthError != "invalid_client" {
		t.Errorf("a browser's refresh token: %s", a.text)
	}
	next := s.redeem(c, "", "grant_type", "refresh_token", "refresh_token", given.Refresh)
	if again := claims(t, next.Access); again["client_id"] != c.ClientID || again["scope"] != "openid email" || again["session_id"] != got["session_id"] || next.Refresh == given.Refresh {
		t.Errorf("refreshed: %s", next.text)
	}

	// Who has consented is not asked again, but for more.
	if a := s.details(mine.AccessToken, s.pending(c, "scope", "email")); a.RedirectURL == "" {
		t.Errorf("asked again: %s", a.text)
	}
	if a := s.details(mine.AccessToken, s.pending(c, "scope", "email phone")); a.Client.ID != c.ClientID {
		t.Errorf("not asked for more: %s", a.text)
	}

	as := []string{"Authorization", "Bearer " + mine.AccessToken, "apikey", "x"}
	if a := s.ask("GET", "/auth/v1/user/oauth/grants", "", as...); !strings.HasPrefix(a.text, `[{"client":{"id":"`+c.ClientID) || !strings.Contains(a.text, `"scopes":["openid","email"]`) {
		t.Errorf("grants: %s", a.text)
	}
	if a := s.ask("DELETE", "/auth/v1/user/oauth/grants?client_id="+c.ClientID, "", as...); a.status != 204 {
		t.Fatal(a.text)
	}
	if n := one[int](s, "select count(*) from auth.sessions where oauth_client_id is not null"); n != 0 {
		t.Errorf("%d sessions of the app go on", n)
	}
	if a := s.redeem(c, "", "grant_type", "refresh_token", "refresh_token", next.Refresh); a.Code != "refresh_token_not_found" {
		t.Errorf("refreshed after the end: %s", a.text)
	}
	if a := s.send("GET", "/user", "", s.as(mine.AccessToken)...); a.status != 200 {
		t.Errorf("the user's own session: %s", a.text)
	}
	if a := s.ask("GET", "/auth/v1/user/oauth/grants", "", as...); strings.TrimSpace(a.text) != "[]" {
		t.Errorf("grants: %s", a.text)
	}
	for query, want := range map[string]string{"?client_id=" + c.ClientID: "oauth_consent_not_found", "": "validation_failed"} {
		if a := s.ask("DELETE", "/auth/v1/user/oauth/grants"+query, "", as...); a.Code != want {
			t.Errorf("revoked again: %s", a.text)
		}
	}
	if a := s.details(mine.AccessToken, s.pending(c)); a.Client.ID != c.ClientID {
		t.Errorf("not asked after the revocation: %s", a.text)
	}
}

// A code is good once, for ten minutes, for its client with its verifier.
func TestCodesAreRefused(t *testing.T) {
	s := start(t)
	c, other, mine := s.public(), s.public(), s.signIn().AccessToken
	code := s.code(c, mine)
	for name, of := range map[string]struct {
		client app
		change []string
		want   string
	}{
		"unknown":               {c, []string{"code", "x"}, "invalid_grant"},
		"no text":               {c, []string{"code", "\x00"}, "invalid_grant"},
		"no code":               {c, []string{"code", ""}, "invalid_request"},
		"another client":        {other, nil, "invalid_grant"},
		"no verifier":           {c, []string{"code_verifier", ""}, "invalid_grant"},
		"another verifier":      {c, []string{"code_verifier", verifier + "x"}, "invalid_grant"},
		"the challenge":         {c, []string{"code_verifier", challengeOfIt}, "invalid_grant"},
		"another page":          {c, []string{"redirect_uri", "http://127.0.0.1:7777/"}, "invalid_grant"},
		"no grant type":         {c, []string{"grant_type", ""}, "invalid_request"},
		"password":              {c, []string{"grant_type", "password"}, "unsupported_grant_type"},
		"no refresh token":      {c, []string{"grant_type", "refresh_token"}, "invalid_request"},
		"an unknown client":     {c, []string{"client_id", ada}, "Invalid client credentials"},
		"no client":             {c, []string{"client_id", ""}, "Invalid client credentials"},
		"a public one's secret": {c, []string{"client_secret", "x"}, "invalid authentication method"},
	} {
		if a := s.redeem(of.client, code, of.change...); a.status != 400 || !strings.Contains(a.text, of.want) || a.Access != "" {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
	}
	body := fmt.Sprintf(`{"grant_type":"authorization_code","client_id":%q,"code":%q,"code_verifier":%q,"resource":"http://127.0.0.1:8080/other"}`, c.ClientID, code, verifier)
	if a := s.ask("POST", "/auth/v1/oauth/token", body, "Content-Type", "application/json"); a.OAuthError != "invalid_grant" {
		t.Errorf("another resource: %s", a.text)
	}
	if a := s.redeem(c, code, "resource", "http://127.0.0.1:8080/other"); a.status != 200 { // of a form, it is not read
		t.Fatal(a.text)
	}
	if a := s.redeem(c, code); a.OAuthError != "invalid_grant" {
		t.Errorf("used twice: %s", a.text)
	}
	late := s.code(c, mine)
	s.db.Exec(t, "update auth.oauth_authorizations set created_at = now() - interval '1 hour', expires_at = now() - interval '1 second'")
	if a := s.redeem(c, late); a.OAuthError != "invalid_grant" {
		t.Errorf("too late: %s", a.text)
	}
	banned := s.code(c, mine)
	s.db.Exec(t, "update auth.users set banned_until = now() + interval '1 day'")
	if a := s.redeem(c, banned); a.OAuthError != "access_denied" {
		t.Errorf("banned: %s", a.text)
	}
}

func TestConfidentialClients(t *testing.T) {
	s := start(t)
	mine := s.signIn().AccessToken
	register := func(method string) app {
		return s.register(`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"` + method + `"}`)
	}
	basic, post := register("client_secret_basic"), register("client_secret_post")
	header := func(c app, secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.ClientID+":"+secret))
	}
	code := s.code(basic, mine)
	for name, change := range map[string][]string{
		"no secret":      nil,
		"in the body":    {"client_secret", basic.Secret},
		"another secret": {"Authorization", header(basic, post.Secret)},
		"the hash":       {"Authorization", header(basic, one[string](s, "select client_secret_hash from auth.oauth_clients where id = $1", basic.ClientID))},
	} {
		if a := s.redeem(basic, code, change...); a.status != 400 || a.Code != "invalid_credentials" {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
	}
	if a := s.redeem(basic, code, "Authorization", header(basic, basic.Secret)); a.status != 200 {
		t.Error(a.text)
	}
	// Supabase Auth takes JSON, too. The method plain is its own.
	code = s.code(post, mine, "code_challenge", verifier, "code_challenge_method", "plain", "scope", "email")
	body := fmt.Sprintf(`{"grant_type":"authorization_code","client_id":%q,"client_secret":%q,"code":%q,"code_verifier":%q}`, post.ClientID, post.Secret, code, verifier)
	if a := s.ask("POST", "/auth/v1/oauth/token", body, "Content-Type", "application/json"); a.status != 200 || a.IDToken != "" {
		t.Error(a.text)
	}
	if a := s.ask("POST", "/auth/v1/oauth/token", "{", "Content-Type", "application/json"); a.Code != "invalid_credentials" {
		t.Error(a.text)
	}
	s.db.Exec(t, "update auth.oauth_clients set deleted_at = now()")
	if a := s.redeem(basic, "x", "Authorization", header(basic, basic.Secret)); a.Code != "invalid_credentials" {
		t.Errorf("a deleted client: %s", a.text)
	}
}

func TestConsentRefuses(t *testing.T) {
	s := start(t)
	c, adas := s.public(), s.signIn().AccessToken
	bobs := s.send("POST", "/token?grant_type=password", `{"email":"bob@example.com","password":"usergraph-dev"}`).AccessToken
	id := s.pending(c)
	if a := s.ask("GET", "/auth/v1/oauth/authorizations/"+id, ""); a.Code != "no_api_key" {
		t.Errorf("without a key: %s", a.text)
	}
	if a := s.ask("GET", "/auth/v1/oauth/authorizations/"+id, "", "apikey", "x"); a.status != 401 {
		t.Errorf("without a user: %s", a.text)
	}
	if a := s.decide(adas, id, "approve"); a.Code != "oauth_authorization_not_found" {
		t.Errorf("approved unseen: %s", a.text)
	}
	s.details(adas, id)
	for name, a := range map[string]app{"seen": s.details(bobs, id), "approved": s.decide(bobs, id, "approve"), "unknown": s.decide(adas, "x", "approve"), "no text": s.details(adas, "%00")} {
		if a.Code != "oauth_authorization_not_found" {
			t.Errorf("%s by another user: %s", name, a.text)
		}
	}
	if a := s.decide(adas, id, "maybe"); a.Code != "validation_failed" {
		t.Error(a.text)
	}
	to, err := url.Parse(s.decide(adas, id, "deny").RedirectURL)
	if err != nil || to.Query().Get("error") != "access_denied" || to.Query().Get("state") != "a b&c" {
		t.Error(to, err)
	}
	if a := s.decide(adas, id, "approve"); !strings.Contains(a.Message, "no longer pending") {
		t.Errorf("approved after all: %s", a.text)
	}
	id = s.pending(c)
	s.db.Exec(t, "update auth.oauth_authorizations set created_at = now() - interval '1 hour', expires_at = now() - interval '1 second'")
	if a := s.details(adas, id); a.Code != "oauth_authorization_not_found" {
		t.Errorf("too late: %s", a.text)
	}
}

// The page of an app without one of its own.
func TestConsentPage(t *testing.T) {
	s := start(t)
	c := s.public()
	id := s.pending(c)
	page := "/auth/v1/oauth/consent?authorization_id=" + id
	a := s.ask("GET", page, "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
	if a.status != 200 || !strings.Contains(a.text, "Agent &lt;b&gt; wants") || !strings.Contains(a.text, ada) || !strings.Contains(a.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Fatal(a.status, a.text)
	}
	if a := s.ask("GET", page, "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"); a.status != 403 {
		t.Errorf("in a frame: %d", a.status)
	}
	if a := s.ask("GET", "/auth/v1/oauth/consent?authorization_id=x", ""); a.status != 404 {
		t.Errorf("unknown: %d", a.status)
	}
	submit := func(origin, user, action string) (app, *url.URL) {
		form := url.Values{"authorization_id": {id}, "user": {user}, "action": {action}}
		a := s.ask("POST", "/auth/v1/oauth/consent", form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Origin", origin)
		to, err := url.Parse(a.header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		return a, to
	}
	for _, of := range []struct {
		origin, user, action string
		status               int
	}{
		{"http://127.0.0.1:1", bob, "approve", 403}, {"http://example.com", bob, "approve", 403}, {"null", bob, "approve", 403}, {"", bob, "approve", 403},
		{s.url, c.ClientID, "approve", 400}, {s.url, "x", "approve", 400}, {s.url, bob, "", 400},
	} {
		if a, to := submit(of.origin, of.user, of.action); a.status != of.status || to.String() != "" {
			t.Errorf("%v: %d %s", of, a.status, to)
		}
	}
	a, to := submit(s.url, bob, "approve")
	if a.status != 303 || to.Query().Get("state") != "a b&c" || to.Query().Get("iss") != s.url+"/auth/v1" {
		t.Fatal(a.status, to, a.text)
	}
	if got := claims(t, s.redeem(c, to.Query().Get("code")).Access); got["sub"] != bob {
		t.Errorf("claims: %v", got)
	}
	if a, _ := submit(s.url, bob, "approve"); a.status != 404 {
		t.Errorf("sent twice: %d %s", a.status, a.text)
	}
	id = s.pending(c)
	if _, to := submit(s.url, bob, "deny"); to.Query().Get("error") != "access_denied" || to.Query().Get("iss") != s.url+"/auth/v1" {
		t.Errorf("refused: %s", to)
	}
}

func TestConsentPageOfTheApp(t *testing.T) {
	s := start(t, func(cfg *devauth.Config) { cfg.ConsentPage = "http://localhost:3000/oauth/consent" })
	if _, to := s.authorize(s.public()); to.Host != "localhost:3000" || to.Path != "/oauth/consent" || to.Query().Get("authorization_id") == "" {
		t.Error(to)
	}
}

// A project of an older Auth goes on without.
func TestNoTablesForClients(t *testing.T) {
	s := start(t)
	s.db.Exec(t, `alter table auth.sessions drop column oauth_client_id, drop column scopes; drop table auth.oauth_consents, auth.oauth_authorizations, auth.oauth_clients`)
	older, err := devauth.Open(t.Context(), s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer older.Close()
	served := httptest.NewServer(older.Handler())
	defer served.Close()
	s.url = served.URL
	mine := s.signIn()
	if a := s.refresh(mine.RefreshToken); a.status != 200 {
		t.Error(a.text)
	}
	for _, path := range []string{"/.well-known/oauth-authorization-server/auth/v1", "/auth/v1/oauth/authorize"} {
		if a := s.ask("GET", path, ""); a.Code != "feature_disabled" {
			t.Errorf("%s: %d %s", path, a.status, a.text)
		}
	}
}

// The scopes decide what the ID token and the endpoint of OpenID Connect say of the user.
func TestScopesDecideWhoTheUserIs(t *testing.T) {
	s := start(t)
	mine := s.signIn().AccessToken
	s.db.Exec(t, `update auth.users set raw_user_meta_data = raw_user_meta_data || '{"username":"countess","avatar_url":"https://example.com/ada.png"}'`)
	for scope, want := range map[string][]string{
		"openid":         nil,
		"openid email":   {"email", "email_verified"},
		"openid profile": {"name", "picture", "preferred_username", "updated_at"},
		"openid phone":   nil, // Ada has none
	} {
		c := s.public()
		given := s.redeem(c, s.code(c, mine, "scope", scope))
		who, info := claims(t, given.IDToken), map[string]any{}
		if a := s.ask("GET", "/auth/v1/oauth/userinfo", "", "Authorization", "Bearer "+given.Access); a.status != 200 || json.Unmarshal([]byte(a.text), &info) != nil {
			t.Fatal(a.status, a.text)
		}
		for _, name := range []string{"email", "name", "picture", "preferred_username", "updated_at", "email_verified"} {
			_, inInfo := info[name]
			has := slices.Contains(want, name)
			if inInfo != has || name != "email_verified" && has != (who[name] != nil) || name == "email_verified" && has != (who[name] == true) {
				t.Errorf("%s: %s is %v in the token, %v in the information", scope, name, who[name], info[name])
			}
		}
		if who["sub"] != ada || info["sub"] != ada || who["phone_number_verified"] != false {
			t.Errorf("%s: %v, %v", scope, who, info)
		}
	}
	for code, header := range map[string][]string{"no_authorization": nil, "bad_jwt": {"Authorization", "Bearer x"}} {
		if a := s.ask("GET", "/auth/v1/oauth/userinfo", "", header...); a.Code != code {
			t.Errorf("%s: %s", code, a.text)
		}
	}
}
