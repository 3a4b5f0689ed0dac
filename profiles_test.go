package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"usergraph/app"
	"usergraph/auth/authtest"
)

// The quickstart's table profiles serves the API by the lines of docs/adopt.md: they are run here as the page has them. Then the
// tests of the new project pass, and the program answers from the project's profiles.
func TestProfiles(t *testing.T) {
	page, err := os.ReadFile("docs/adopt.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(page), "<!-- run by profiles_test.go -->\n\n```sh\n")
	lines, _, found := strings.Cut(after, "```")
	if !found {
		t.Fatal("docs/adopt.md has no such lines")
	}
	parent := t.TempDir()
	shop, migrations := filepath.Join(parent, "shop"), filepath.Join(parent, "your-app", "supabase", "migrations")
	if err := app.Run(t.Context(), api, app.Env{Args: []string{"init", shop, "--engine", "."}, Getenv: os.Getenv, Stdout: t.Output()}); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(migrations, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{"20260101000000_profiles.sql": "profiles.sql", "20260101000001_avatars.sql": "avatars.sql"} {
		text, err := os.ReadFile("testdata/adopt/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(migrations, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(environment []string, name string, args ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), name, args...)
		command.Dir, command.Env = shop, append(os.Environ(), environment...)
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	run(nil, "sh", "-euc", lines)
	run(nil, "go", "test", "./...")
	run(nil, "go", "build", "-o", "server", ".")

	p := newProject(t)
	database := p.database(t, "profiles.sql")
	before := p.objects(t, database)
	user, session := p.signUp(t, database, "Grace"), uuid.New()
	p.exec(t, "supabase_admin", database, "insert into auth.sessions (id, user_id) values ($1, $2)", session, user)
	// The project has run the files, and the Supabase CLI has noted them.
	p.exec(t, "postgres", database, `create schema supabase_migrations; create table supabase_migrations.schema_migrations (version text primary key, statements text[], name text);
		insert into supabase_migrations.schema_migrations (version, name) values ('20260101000000', 'profiles'), ('20260101000001', 'avatars')`)
	const steps = "done: the schema usergraph\ndone: engine/001_sessions.sql\ndone: engine/002_announcements.sql\ndone: announce changes of public.profiles: key id, owner id\n"
	if out := run([]string{"DATABASE_MIGRATE_URL=" + p.url("postgres", database)}, "./server", "migrate"); out != steps {
		t.Error(out)
	}
	issuer := authtest.New(t)
	environment := []string{"DATABASE_URL=" + p.url("usergraph", database), "SUPABASE_URL=" + strings.TrimSuffix(issuer.URL(), "/auth/v1"), "SESSION_CHECK=always"}
	if out := run(environment, "./server", "doctor"); !strings.Contains(out, "all columns, grants, functions and triggers of the API's 1 tables are there") {
		t.Error(out)
	}
	server := exec.Command(filepath.Join(shop, "server"))
	server.Dir = shop
	server.Env = append(os.Environ(), append(environment, "HOST=127.0.0.1", "PORT=0", "DRAIN_DELAY=0s", "LOG_FORMAT=json")...)
	log, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	address := listening(t, log)
	claims := issuer.Claims(user)
	claims["session_id"] = session.String()
	for query, want := range map[string]string{
		`{"query":"{ me { fullName } }"}`: `{"data":{"me":{"fullName":"Grace"}}}`,
		`{"query":"mutation { updateMe(input: {avatarUrl: \"https://example.com/grace.png\"}) { avatarUrl } }"}`: `{"data":{"updateMe":{"avatarUrl":"https://example.com/grace.png"}}}`,
	} {
		if status, body := request(t, "POST", address+"/graphql", issuer.Keys()[0].Sign(claims), query); status != 200 || body != want {
			t.Errorf("%d %s", status, body)
		}
	}
	if got := ask[string](t, connect(t, p.url("postgres", database)), "select avatar_url from public.profiles where id = $1", user); got != "https://example.com/grace.png" {
		t.Error(got)
	}
	p.uninstalled(t, database, before)
}
