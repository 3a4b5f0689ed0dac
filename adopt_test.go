package main

import (
	"context"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"usergraph/app"
	"usergraph/documents"
	"usergraph/graph"
	"usergraph/internal/pgtest"
	"usergraph/supabase"
)

var api = app.API{Schema: graph.New, Migrations: supabase.Migrations, Seed: supabase.Seed, Documents: documents.FS}

// usergraph runs the program with an environment, and returns what it prints.
func usergraph(t *testing.T, environment map[string]string, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	err := app.Run(t.Context(), api, app.Env{Args: args, Getenv: func(name string) string { return environment[name] }, Stdin: strings.NewReader(""), Stdout: &out})
	return out.String(), err
}

// migrate runs `usergraph migrate`, which has to succeed.
func migrate(t *testing.T, url string, args ...string) string {
	t.Helper()
	out, err := usergraph(t, map[string]string{"DATABASE_MIGRATE_URL": url}, append([]string{"migrate"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// ask returns the single value of a query.
func ask[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) (value T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Errorf("%s: %v", sql, err)
	}
	return value
}

// asYesterday applies the migrations as they were before the engine had a schema of its own, and notes them as the Supabase
// CLI does.
func asYesterday(t *testing.T, pg *pgtest.Database) {
	t.Helper()
	pg.Exec(t, `create schema supabase_migrations;
		create table supabase_migrations.schema_migrations (version text not null primary key, statements text[], name text)`)
	files, err := fs.Glob(os.DirFS("testdata/adopt/yesterday"), "migrations/*.sql")
	if err != nil || len(files) != 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(path.Join("testdata/adopt/yesterday", file))
		if err != nil {
			t.Fatal(err)
		}
		pg.Exec(t, string(text))
		version, name, _ := strings.Cut(strings.TrimSuffix(path.Base(file), ".sql"), "_")
		pg.Exec(t, "insert into supabase_migrations.schema_migrations (version, name) values ($1, $2)", version, name)
	}
}

// signIn makes a user with a session, and returns the claims of their token.
func signIn(t *testing.T, pg *pgtest.Database, meta string) (user uuid.UUID, claims string) {
	t.Helper()
	user, session := uuid.New(), uuid.New()
	pg.Exec(t, "insert into auth.users (id, raw_user_meta_data) values ($1, $2)", user, meta)
	pg.Exec(t, "insert into auth.sessions (id, user_id) values ($1, $2)", session, user)
	return user, `{"role":"authenticated","sub":"` + user.String() + `","session_id":"` + session.String() + `"}`
}

// A database that yesterday's migrations have made is carried over: old and new servers work on it.
func TestCarriedOver(t *testing.T) {
	pg := pgtest.Bare(t)
	early, _ := signIn(t, pg, `{"full_name": "Early", "avatar_url": "javascript:alert(1)"}`)
	asYesterday(t, pg)
	yesterday, claims := signIn(t, pg, `{"full_name": "Yesterday"}`)
	const steps = `done: the schema usergraph
done: engine/001_sessions.sql
done: engine/002_announcements.sql
done: 20261129000000_sign_up.sql
done: announce changes of public.users: key id, owner id
`
	if out := migrate(t, pg.AdminURL, "--dry-run"); out != strings.ReplaceAll(steps, "done:", "would do:") {
		t.Error(out)
	}
	if out := migrate(t, pg.AdminURL); out != steps {
		t.Error(out)
	}
	today, _ := signIn(t, pg, `{"full_name": "Today"}`)

	conn := connect(t, pg.AdminURL)
	for user, want := range map[uuid.UUID]string{early: "Early", yesterday: "Yesterday", today: "Today"} {
		if got := ask[string](t, conn, "select full_name from public.users where id = $1", user); got != want {
			t.Errorf("%s is %s", want, got)
		}
	}
	for channel, want := range map[string]string{"usergraph_changes": "users:" + yesterday.String(), "usergraph": `["public.users", "` + yesterday.String() + `", "` + yesterday.String() + `"]`} {
		server := connect(t, pg.URL)
		if _, err := server.Exec(t.Context(), "listen "+channel); err != nil {
			t.Fatal(err)
		}
		pg.Exec(t, "update public.users set full_name = $2 where id = $1", yesterday, channel)
		if n, err := server.WaitForNotification(t.Context()); err != nil || n.Payload != want {
			t.Errorf("%s: %+v %v", channel, n, err)
		}
	}
	for _, function := range []string{"public.session_is_live()", "usergraph.session_is_live()"} {
		server := connect(t, pg.URL)
		ask[string](t, server, "select set_config('role', 'authenticated', false) || set_config('request.jwt.claims', $1, false)", claims)
		if !ask[bool](t, server, "select "+function) {
			t.Errorf("%s says no", function)
		}
	}
	if out := migrate(t, pg.AdminURL); out != "nothing to do\n" {
		t.Error(out)
	}
	uninstall(t, pg)
}

// uninstall runs docs/uninstall.sql twice, and checks that nothing of ours is left but the rows.
func uninstall(t *testing.T, pg *pgtest.Database) {
	t.Helper()
	script, err := os.ReadFile("docs/uninstall.sql")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		pg.Exec(t, string(script))
	}
	conn := connect(t, pg.AdminURL)
	left := ask[[]string](t, conn, `select array(
		select 'schema ' || nspname from pg_namespace where nspname = 'usergraph'
		union all select 'function ' || proname from pg_proc where pronamespace = 'public'::regnamespace and proname not in ('is_display_name', 'is_web_url')
		union all select 'trigger ' || tgname from pg_trigger where not tgisinternal
		union all select 'version ' || version from supabase_migrations.schema_migrations)`)
	if len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if _, err := conn.Exec(t.Context(), "insert into auth.users (id, raw_user_meta_data) values ($1, '{}'); ", uuid.New()); err != nil {
		t.Error("a sign-up afterwards:", err)
	}
}

// What a new project gets is removed by the same script.
func TestUninstall(t *testing.T) {
	pg := pgtest.Bare(t)
	migrate(t, pg.AdminURL)
	user, _ := signIn(t, pg, `{"full_name": "Ada"}`)
	uninstall(t, pg)
	if got := ask[string](t, connect(t, pg.AdminURL), "select full_name from public.users where id = $1", user); got != "Ada" {
		t.Error(got)
	}
}
