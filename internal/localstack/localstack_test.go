package localstack_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usergraph/internal/localstack"
)

func TestRead(t *testing.T) {
	published := localstack.Stack{
		URL: "http://127.0.0.1:54321", DatabasePort: 54322, Issuer: "http://127.0.0.1:54321/auth/v1", SiteURL: "http://127.0.0.1:3000",
		JWTSecret: "super-secret-jwt-token-with-at-least-32-characters-long", PublishableKey: "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH",
	}
	if published.DatabaseURL() != "postgresql://postgres:postgres@127.0.0.1:54322/postgres" {
		t.Error(published.DatabaseURL())
	}
	env := func(name string) string { return map[string]string{"API_PORT": "7777", "SECRET": "of the team"}[name] }
	for text, change := range map[string]func(*localstack.Stack){
		"": func(*localstack.Stack) {},
		"project_id = \"x\"\n[db]\nmajor_version = 17": func(*localstack.Stack) {},
		"[api]\nport = 14321\nschemas = [\"public\"]\n[db]\nport = 14322": func(s *localstack.Stack) {
			s.URL, s.Issuer, s.DatabasePort = "http://127.0.0.1:14321", "http://127.0.0.1:14321/auth/v1", 14322
		},
		"[api]\nport = \"env(API_PORT)\"": func(s *localstack.Stack) {
			s.URL, s.Issuer = "http://127.0.0.1:7777", "http://127.0.0.1:7777/auth/v1"
		},
		"[auth]\nsite_url = \"http://localhost:4000\"\njwt_issuer = \"https://id.example.com\"\njwt_secret = \"env(SECRET)\"\npublishable_key = \"env(NOT_SET)\"": func(s *localstack.Stack) {
			s.SiteURL, s.Issuer, s.JWTSecret = "http://localhost:4000", "https://id.example.com", "of the team"
		},
		"[auth.oauth_server]\nenabled = false\nauthorization_url_path = \"/oauth/consent\"": func(*localstack.Stack) {},
		"[auth]\nsite_url = \"http://localhost:4000/\"\n[auth.oauth_server]\nenabled = true\nauthorization_url_path = \"/oauth/consent\"": func(s *localstack.Stack) {
			s.SiteURL, s.ConsentPage = "http://localhost:4000/", "http://localhost:4000/oauth/consent"
		},
	} {
		file := filepath.Join(t.TempDir(), "config.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		want := published
		change(&want)
		if got, err := localstack.Read(file, env); err != nil || got != want {
			t.Errorf("%s\n%+v %v", text, got, err)
		}
	}
	if got, err := localstack.Read(filepath.Join(t.TempDir(), "none.toml"), env); err != nil || got != published {
		t.Errorf("without a file: %+v %v", got, err)
	}
}

func TestWhatIsNoConfiguration(t *testing.T) {
	for text, want := range map[string]string{
		"[auth]\njwt_secret = \"hunter2": "line 2", "[api]\nport = 0": "[api] port", "[db]\nport = \"env(NOT_SET)\"": "[db] port", "[db]\nport = true": "[db] port", "auth = 3": "cannot be read",
	} {
		file := filepath.Join(t.TempDir(), "config.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := localstack.Read(file, os.Getenv); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestAuthAnswers(t *testing.T) {
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/auth/v1/health" || r.Header.Get("apikey") == "" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	stack := localstack.Stack{URL: gateway.URL, PublishableKey: "sb_publishable_x"}
	if !stack.AuthAnswers(t.Context()) {
		t.Error("Auth answers, and is not noticed")
	}
	if stack.PublishableKey = ""; stack.AuthAnswers(t.Context()) {
		t.Error("the gateway refuses")
	}
	gateway.Close()
	if stack.AuthAnswers(t.Context()) {
		t.Error("nothing listens")
	}
}
