package doctor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"usergraph/auth"
	"usergraph/auth/authtest"
	"usergraph/endpoint"
	"usergraph/internal/doctor"
	"usergraph/internal/pgtest"
	"usergraph/internal/testapi"
)

var migrations = []string{"20261124000000"}

// examine returns all findings, by check.
func examine(t *testing.T, cfg doctor.Config) map[string][]doctor.Finding {
	t.Helper()
	findings := map[string][]doctor.Finding{}
	doctor.Examine(t.Context(), cfg, func(f doctor.Finding) {
		if f.Severity != doctor.OK && f.Advice == "" {
			t.Errorf("no advice: %+v", f)
		}
		findings[f.Check] = append(findings[f.Check], f)
	})
	return findings
}

// expect fails unless a check has a finding with this severity and text.
func expect(t *testing.T, findings map[string][]doctor.Finding, check string, severity doctor.Severity, says string) {
	t.Helper()
	if !slices.ContainsFunc(findings[check], func(f doctor.Finding) bool {
		return f.Severity == severity && strings.Contains(f.Message+" -> "+f.Advice, says)
	}) {
		t.Errorf("%s: %+v, want %s: %s", check, findings[check], severity, says)
	}
}

// project returns the configuration for an issuer and its keys.
func project(t *testing.T, issuer *authtest.Issuer) doctor.Config {
	t.Helper()
	keys, err := auth.NewRemoteKeySet(auth.RemoteConfig{URL: issuer.JWKSURL()})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(auth.Config{Issuers: []auth.Issuer{{URL: issuer.URL(), Keys: keys}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = verifier.Close() })
	door, err := verifier.Agents("")
	if err != nil {
		t.Fatal(err)
	}
	return doctor.Config{
		VerifyAgent: door.Verify,
		SupabaseURL: strings.TrimSuffix(issuer.URL(), "/auth/v1"), JWKSURL: issuer.JWKSURL(), Issuers: []string{issuer.URL()}, Verify: verifier.Verify,
	}
}

func TestGoodShape(t *testing.T) {
	issuer, pg := authtest.New(t), pgtest.New(t)
	ada := uuid.New()
	cfg := project(t, issuer)
	cfg.Token, cfg.DatabaseURL, cfg.Migrations = issuer.Token(ada), pg.URL, migrations
	cfg.Origins = []string{"https://app.example.com", "https://app-*-team.vercel.app"}
	findings := examine(t, cfg)
	for _, check := range []string{"url", "keys", "clock", "token", "origins", "database", "tls", "latency", "version", "pooler", "login", "tables", "policies", "indexes", "changes"} {
		if len(findings[check]) == 0 {
			t.Errorf("%s was not looked at", check)
		}
		for _, f := range findings[check] {
			// The latency depends on the machine, and authenticator has its own note.
			if f.Severity != doctor.OK && check != "latency" && check != "login" {
				t.Errorf("%+v", f)
			}
		}
	}
	expect(t, findings, "token", doctor.OK, "accepted: ES256, key ")
	expect(t, findings, "token", doctor.OK, "user "+ada.String())
	expect(t, findings, "login", doctor.Note, "authenticator may do nothing by itself, but can also become service_role")
	expect(t, findings, "tables", doctor.OK, "users")
	expect(t, findings, "migrations", doctor.OK, "all 1 are applied")
	text, err := json.Marshal(findings)
	if err != nil || strings.Contains(string(text), cfg.Token[len(cfg.Token)-20:]) {
		t.Error("the token is shown", err)
	}
}

func TestChangesDoNotArrive(t *testing.T) {
	pg := pgtest.New(t)
	findings := examine(t, doctor.Config{DatabaseURL: pg.URL, ListenURL: "postgres://authenticator:x@127.0.0.1:1/postgres"})
	expect(t, findings, "changes", doctor.Warning, "cannot be opened -> subscriptions wait until it can: check DATABASE_LISTEN_URL")
	pg.Exec(t, "drop function usergraph.announce_changes")
	findings = examine(t, doctor.Config{DatabaseURL: pg.URL})
	expect(t, findings, "changes", doctor.Warning, "run usergraph migrate")
}

func TestDatabaseInBadShape(t *testing.T) {
	pg := pgtest.New(t)
	pg.Exec(t, `
		create table public.open_notes (id bigint primary key, text text);
		create table public.private_log (id bigint primary key);
		revoke all on public.private_log from anon, authenticated;
		create table public.shut (id bigint primary key);
		alter table public.shut enable row level security;
		create table public.notes (id bigint primary key, owner uuid not null, team uuid not null);
		alter table public.notes enable row level security;
		create policy "slow" on public.notes for select to authenticated using (auth.uid() = owner);
		create policy "quick" on public.notes for update to authenticated using ((select auth.uid()) = team);
		create policy "half" on public.notes for delete to authenticated using ((select auth.uid()) = team or auth.jwt() ->> 'is_admin' = 'true');
		create index on public.notes (team);
		`)
	pending := append(slices.Clone(migrations), "20261125000100")
	findings := examine(t, doctor.Config{DatabaseURL: pg.URL, Migrations: pending})
	expect(t, findings, "migrations", doctor.Warning, "1 of 2 are pending, or applied by the Supabase CLI alone, whose ledger this login may not read: 20261125000100 -> usergraph migrate")
	expect(t, findings, "tables", doctor.Error, "danger: public.open_notes")
	expect(t, findings, "tables", doctor.Note, "public.shut has row-level security and no policy")
	expect(t, findings, "policies", doctor.Warning, `public.notes, "slow": auth.uid() is called for every row -> write (select auth.uid())`)
	expect(t, findings, "policies", doctor.Warning, `public.notes, "half": auth.jwt()`)
	expect(t, findings, "indexes", doctor.Warning, `"slow": no index begins with owner, so every row is looked at -> create index on public.notes (owner)`)
	for check, silent := range map[string][]string{"tables": {"private_log"}, "policies": {`"quick"`, `users`}, "indexes": {`"quick"`, `"half"`, "users"}} {
		for _, f := range findings[check] {
			for _, name := range silent {
				if strings.Contains(f.Message, name) {
					t.Errorf("nothing is wrong there: %+v", f)
				}
			}
		}
	}

	findings = examine(t, doctor.Config{DatabaseURL: pg.AdminURL, Migrations: pending})
	expect(t, findings, "migrations", doctor.Error, "1 of 2 are pending: 20261125000100 -> usergraph migrate")
	expect(t, findings, "login", doctor.Error, "danger: postgres bypasses row-level security -> log in as a role that can become these two and nothing else")
}

// What the API needs is checked as the login that serves. A project before its first migrate is told what to run.
func TestSchema(t *testing.T) {
	needs, err := endpoint.Needs(testapi.New(new(endpoint.Engine)))
	if err != nil {
		t.Fatal(err)
	}
	needs.Sessions = true
	pg := pgtest.New(t)
	expect(t, examine(t, doctor.Config{DatabaseURL: pg.URL, Needs: needs}), "schema", doctor.OK, "grants, functions and triggers")
	pg.Exec(t, "revoke select on public.users from authenticated; create policy nothing on public.users using (false)")
	findings := examine(t, doctor.Config{DatabaseURL: pg.URL, Needs: needs})
	expect(t, findings, "schema", doctor.Error, "authenticated may not select id, full_name, avatar_url of public.users -> grant select on public.users to authenticated")
	if len(findings["schema"]) != 1 {
		t.Errorf("%+v", findings["schema"])
	}
	pg = pgtest.Bare(t)
	findings = examine(t, doctor.Config{DatabaseURL: pg.URL, Needs: needs, Migrations: migrations})
	expect(t, findings, "schema", doctor.Error, "public.users does not exist, and models.User reads it -> run usergraph migrate")
	expect(t, findings, "schema", doctor.Error, "the schema usergraph, is missing -> run usergraph migrate")
	expect(t, findings, "migrations", doctor.Error, "1 of 1 are pending")
}

// as returns a connection string with another login role.
func as(url, user string) string {
	_, rest, _ := strings.Cut(url, "@")
	return "postgres://" + user + ":secret-password@" + rest
}

func TestLogins(t *testing.T) {
	pg := pgtest.New(t)
	// Login roles belong to the cluster, which other tests share.
	for name, setUp := range map[string]string{
		"doctor_narrow":   "create role %[1]s login noinherit password 'secret-password'; grant anon, authenticated to %[1]s",
		"doctor_alone":    "create role %[1]s login noinherit password 'secret-password'",
		"doctor_inherits": "create role %[1]s login inherit password 'secret-password'; grant anon, authenticated to %[1]s",
		"doctor_bypasses": "create role %[1]s login noinherit bypassrls password 'secret-password'; grant anon, authenticated to %[1]s",
		"doctor_owns":     "create role %[1]s login noinherit password 'secret-password'; grant anon, authenticated to %[1]s; create table public.owned (); alter table public.owned owner to %[1]s",
	} {
		pg.Exec(t, fmt.Sprintf(setUp, name))
		t.Cleanup(func() { pg.Exec(t, fmt.Sprintf("drop owned by %[1]s; drop role %[1]s", name)) })
	}
	for name, want := range map[string]struct {
		severity doctor.Severity
		says     string
	}{
		"doctor_narrow":   {doctor.OK, "can become anon and authenticated only"},
		"doctor_alone":    {doctor.Error, "cannot switch to the roles anon and authenticated"},
		"doctor_inherits": {doctor.Warning, "without switching"},
		"doctor_bypasses": {doctor.Error, "bypasses row-level security"},
		"doctor_owns":     {doctor.Error, "owns tables"},
	} {
		expect(t, examine(t, doctor.Config{DatabaseURL: as(pg.URL, name)}), "login", want.severity, want.says)
	}
}

func TestDatabaseOutOfReach(t *testing.T) {
	pg := pgtest.New(t)
	for name, test := range map[string]struct{ url, says string }{
		"nobody listens": {"postgres://authenticator:hunter2@127.0.0.1:1/postgres", "check host and port"},
		"wrong password": {as(pg.URL, "authenticator"), "check user and password"},
		"no database":    {pg.URL[:strings.LastIndex(pg.URL, "/")] + "/nowhere", "Supabase's is postgres"},
		"malformed":      {"postgres://authenticator:hunter2@127.0.0.1:port/postgres", "percent-encode the password"},
	} {
		findings := examine(t, doctor.Config{DatabaseURL: test.url})
		expect(t, findings, "database", doctor.Error, test.says)
		if text := fmt.Sprint(findings); strings.Contains(text, "hunter2") || strings.Contains(text, "secret-password") {
			t.Errorf("%s: a password is shown: %s", name, text)
		}
	}
}

func TestTLS(t *testing.T) {
	pg := pgtest.New(t)
	for mode, want := range map[string]struct {
		severity doctor.Severity
		says     string
	}{
		"disable": {doctor.Warning, "not encrypted"},
		"prefer":  {doctor.Warning, "verify-full"},
	} {
		url, _, _ := strings.Cut(pg.URL, "?")
		// What nobody else can read needs no encryption, whatever the string says.
		expect(t, examine(t, doctor.Config{DatabaseURL: url + "?sslmode=" + mode}), "tls", doctor.OK, "on this machine")
		expect(t, examine(t, doctor.Config{DatabaseURL: url}), "tls", doctor.OK, "on this machine")
		// 0.0.0.0 leads to this machine too, but its name does not say so.
		url = strings.Replace(url, "127.0.0.1", "0.0.0.0", 1)
		expect(t, examine(t, doctor.Config{DatabaseURL: url + "?sslmode=" + mode}), "tls", want.severity, want.says)
	}
}

func TestKeys(t *testing.T) {
	issuer := authtest.New(t)
	cfg := project(t, issuer)
	issuer.Publish("EdDSA")
	expect(t, examine(t, cfg), "keys", doctor.OK, "ES256, EdDSA, fetched in")

	date := func(offset time.Duration) string { return time.Now().Add(offset).UTC().Format(http.TimeFormat) }
	answer := func(status int, body, date string) {
		issuer.Answer(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", date)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		})
	}
	answer(200, `{"keys":[]}`, date(0))
	expect(t, examine(t, cfg), "keys", doctor.Error, "no token can be verified")
	withSecret := cfg
	withSecret.HasSecret = true
	expect(t, examine(t, withSecret), "keys", doctor.Note, "verified with SUPABASE_JWT_SECRET -> move to signing keys")
	answer(200, `{"keys":[{"kty":"RSA","alg":"PS512"},{"kty":"EC","alg":"ES256"}]}`, date(0))
	expect(t, examine(t, cfg), "keys", doctor.Warning, "cannot be used: PS512")
	answer(200, `<html>`, date(0))
	expect(t, examine(t, cfg), "keys", doctor.Error, "is no key set")
	answer(404, ``, date(0))
	expect(t, examine(t, withSecret), "keys", doctor.Note, `404 Not Found: only tokens signed with SUPABASE_JWT_SECRET can be verified -> if the project has no signing keys, set SUPABASE_JWKS={"keys":[]}`)
	answer(404, ``, date(time.Hour))
	findings := examine(t, cfg)
	expect(t, findings, "keys", doctor.Error, "404 Not Found")
	expect(t, findings, "clock", doctor.Error, " minutes behind that of the key server")
	answer(200, `{"keys":[]}`, date(-20*time.Second))
	expect(t, examine(t, cfg), "clock", doctor.Warning, "seconds ahead of")
	cfg.JWKSURL = "http://127.0.0.1:1/"
	expect(t, examine(t, cfg), "keys", doctor.Error, "every signed-in caller gets 503")
}

// The clock is measured even if no token needs verification, and by an uncached response.
func TestClock(t *testing.T) {
	issuer := authtest.New(t)
	for offset, want := range map[time.Duration]struct {
		severity doctor.Severity
		says     string
	}{
		0:                 {doctor.OK, "agrees"},
		20 * time.Second:  {doctor.Warning, "beyond 30 s fresh tokens are refused"},
		-20 * time.Second: {doctor.Warning, "refused before they expire"},
		45 * time.Second:  {doctor.Error, "fresh tokens are refused"},
		-45 * time.Second: {doctor.Warning, "refused before they expire"},
		3 * time.Minute:   {doctor.Error, "minutes behind"},
		-3 * time.Minute:  {doctor.Error, "minutes ahead of"},
	} {
		issuer.Answer(func(w http.ResponseWriter, r *http.Request) {
			date := time.Now().Add(offset)
			if strings.HasSuffix(r.URL.Path, "jwks.json") {
				date = date.Add(-9 * time.Minute) // from a cache
			}
			w.Header().Set("Date", date.UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusUnauthorized) // as Supabase's gateway answers without an API key
		})
		cfg := project(t, issuer)
		expect(t, examine(t, cfg), "clock", want.severity, want.says)
		cfg.JWKSURL, cfg.HasSecret = "", true
		expect(t, examine(t, cfg), "clock", want.severity, want.says)
		cfg.SupabaseURL = ""
		expect(t, examine(t, cfg), "clock", want.severity, want.says)
	}
	expect(t, examine(t, doctor.Config{Issuers: []string{"http://127.0.0.1:1/auth/v1"}}), "clock", doctor.Note, "could not be compared")
}

func TestURLs(t *testing.T) {
	for url, want := range map[string]struct {
		severity doctor.Severity
		says     string
	}{
		"https://abcdefghijklmnopqrst.supabase.co": {doctor.OK, ""},
		"https://abc.supabase.co":                  {doctor.Warning, "20 letters"},
		"https://auth.example.com":                 {doctor.Note, "SUPABASE_JWT_ISSUER"},
		"http://127.0.0.1:54321":                   {doctor.OK, ""},
	} {
		expect(t, examine(t, doctor.Config{SupabaseURL: url}), "url", want.severity, want.says)
	}
}

func TestOrigins(t *testing.T) {
	for origin, want := range map[string]struct {
		severity doctor.Severity
		says     string
	}{
		"*":                        {doctor.Warning, "every origin"},
		"https://app.example.com":  {doctor.OK, ""},
		"https://app.example.com/": {doctor.Error, "write https://app.example.com"},
		"app.example.com":          {doctor.Error, "no origin"},
		"http://app.example.com":   {doctor.Warning, "not https"},
		"http://localhost:3000":    {doctor.Note, "somebody's own machine"},
		"http://localhost:*":       {doctor.Note, "somebody's own machine"},
	} {
		findings := examine(t, doctor.Config{SupabaseURL: "https://abcdefghijklmnopqrst.supabase.co", Origins: []string{origin}})
		expect(t, findings, "origins", want.severity, want.says)
	}
}

func TestTokens(t *testing.T) {
	issuer := authtest.New(t)
	cfg := project(t, issuer)
	ada := uuid.New()
	set := func(claim string, value any) func(jwt.MapClaims) {
		return func(claims jwt.MapClaims) { claims[claim] = value }
	}
	for name, test := range map[string]struct{ token, says string }{
		"expired":     {issuer.Token(ada, set("exp", time.Now().Add(-5*time.Minute-time.Second).Unix())), "expired 5 minutes ago -> callers get TOKEN_EXPIRED"},
		"issuer":      {issuer.Token(ada, set("iss", "https://other.supabase.co/auth/v1")), `issuer differs: "https://other.supabase.co/auth/v1", and ` + issuer.URL() + ` is accepted -> callers get TOKEN_INVALID`},
		"audience":    {issuer.Token(ada, set("aud", []string{"other"})), `audience is ["other"] instead of authenticated`},
		"role":        {issuer.Token(ada, set("role", "service_role")), `role is "service_role" instead of authenticated`},
		"OAuth app":   {issuer.Token(ada, set("client_id", "app-1")), "made for the OAuth app app-1 -> callers get TOKEN_INVALID: token was issued to an OAuth app (client_id) that is not accepted here; if the app may act for users, add its id to SUPABASE_OAUTH_CLIENTS"},
		"another key": {authtest.NewKey(t, "ES256").Sign(issuer.Claims(ada)), "callers get TOKEN_INVALID"},
		"no token":    {"hello", "three parts"},
		"not base64":  {"a.b.c", "not JSON in base64url"},
		"API key":     {"sb_publishable_x", "this is an API key"},
		"secret key":  {"sb_secret_x", "this is a secret key"},
		"anon key":    {authtest.NewSecret(t, issuer.Secret()).Sign(jwt.MapClaims{"iss": "supabase", "role": "anon", "exp": time.Now().Unix() + 60}), "this is a legacy anon key"},
		"no issuer":   {issuer.Token(ada, set("iss", nil)), "no issuer (iss) -> callers get TOKEN_INVALID: token names no issuer (iss); if the project signs tokens without iss, set SUPABASE_ACCEPT_NO_ISSUER=on"},
		"secret":      {authtest.NewSecret(t, issuer.Secret()).Sign(issuer.Claims(ada)), "no secret is configured; if the project signs with its secret, set SUPABASE_JWT_SECRET"},
		"local anon":  {issuer.Keys()[0].Sign(jwt.MapClaims{"iss": "supabase-demo", "role": "anon", "exp": time.Now().Unix() + 60}), "this is a legacy anon key"},
		"with Bearer": {"Bearer " + issuer.Token(ada) + "\n", "accepted"},
		"anonymous":   {issuer.Token(ada, set("is_anonymous", true)), "accepted: ES256"},
	} {
		cfg.Token = test.token
		found := false
		doctor.Examine(context.WithoutCancel(t.Context()), cfg, func(f doctor.Finding) {
			found = found || (f.Check == "token" && strings.Contains(f.Message+" -> "+f.Advice, test.says))
			if signature := test.token[strings.LastIndex(test.token, ".")+1:]; len(signature) > 20 && strings.Contains(f.Message+f.Advice, signature) {
				t.Errorf("%s: the token is shown", name)
			}
		})
		if !found {
			t.Errorf("%s: nothing says %q", name, test.says)
		}
	}
}
