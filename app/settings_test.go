package app

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usergraph/internal/dsn"
)

// wrongValues are invalid values of settings. Those of secrets contain the word hunter, which must never be shown.
var wrongValues = map[string][]string{
	"DATABASE_URL": {
		"db.example", "https://abc.supabase.co", "mysql://u:hunter@db.example/postgres", "postgres://u:hun/hunter@db.example/postgres", "postgres://u:12/hunter@db.example/postgres", "postgres://u:12?hunter@db.example/postgres",
		"postgres://u:12#hunter@db.example/postgres", "postgres://u:hunter%@db.example/postgres", "postgres://u:hunter@db.example:99999/postgres", "postgres://u:hunter@/postgres", "postgres://u:[YOUR-PASSWORD]@db.example/postgres",
		"postgres://u:hunter@db.example/postgres?sslmode=maybe", "postgres://u:hunter@db.example/postgres?schema=hunter", "postgres://u:hunter@db.example/postgres?unheardof=hunter", "host=db.example password=hunter",
	},
	"DATABASE_LISTEN_URL":       {"db.example", "postgres://u:12/hunter@db.example/postgres", "postgres://u:hunter@db.example:0/postgres"},
	"DATABASE_MIGRATE_URL":      {"db.example", "postgres://u:12/hunter@db.example/postgres", "postgres://u:hunter@db.example:0/postgres"},
	"DATABASE_READ_URL":         {"db.example", "postgres://u:12/hunter@db.example/postgres", "postgres://u:hunter@db.example:0/postgres", "postgres://authenticator:x@db/postgres"},
	"DATABASE_READ_MAX_LAG":     {"0s", "5", "-1s", "2h", "soon"},
	"DATABASE_MAX_RESULT_BYTES": {"0", "-1", "99999999999", "many", "1.5"},
	"LIMIT_ALL_BYTES":           {"0", "-1", "many", "1.5", "9999999999999999"},
	"DATABASE_MAX_CONNS":        {"0", "-1", "10001", "many", "1.5", "9999999999999999999999"},
	"SUPABASE_URL": {
		"abc.supabase.co", "ftp://abc.supabase.co", "https://", "http://abc.supabase.co", "https://abc.supabase.co/rest/v1", "https://abc.supabase.co/auth/v1", "https://abc.supabase.co/auth/v1/", "https://abc.supabase.co//",
		"https://abc.supabase.co/?x=1", "https://abc.supabase.co?", "https://abc.supabase.co#x", "https://ABC.supabase.co", "https://abc.supabase.co:443", "https://abc.supabase.co:99999", "https://u:hunter@abc.supabase.co",
		"https://supabase.com/dashboard/project/abc", "https://db.abc.supabase.co", "https://aws-0-eu-west-1.pooler.supabase.com", "postgres://u:hunter@db.example/postgres", "https://abc supabase.co",
	},
	"SUPABASE_JWT_ISSUER":       {"abc", "https://", "ftp://abc.example", "https://u:hunter@abc.example/auth/v1", "https://abc.example:99999/auth/v1", "https://abc.example,https://abc.example", "https://abc.example,def", ","},
	"SUPABASE_JWKS_URL":         {"abc", "http://abc.example/jwks.json", "https://u:hunter@abc.example/jwks.json", "https://abc.example:0/jwks.json", "ftp://abc.example"},
	"SUPABASE_JWKS":             {"hello", "{}", "[", `{"keys":[{"kty":"oct","k":"hunter"}]}`, `{"keys":[{"kty":"EC","d":"hunter"}]}`, `{"keys":[{"kty":"EC"}]}`},
	"SUPABASE_JWT_SECRET":       {"hunter", "hunter-hunter-hunter-hunter-hun", "super-secret-jwt-token-with-at-least-32-characters-long"},
	"SUPABASE_JWKS_MAX_STALE":   {"1s", "48h", "1"},
	"SUPABASE_ACCEPT_NO_ISSUER": {"yes", "ON", "1"},
	"SUPABASE_OAUTH_CLIENTS":    {",", "a b", "a\tb"},
	"SUPABASE_PUBLISHABLE_KEYS": {"hunter", "sb_secret_hunter", `{"default":"sb_secret_hunter"}`, `{"default":`, "{}", ",", "sb_publishable_x,hunter"},
	"API_KEY_REQUIRED":          {"yes", "true", "on"},
	"SESSION_COOKIE":            {"ON", "true", "1", "a b", "a;b", "é"},
	"SESSION_COOKIE_ORIGINS":    {"app.example.com", "https://app.example.com/", "https://app.example.com/path", "http://app.example.com", "*", "https://*.example.com", "https://app.example.com:99999", "https://App.example.com", "https://app.example.com:443", "null", ",", "https://a.example.com https://b.example.com"},
	"SESSION_CHECK":             {"on", "sometimes"},
	"SESSION_CHECK_MAX_AGE":     {"-1s", "2m", "5"},
	"HOST":                      {"example.com", "300.0.0.1", "0.0.0.0:80", "http://0.0.0.0"},
	"PORT":                      {"-1", "65536", "99999", "http", "80.5", "080x"},
	"PLAYGROUND":                {"yes", "true"},
	"PUBLIC_URL":                {"api.example.com", "http://api.example.com", "https://api.example.com/", "https://api.example.com/mcp", "https://API.example.com", "https://u:hunter@api.example.com", "ftp://api.example.com", "https://"},
	"MCP":                       {"yes", "true", "on"},
	"MCP_MUTATIONS":             {"yes", "true", "on"},
	"DRAIN_DELAY":               {"-1s", "2h", "5"},
	"DRAIN_TIMEOUT":             {"-1s", "2h", "5"},
	"RATE_LIMIT":                {"600", "600/1", "0/1m", "600/1ms", "600/48h", "-1/1m", "many/1m"},
	"RATE_LIMIT_ANONYMOUS":      {"600", "0/1m", "600/1ms"},
	"REDIS_URL":                 {"redis.example", "http://:hunter@redis.example", "redis://:12/hunter@redis.example:6379/0", "redis://:12#hunter@redis.example:6379/0", "redis://:hunter@redis.example:99999/0", "redis://:hunter@redis.example:6379/zero", "redis://:hunter@redis.example:6379/0?unheardof=hunter", "redis://:hunter@redis.example:6379/0"},
	"TRUSTED_PROXIES":           {"proxy", "10.0.0.0/33", "10.0.0.0/8 192.0.2.7", "10.0.0.1,proxy"},
	"LOG_FORMAT":                {"xml"},
	"LOG_LEVEL":                 {"trace", "INFO"},
	"SLOW_OPERATION":            {"-1s", "2h", "1"},
	"ADMIN_ADDR":                {"9090", ":", "localhost", "127.0.0.1:99999", "127.0.0.1:http", "example.com:9090", "http://127.0.0.1:9090", "127.0.0.1:8080", ":8080"},
	"H2C":                       {"yes"},
	"ALLOWED_ORIGINS":           {"*", "app.example.com", "https://app.example.com/", "http://app.example.com", "https://*.app", "https://app.example.com:99999", "https://u:hunter@app.example.com"},
	"INTROSPECTION":             {"yes", "true"},
	"TRUSTED_DOCUMENTS":         {"on", "prefer"}, // there is no file
	"TRUSTED_DOCUMENTS_FILE":    {"nowhere.json"}, // with TRUSTED_DOCUMENTS=require
	"REQUEST_TIMEOUT":           {"0s", "2h", "fast", "1s/never", "1s/2s/3s"},
	"WEBSOCKET_INIT_TIMEOUT":    {"0s", "2m", "5"},
	"LIMIT_ALL_CONNECTIONS":     {"-1", "many", "1000001", "1/2"},
}

// neededWith are other settings that a value needs, so that only the value is reported.
var neededWith = map[string][]string{
	"TRUSTED_DOCUMENTS_FILE": {"TRUSTED_DOCUMENTS", "require"},
	"SUPABASE_JWKS_URL":      {"SUPABASE_JWT_ISSUER", "https://abc.supabase.co/auth/v1"},
}

// Each wrong value of each setting is the only problem that `config` and `serve` report, by its name, before anything
// listens. Secrets are never shown.
func TestEveryWrongValueIsReported(t *testing.T) {
	good := []string{"PORT", "8080", "DATABASE_URL", "postgres://authenticator:x@db/postgres", "SUPABASE_URL", "https://abc.supabase.co"}
	for _, s := range settings {
		values := wrongValues[s.name]
		if strings.HasPrefix(s.name, "LIMIT_") && values == nil {
			values = []string{"many", "-1", "1/", "1/2/3", "1.5", "99999999999"}
		}
		if len(values) == 0 {
			t.Errorf("%s has no wrong values in this test", s.name)
		}
		for _, value := range values {
			// The first entry of a name takes precedence.
			env := environment(append(append([]string{s.name, value}, neededWith[s.name]...), good...)...)
			_, err := readConfig(env)
			if err == nil {
				t.Errorf("%s=%s is accepted", s.name, value)
				continue
			}
			if text := err.Error(); !strings.HasPrefix(text, s.name) || strings.Contains(text, "\n") {
				t.Errorf("%s=%s: %s", s.name, value, text)
			}
			var printed strings.Builder
			byConfig := run(t.Context(), []string{"config"}, env, &printed)
			byServe := run(t.Context(), []string{"serve"}, env, io.Discard)
			var usage usageError
			if byConfig == nil || byServe == nil || byConfig.Error() != err.Error() || byServe.Error() != err.Error() || !errors.As(byServe, &usage) {
				t.Errorf("%s=%s: config says %v, serve %v", s.name, value, byConfig, byServe)
			}
			if strings.Contains(err.Error()+printed.String(), "hunter") {
				t.Errorf("%s=%s is shown: %v\n%s", s.name, value, err, printed.String())
			}
		}
	}
}

// All problems are reported together, each once, also with another name or a file.
func TestWrongValuesAreReportedTogether(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("hunter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"SUPABASE_DB_URL", "hunter", "SUPABASE_PUBLISHABLE_KEY", "hunter", "SUPABASE_JWT_SECRET_FILE", file}
	want := []string{"SUPABASE_DB_URL", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_JWT_SECRET_FILE"}
	for name, values := range wrongValues {
		switch name {
		case "DATABASE_URL", "SUPABASE_PUBLISHABLE_KEYS", "SUPABASE_JWT_SECRET", "API_KEY_REQUIRED", "TRUSTED_DOCUMENTS_FILE":
			continue
		}
		env, want = append(env, name, values[0]), append(want, name)
	}
	_, err := readConfig(environment(env...))
	if err == nil {
		t.Fatal("accepted")
	}
	lines := strings.Split(err.Error(), "\n")
	for _, name := range want {
		found := 0
		for _, line := range lines {
			if strings.HasPrefix(line, name+" ") {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%s is reported %d times", name, found)
		}
	}
	if len(lines) != len(want) || strings.Contains(err.Error(), "hunter") {
		t.Errorf("%d lines for %d settings:\n%v", len(lines), len(want), err)
	}
}

// Values as people paste them are accepted if they are valid.
func TestPastedSettings(t *testing.T) {
	for _, env := range [][]string{
		{"DATABASE_URL", "postgres://postgres.abc:p%40ss@aws-0-eu.pooler.supabase.com:6543/postgres?pgbouncer=true&connection_limit=1&schema=public", "SUPABASE_URL", "https://abc.supabase.co/"},
		{"DATABASE_URL", " postgres://u:x@db/postgres\n", "SUPABASE_URL", "http://127.0.0.1:54321", "SUPABASE_JWT_SECRET", "super-secret-jwt-token-with-at-least-32-characters-long\n"},
		{"DATABASE_URL", "postgres://u:x@db/postgres", "SUPABASE_JWT_ISSUER", "https://example.com/base/auth/v1", "SUPABASE_JWKS_URL", "https://example.com/base/auth/v1/.well-known/jwks.json?key=1"},
		{"DATABASE_URL", "postgres://u:x@db/postgres", "SUPABASE_URL", "https://abc.supabase.co", "SESSION_COOKIE", "on", "SESSION_COOKIE_ORIGINS", "https://app.example.com, http://localhost:3000", "ADMIN_ADDR", "127.0.0.1:9090", "TRUSTED_PROXIES", "10.0.0.0/8,::1"},
	} {
		if c, err := readConfig(environment(env...)); err != nil || len(c.trustedProxies) == 1 {
			t.Errorf("%v: %v", env, err)
		}
	}
}

// Any password is accepted or refused as one. Neither an error nor `usergraph config` shows a part of it.
func FuzzPastedPassword(f *testing.F) {
	for _, password := range []string{"hunter", "#", "/", "?", "@", "%", ":", "12/34@", "?host=", "&x=", "[", " "} {
		f.Add(password, password)
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		password := before + "hunter2hunter" + after
		for name, url := range map[string]string{
			"DATABASE_URL": "postgres://u:" + password + "@db.example:5432/postgres", "REDIS_URL": "redis://:" + password + "@db.example:6379/0",
			"SUPABASE_URL": "https://u:" + password + "@abc.supabase.co", "ALLOWED_ORIGINS": "https://u:" + password + "@abc.supabase.co",
		} {
			env := environment(name, url, "DATABASE_URL", "postgres://u:x@db.example/postgres", "SUPABASE_URL", "https://abc.supabase.co", "RATE_LIMIT", "1/1s")
			var printed strings.Builder
			err := run(t.Context(), []string{"config"}, env, &printed)
			if err != nil {
				printed.WriteString(err.Error())
			}
			if strings.Contains(printed.String(), "hunter2") {
				t.Errorf("%s=%s is shown: %s", name, url, printed.String())
			}
			if config, parseErr := dsn.Postgres(url); name == "DATABASE_URL" && err == nil && (parseErr != nil || config.Host != "db.example" || config.Database != "postgres") {
				t.Errorf("%s: %v", url, parseErr)
			}
		}
	})
}
