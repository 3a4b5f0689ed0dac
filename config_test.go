package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	_, err := readConfig(environment("DATABASE_URL", "mysql://root:hunter2@db", "PORT", "99999", "SUPABASE_URL", "http://abc.supabase.co", "INTROSPECTION", "yes", "REQUEST_TIMEOUT", "fast"))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"DATABASE_URL", "PORT", "SUPABASE_URL must be https", "INTROSPECTION", "REQUEST_TIMEOUT"} {
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
		"nothing set":      {nil, "usergraph dev"},
		"published secret": {append(database, "SUPABASE_JWT_SECRET", "super-secret-jwt-token-with-at-least-32-characters-long"), "publishes"},
		"bad key set":      {append(database, "SUPABASE_JWKS", "hello"), "SUPABASE_JWKS"},
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
	getenv, err := withDotenv(environment("C", "real"), dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := getenv("A") + getenv("B") + getenv("C"); got != "filelocalreal" {
		t.Error(got)
	}
}

func TestReadmeListsTheSettings(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings {
		if !strings.Contains(string(readme), "| `"+s.name+"` |") {
			t.Errorf("README.md does not list %s", s.name)
		}
	}
}
