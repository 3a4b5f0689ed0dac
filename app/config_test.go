package app

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usergraph/endpoint"
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestTwoSettingsAreEnough(t *testing.T) {
	c, err := readConfig(environment("DATABASE_URL", "postgres://authenticator:x@db/postgres", "SUPABASE_URL", "https://abc.supabase.co/"))
	if err != nil {
		t.Fatal(err)
	}
	if c.issuers[0] != "https://abc.supabase.co/auth/v1" || c.jwksURL != "https://abc.supabase.co/auth/v1/.well-known/jwks.json" || c.listen() != "0.0.0.0:8080" {
		t.Errorf("%+v", c)
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	_, err := readConfig(environment("DATABASE_URL", "mysql://root:hunter2@db", "PORT", "99999", "SUPABASE_URL", "http://abc.supabase.co", "INTROSPECTION", "yes", "REQUEST_TIMEOUT", "fast",
		"SUPABASE_PUBLISHABLE_KEY", "sb_secret_hunter2", "PLAYGROUND", "on"))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"DATABASE_URL", "PORT", "SUPABASE_URL must be https", "INTROSPECTION is", "REQUEST_TIMEOUT", "SUPABASE_PUBLISHABLE_KEY"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password is shown: %v", err)
	}
}

func TestServeWithBadSettings(t *testing.T) {
	database := []string{"DATABASE_URL", "postgres://authenticator:x@127.0.0.1:1/postgres", "SUPABASE_URL", "https://abc.supabase.co"}
	for name, test := range map[string]struct {
		env  []string
		want string
	}{
		"nothing set":                 {nil, "go run . dev"},
		"published secret":            {append(database, "SUPABASE_JWT_SECRET", "super-secret-jwt-token-with-at-least-32-characters-long"), "publishes"},
		"playground without a schema": {append(database, "PLAYGROUND", "on", "INTROSPECTION", "off"), "PLAYGROUND=on needs"},
		"replica that is the primary": {append(database, "DATABASE_READ_URL", database[1]), "name a replica"},
		"nothing to keep in Redis":    {append(database, "REDIS_URL", "redis://127.0.0.1:1"), "nothing would be kept"},
		"bad key set":                 {append(database, "SUPABASE_JWKS", "hello"), "SUPABASE_JWKS"},
	} {
		err := run(t.Context(), []string{"serve"}, environment(append(test.env, "PORT", "0")...), io.Discard)
		var usage usageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDotenv(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{".env": "A=file\nB=file\nC=file\n", ".env.local": "B=local\nC=local\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	getenv, err := engineSettings.withDotenv(environment("C", "real"), dir, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if got := getenv("A") + getenv("B") + getenv("C"); got != "filelocalreal" {
		t.Error(got)
	}
}

var update = flag.Bool("update", false, "write the table of settings into docs/settings.md")

func TestDocsListTheSettings(t *testing.T) {
	text, err := os.ReadFile("../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- settings: written by go test ./app -run Settings -update -->\n", "<!-- /settings -->"
	before, rest, found := strings.Cut(string(text), begin)
	table, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatal("docs/settings.md has lost the markers around the table of settings")
	}
	if table == settingsMarkdown() {
		return
	}
	if !*update {
		t.Fatal("the table of settings in docs/settings.md is old: go test ./app -run Settings -update")
	}
	if err := os.WriteFile("../docs/settings.md", []byte(before+begin+settingsMarkdown()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// settingsMarkdown returns the table of settings for docs/settings.md.
func settingsMarkdown() string {
	table := "| name | default | meaning |\n|---|---|---|\n"
	for _, s := range settings {
		fallback := ""
		if s.fallback != "" {
			fallback = "`" + s.fallback + "`"
		}
		table += fmt.Sprintf("| `%s` | %s | %s |\n", s.name, fallback, s.meaning)
	}
	return table
}

func TestLimitsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range endpointSettings {
		if strings.HasPrefix(s.name, "LIMIT_") && !strings.Contains(string(page), "| `"+s.name+"` | `"+s.fallback+"` |") {
			t.Errorf("docs/security.md does not list %s with its default %s", s.name, s.fallback)
		}
	}
}

func TestEndpointSettings(t *testing.T) {
	enough := []string{"DATABASE_URL", "postgres://authenticator:x@db/postgres", "SUPABASE_URL", "https://abc.supabase.co"}
	c, err := readConfig(environment(append(enough, "LIMIT_TOKENS", "700/70", "LIMIT_DEPTH", "9", "LIMIT_CONNECTIONS", "7/5", "LIMIT_ALL_CONNECTIONS", "50", "WEBSOCKET_INIT_TIMEOUT", "2s", "REQUEST_TIMEOUT", "3s/2s", "ALLOWED_ORIGINS", "https://a.example.com, https://b.example.com")...))
	if err != nil {
		t.Fatal(err)
	}
	want := endpoint.DefaultLimits()
	want.SignedIn.Tokens, want.Anonymous.Tokens = 700, 70
	want.SignedIn.Connections, want.Anonymous.Connections, want.Connections, want.InitTime = 7, 5, 50, 2*time.Second
	want.SignedIn.Depth, want.Anonymous.Depth = 9, 9
	want.SignedIn.Time, want.Anonymous.Time = 3*time.Second, 2*time.Second
	if c.endpoint.limits != want || !c.endpoint.origins.Contains("https://b.example.com") || c.endpoint.introspection != endpoint.IntrospectionAuthenticated {
		t.Errorf("%+v", c.endpoint)
	}
	for _, bad := range [][]string{
		{"LIMIT_TOKENS", "many"}, {"LIMIT_TOKENS", "1000/"}, {"LIMIT_TOKENS", "-1"}, {"LIMIT_TOKENS", "1/2/3"}, {"LIMIT_ALL_CONNECTIONS", "20000/10000"}, {"WEBSOCKET_INIT_TIMEOUT", "0s"}, {"REQUEST_TIMEOUT", "1s/never"},
		{"ALLOWED_ORIGINS", "*"}, {"TRUSTED_DOCUMENTS", "on"},
	} {
		if _, err := readConfig(environment(append(enough, bad...)...)); err == nil || !strings.Contains(err.Error(), bad[0]) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestTrustedDocumentsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "persisted-documents.json")
	read := func() (map[string]string, error) {
		return readTrustedDocuments(endpointConfig{trust: endpoint.TrustRequire, trustedFile: file})
	}
	if _, err := read(); err == nil || !strings.Contains(err.Error(), "TRUSTED_DOCUMENTS_FILE") {
		t.Errorf("no file: %v", err)
	}
	for text, good := range map[string]bool{`{"id":"{ me { id } }"}`: true, "[]": false, `{"id":7}`: false, "": false} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if documents, err := read(); (err == nil) != good || good && documents["id"] != "{ me { id } }" {
			t.Errorf("%s: %v %v", text, documents, err)
		}
	}
	if documents, err := readTrustedDocuments(endpointConfig{trust: endpoint.TrustOff}); documents != nil || err != nil {
		t.Errorf("off: %v %v", documents, err)
	}
}

func TestSecretsAreSettings(t *testing.T) {
	for _, name := range secrets {
		if !engineSettings.isSetting(name) {
			t.Errorf("%s is no setting", name)
		}
	}
}

func TestSecretsFromFiles(t *testing.T) {
	dir := t.TempDir()
	full, empty := filepath.Join(dir, "full"), filepath.Join(dir, "empty")
	if err := errors.Join(os.WriteFile(full, []byte("postgres://authenticator:hunter2@db/postgres\n"), 0o600), os.WriteFile(empty, []byte("\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	project := []string{"SUPABASE_URL", "https://abc.supabase.co"}
	c, err := readConfig(environment(append(project, "DATABASE_URL_FILE", full)...))
	if err != nil || c.databaseURL != "postgres://authenticator:hunter2@db/postgres" {
		t.Error(c.databaseURL, err)
	}
	for want, env := range map[string][]string{
		"both set":     {"DATABASE_URL_FILE", full, "DATABASE_URL", "postgres://db/postgres"},
		"is empty":     {"DATABASE_URL_FILE", empty},
		"no such file": {"DATABASE_URL_FILE", filepath.Join(dir, "none")},
	} {
		if _, err := readConfig(environment(append(project, env...)...)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestUnknownNamesAreRefused(t *testing.T) {
	err := engineSettings.checkNames(variableNames([]string{"PATH=/bin", "USERGRAPH_PORT=1", "USERGRAPH_COLOUR=hunter2", "SUPABASE_ANON_KEY=x"}))
	if err == nil || err.Error() != "USERGRAPH_PORT is no setting: it is called PORT\nUSERGRAPH_COLOUR is no setting: `usergraph serve --help` lists the settings" {
		t.Error(err)
	}
}

func TestConfigCommand(t *testing.T) {
	var out strings.Builder
	env := environment("DATABASE_URL", "postgres://authenticator:hunter2@db:5432/postgres?password=hunter3", "SUPABASE_URL", "https://abc.supabase.co",
		"SUPABASE_JWT_SECRET", "hunter4-hunter4-hunter4-hunter4-hunter4", "SUPABASE_PUBLISHABLE_KEYS", "sb_secret_hunter5", "PORT", "99999")
	if err := run(t.Context(), []string{"config"}, env, &out); err == nil || !strings.Contains(err.Error(), "PORT") {
		t.Error(err)
	}
	for _, want := range []string{"postgres://authenticator@db:5432/postgres (", "(hidden)", "https://abc.supabase.co/auth/v1/.well-known/jwks.json", "99999"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not printed", want)
		}
	}
	if strings.Contains(out.String(), "hunter") {
		t.Errorf("a secret is printed:\n%s", out.String())
	}
}
