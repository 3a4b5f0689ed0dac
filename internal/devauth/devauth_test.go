package devauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"usergraph/auth"
	"usergraph/internal/devauth"
	"usergraph/internal/pgtest"
)

const ada = "a0000000-0000-4000-8000-000000000001"

// standIn is a server with the seeded users, used over HTTP.
type standIn struct {
	*devauth.Server
	t   *testing.T
	db  *pgtest.Database
	cfg devauth.Config
	log *strings.Builder
	url string
}

func start(t *testing.T, with ...func(*devauth.Config)) *standIn {
	t.Helper()
	s := &standIn{t: t, db: pgtest.New(t), log: &strings.Builder{}}
	s.db.Exec(t, pgtest.Seed)
	unstarted := httptest.NewUnstartedServer(nil)
	s.url = "http://" + unstarted.Listener.Addr().String()
	s.cfg = devauth.Config{
		URL: s.url, KeyFile: filepath.Join(t.TempDir(), "key.pem"), DatabaseURL: s.db.AdminURL, TokenLife: time.Hour,
		Log: slog.New(slog.NewTextHandler(s.log, nil)),
	}
	for _, change := range with {
		change(&s.cfg)
	}
	var err error
	if s.Server, err = devauth.Open(t.Context(), s.cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Server.Close)
	unstarted.Config.Handler = s.Server.Handler()
	unstarted.Start()
	t.Cleanup(unstarted.Close)
	return s
}

// answer is the response of any endpoint, with the fields that the tests read.
type answer struct {
	status  int
	header  http.Header
	text    string
	Code    any    `json:"code"` // a number or a name, see answerError
	Error   string `json:"error_code"`
	Msg     string `json:"msg"`
	Message string `json:"message"`

	AccessToken  string  `json:"access_token"`
	RefreshToken string  `json:"refresh_token"`
	User         account `json:"user"`
	account
}

// account is a user as responses show one.
type account struct {
	ID               string         `json:"id"`
	Role             string         `json:"role"`
	Email            string         `json:"email"`
	NewEmail         string         `json:"new_email"`
	EmailConfirmedAt string         `json:"email_confirmed_at"`
	UserMetadata     map[string]any `json:"user_metadata"`
	IsAnonymous      bool           `json:"is_anonymous"`
	Identities       []struct {
		Provider string         `json:"provider"`
		Email    string         `json:"email"`
		Data     map[string]any `json:"identity_data"`
	} `json:"identities"`
	Factors []struct {
		ID     string `json:"id"`
		Status string `json:"status"`
	} `json:"factors"`
}

// send sends a request with a key. header are pairs; an empty value removes a header.
func (s *standIn) send(method, path, body string, header ...string) answer {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.url+"/auth/v1"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("apikey", devauth.PublishableKey)
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			request.Host = header[i+1]
		}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header, text: string(text)}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &a); err != nil {
			s.t.Fatalf("%s %s: %v: %s", method, path, err, text)
		}
	}
	return a
}

func (s *standIn) signIn() answer {
	s.t.Helper()
	a := s.send("POST", "/token?grant_type=password", `{"email":"ada@example.com","password":"usergraph-dev"}`)
	if a.status != 200 {
		s.t.Fatal(a.text)
	}
	return a
}

func (s *standIn) refresh(token string) answer {
	s.t.Helper()
	return s.send("POST", "/token?grant_type=refresh_token", `{"refresh_token":"`+token+`"}`)
}

// one returns the only value of a query.
func one[T any](s *standIn, sql string, args ...any) T {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), s.db.AdminURL)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(s.t.Context()))
	var value T
	if err := conn.QueryRow(s.t.Context(), sql, args...).Scan(&value); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func (s *standIn) sessions() int { return one[int](s, "select count(*) from auth.sessions") }

func TestOpenRefusesWhatOthersCouldReach(t *testing.T) {
	for _, url := range []string{"http://0.0.0.0:8081", "http://192.168.1.5:8081", "https://ref.supabase.co", "http://localhost.example.com", ""} {
		cfg := devauth.Config{
			URL: url, KeyFile: filepath.Join(t.TempDir(), "key.pem"), DatabaseURL: "postgres://127.0.0.1:1/postgres",
			TokenLife: time.Hour, Log: slog.New(slog.DiscardHandler),
		}
		if _, err := devauth.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "loopback") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// The server's verifier accepts the tokens, also after a restart, and their session exists.
func TestTokensAreGood(t *testing.T) {
	s := start(t)
	keys, err := auth.NewRemoteKeySet(auth.RemoteConfig{URL: s.url + "/auth/v1/.well-known/jwks.json"})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(auth.Config{Issuers: []auth.Issuer{{URL: s.url + "/auth/v1", Keys: keys}}})
	if err != nil {
		t.Fatal(err)
	}
	defer verifier.Close()

	again, err := devauth.Open(t.Context(), s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	expiry := time.Now().Add(time.Hour)
	byAddress, err := s.Token(t.Context(), "Ada@example.com", expiry)
	if err != nil {
		t.Fatal(err)
	}
	byID, err := again.Token(t.Context(), ada, expiry)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"password": s.signIn().AccessToken, "address": byAddress, "id, after a restart": byID} {
		claims, err := verifier.Verify(t.Context(), token)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if claims.UserID.String() != ada || claims.Email != "ada@example.com" || claims.Role != "authenticated" || claims.AAL != "aal1" {
			t.Errorf("%s: %+v", name, claims)
		}
		if one[int](s, "select count(*) from auth.sessions where id = $1 and user_id = $2", claims.SessionID.String(), ada) != 1 {
			t.Errorf("%s: there is no session %s", name, claims.SessionID)
		}
	}
	if _, err := s.Token(t.Context(), "eve@example.com", expiry); !errors.Is(err, devauth.ErrNoUser) {
		t.Errorf("a token for nobody: %v", err)
	}
}

func TestSessionsOfExpiredTokensAreForgotten(t *testing.T) {
	s := start(t)
	if _, err := s.Token(t.Context(), ada, time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	s.signIn()
	again, err := devauth.Open(t.Context(), s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if got := s.sessions(); got != 1 {
		t.Errorf("%d sessions", got)
	}
}

func TestPasswordsAreHashed(t *testing.T) {
	s := start(t)
	if a := s.send("POST", "/signup", `{"email":"carol@example.com","password":"opensesame"}`); a.status != 200 || strings.Contains(a.text, "$2a$") {
		t.Fatal(a.text)
	}
	hash := one[string](s, "select encrypted_password from auth.users where email = 'carol@example.com'")
	if !strings.HasPrefix(hash, "$2a$10$") || len(hash) != 60 {
		t.Errorf("kept as %s", hash)
	}
	if dump := one[string](s, "select string_agg(users::text, ' ') from auth.users"); strings.Contains(dump, "opensesame") {
		t.Error("the password is somewhere in auth.users")
	}
}

func TestRefreshTokenThatComesAgain(t *testing.T) {
	s := start(t)
	first := s.signIn()
	second := s.refresh(first.RefreshToken)
	if second.status != 200 || second.RefreshToken == first.RefreshToken {
		t.Fatal(second.text)
	}
	// At any time: the response may have been lost.
	s.db.Exec(t, "update auth.refresh_tokens set updated_at = now() - interval '1 day'")
	if again := s.refresh(first.RefreshToken); again.RefreshToken != second.RefreshToken {
		t.Errorf("the one before: %s", again.text)
	}
	third := s.refresh(second.RefreshToken)
	// Within the interval: several tabs.
	s.db.Exec(t, "update auth.refresh_tokens set updated_at = now()")
	if again := s.refresh(first.RefreshToken); again.RefreshToken != third.RefreshToken {
		t.Errorf("one of several tabs: %s", again.text)
	}
	// A client that refreshes now does not have the third token.
	s.db.Exec(t, "update auth.refresh_tokens set updated_at = now() - interval '11 seconds'")
	for _, token := range []string{first.RefreshToken, third.RefreshToken} {
		if a := s.refresh(token); a.status != 400 || a.Error != "refresh_token_already_used" {
			t.Errorf("after a theft: %s", a.text)
		}
	}
}

func TestRefreshAtTheSameTime(t *testing.T) {
	s := start(t)
	token := s.signIn().RefreshToken
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := map[string]int{}
	for range 20 {
		wg.Go(func() {
			a := s.refresh(token)
			mu.Lock()
			defer mu.Unlock()
			next[a.RefreshToken]++
		})
	}
	wg.Wait()
	if len(next) != 1 || next[""] > 0 {
		t.Errorf("%d different answers: %v", len(next), next)
	}
}

func TestSignOutEndsTheSession(t *testing.T) {
	s := start(t)
	here, there := s.signIn(), s.signIn()
	bearer := []string{"Authorization", "Bearer " + here.AccessToken}
	if a := s.send("POST", "/logout?scope=local", "", bearer...); a.status != 204 {
		t.Fatal(a.text)
	}
	if got := s.sessions(); got != 1 {
		t.Errorf("%d sessions", got)
	}
	if a := s.send("GET", "/user", "", bearer...); a.status != 403 || a.Error != "session_not_found" {
		t.Errorf("signed out: %s", a.text)
	}
	if a := s.refresh(here.RefreshToken); a.Error != "refresh_token_not_found" {
		t.Errorf("signed out: %s", a.text)
	}
	bearer = []string{"Authorization", "Bearer " + there.AccessToken}
	if a := s.send("POST", "/logout?scope=everything", "", bearer...); a.status != 400 || s.sessions() != 1 {
		t.Errorf("a scope that is none: %d %s", a.status, a.text)
	}
	if a := s.send("POST", "/logout", "", bearer...); a.status != 204 || s.sessions() != 0 {
		t.Errorf("everywhere: %d %s", a.status, a.text)
	}
}

func TestRefusals(t *testing.T) {
	s := start(t)
	expired, err := s.Token(t.Context(), ada, time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		code               string
	}{
		"no key":                {"GET", "/settings", "", []string{"apikey", ""}, 401, "no_api_key"},
		"no token":              {"GET", "/user", "", nil, 401, "no_authorization"},
		"key as token":          {"GET", "/user", "", []string{"Authorization", "Bearer " + devauth.PublishableKey}, 403, "bad_jwt"},
		"expired token":         {"GET", "/user", "", []string{"Authorization", "Bearer " + expired}, 403, "bad_jwt"},
		"no JSON":               {"POST", "/signup", "hunter2", nil, 400, "bad_json"},
		"too long":              {"POST", "/signup", `{"email":"` + strings.Repeat("a", 70_000) + `"}`, nil, 400, "bad_json"},
		"no address":            {"POST", "/signup", `{"email":"Ada <ada@example.com>","password":"123456"}`, nil, 400, "validation_failed"},
		"no password":           {"POST", "/signup", `{"email":"dan@example.com"}`, nil, 422, "validation_failed"},
		"password of 73 bytes":  {"POST", "/signup", `{"email":"dan@example.com","password":"` + strings.Repeat("a", 73) + `"}`, nil, 422, "validation_failed"},
		"telephone":             {"POST", "/signup", `{"phone":"+3112345678","password":"123456"}`, nil, 400, "phone_provider_disabled"},
		"address that is taken": {"POST", "/signup", `{"email":"ADA@example.com","password":"123456"}`, nil, 422, "user_already_exists"},
		"other grant":           {"POST", "/token?grant_type=web3", `{}`, nil, 400, "validation_failed"},
		"code of nobody":        {"POST", "/token?grant_type=pkce", `{"auth_code":"x","code_verifier":"y"}`, nil, 404, "flow_state_not_found"},
		"no code":               {"POST", "/token?grant_type=pkce", `{}`, nil, 400, "validation_failed"},
		"a challenge too short": {"POST", "/signup", `{"email":"dan@example.com","password":"123456","code_challenge":"x","code_challenge_method":"s256"}`, nil, 400, "validation_failed"},
		"no type of mail":       {"POST", "/verify", `{"token_hash":"x"}`, nil, 400, "validation_failed"},
		"no mail":               {"POST", "/verify", `{"type":"signup"}`, nil, 400, "validation_failed"},
		"hash and code":         {"POST", "/verify", `{"type":"signup","token_hash":"x","token":"1","email":"dan@example.com"}`, nil, 400, "validation_failed"},
		"mail of another type":  {"POST", "/verify", `{"type":"recovery","token_hash":"x"}`, nil, 400, "validation_failed"},
		"a hash made up":        {"POST", "/verify", `{"type":"signup","token_hash":"x"}`, nil, 403, "otp_expired"},
		"an empty hash":         {"POST", "/verify", `{"type":"email_change","token_hash":"pkce_"}`, nil, 403, "otp_expired"},
		"link without a token":  {"GET", "/verify?type=signup", "", nil, 400, "validation_failed"},
		"resend of a recovery":  {"POST", "/resend", `{"type":"recovery","email":"ada@example.com"}`, nil, 400, "validation_failed"},
		"factors of nobody":     {"POST", "/factors", `{"factor_type":"totp"}`, nil, 401, "no_authorization"},
		"no such endpoint":      {"POST", "/recover", `{}`, nil, 404, "not_found"},
		"other host name":       {"GET", "/settings", "", []string{"Host", "rebound.example.com"}, 403, "request_refused"},
		"rebound":               {"GET", "/settings", "", []string{"Host", "rebound.example.com", "Sec-Fetch-Site", "same-origin"}, 403, "request_refused"},
		"a picture":             {"GET", "/settings", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, "request_refused"},
		"a picture nearby":      {"GET", "/settings", "", []string{"Sec-Fetch-Site", "same-site"}, 403, "request_refused"},
		"page of another site":  {"POST", "/signup", `{}`, []string{"Origin", "https://evil.example.com"}, 403, "request_refused"},
	} {
		t.Run(name, func(t *testing.T) {
			before := one[int](s, "select count(*) from auth.users")
			a := s.send(test.method, test.path, test.body, test.header...)
			if a.status != test.status || a.Error != test.code || a.Code != float64(test.status) || a.Msg == "" || a.header.Get("X-Sb-Error-Code") != test.code {
				t.Errorf("%d %s", a.status, a.text)
			}
			a = s.send(test.method, test.path, test.body, append([]string{"X-Supabase-Api-Version", "2024-01-01"}, test.header...)...)
			if a.status != test.status || a.Code != test.code || a.Message == "" || a.header.Get("X-Sb-Error-Code") != test.code || a.header.Get("X-Supabase-Api-Version") != "2024-01-01" {
				t.Errorf("newer form: %d %s", a.status, a.text)
			}
			if strings.Contains(a.text, "hunter2") || one[int](s, "select count(*) from auth.users") != before {
				t.Errorf("something came of it: %s", a.text)
			}
		})
	}
}

// PostgreSQL's message is only logged.
func TestFailingTrigger(t *testing.T) {
	s := start(t)
	s.db.Exec(t, "alter table public.users add constraint has_a_name check (full_name is not null) not valid")
	a := s.send("POST", "/signup", `{"email":"dan@example.com","password":"opensesame"}`)
	if a.status != 500 || a.Error != "unexpected_failure" || strings.Contains(a.text, "has_a_name") {
		t.Error(a.text)
	}
	if log := s.log.String(); !strings.Contains(log, "has_a_name") || strings.Contains(log, "opensesame") {
		t.Errorf("the log: %s", log)
	}
	if got := one[int](s, "select count(*) from auth.users where email = 'dan@example.com'"); got != 0 {
		t.Error("half a user was made")
	}
}

func TestPagesOfThisMachineMayAsk(t *testing.T) {
	s := start(t)
	for origin, allowed := range map[string]bool{
		"http://localhost:3000": true, "http://127.0.0.1:3000": true, "http://[::1]:3000": true,
		"https://evil.example.com": false, "http://localhost.example.com": false, "null": false,
	} {
		a := s.send("OPTIONS", "/token?grant_type=password", "", "Origin", origin, "apikey", "",
			"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "apikey,authorization,x-client-info,x-supabase-api-version")
		if (a.header.Get("Access-Control-Allow-Origin") == origin) != allowed || (a.status == 204) != allowed {
			t.Errorf("%s: %d %v", origin, a.status, a.header)
		}
	}
}
