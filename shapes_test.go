package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"usergraph/app"
	"usergraph/auth/authtest"
	"usergraph/internal/pgtest"
	"usergraph/internal/postgres"
)

// project is a PostgreSQL with the roles and the ownership of a Supabase project.
type project struct {
	server *postgres.Server
	names  int
}

// newProject starts one. Its password is that of all logins.
func newProject(t *testing.T) *project {
	t.Helper()
	server, err := postgres.Start(t.Context(), postgres.Config{DataDir: filepath.Join(pgtest.Dir(t), "data"), Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	p := &project{server: server}
	password, _ := must(url.Parse(server.URL("postgres", "postgres"))).User.Password()
	text, err := os.ReadFile("testdata/adopt/project.sql")
	if err != nil {
		t.Fatal(err)
	}
	p.exec(t, "postgres", "postgres", fmt.Sprintf("create role another superuser login password '%s'", password))
	p.exec(t, "another", "template1", "alter role postgres rename to supabase_admin")
	p.exec(t, "supabase_admin", "postgres", fmt.Sprintf("drop role another; create role postgres login createrole createdb bypassrls replication password '%s'", password))
	p.exec(t, "supabase_admin", "postgres", string(text))
	p.exec(t, "supabase_admin", "template1", "alter database postgres owner to postgres")
	// As the README says.
	p.exec(t, "postgres", "postgres", fmt.Sprintf("create role usergraph login noinherit password '%s'; grant anon, authenticated to usergraph", password))
	return p
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// url is the connection string of a login. The cluster has one password.
func (p *project) url(login, name string) string {
	u := must(url.Parse(p.server.URL("postgres", name)))
	password, _ := u.User.Password()
	u.User = url.UserPassword(login, password)
	return u.String()
}

func (p *project) exec(t *testing.T, login, name, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.url(login, name))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%.100s: %v", sql, err)
	}
}

// database makes a database of the project in which SQL of a shape was run as postgres.
func (p *project) database(t *testing.T, shape string) (name string) {
	t.Helper()
	p.names++
	name = fmt.Sprintf("shape_%d", p.names)
	p.exec(t, "supabase_admin", "template1", "create database "+name+" template postgres owner postgres")
	if shape != "" {
		text, err := os.ReadFile("testdata/adopt/" + shape)
		if err != nil {
			t.Fatal(err)
		}
		p.exec(t, "postgres", name, string(text))
	}
	return name
}

// signUp is what Supabase Auth does, as its own role.
func (p *project) signUp(t *testing.T, name, fullName string) uuid.UUID {
	t.Helper()
	id := uuid.New()
	p.exec(t, "supabase_admin", name, fmt.Sprintf(`set role supabase_auth_admin; insert into auth.users (id, email, raw_user_meta_data) values ('%s', '%s@example.com', '{"full_name": "%s"}')`, id, id, fullName))
	return id
}

// serving runs `usergraph serve` until the test ends, and returns its address.
func serving(t *testing.T, api app.API, environment map[string]string) string {
	t.Helper()
	environment["HOST"], environment["PORT"], environment["DRAIN_DELAY"], environment["LOG_FORMAT"] = "127.0.0.1", "0", "0s", "json"
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := app.Run(ctx, api, app.Env{Args: []string{"serve"}, Getenv: func(name string) string { return environment[name] }, Stdout: in})
		in.CloseWithError(errors.Join(err, io.EOF))
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error("usergraph serve:", err)
		}
	})
	return listening(t, out)
}

// listening reads the log of a server until it listens, and returns its address. The rest is discarded.
func listening(t *testing.T, log io.Reader) string {
	t.Helper()
	for decoder := json.NewDecoder(log); ; {
		var line struct{ Msg, URL string }
		if err := decoder.Decode(&line); err != nil {
			t.Fatal("the server does not start: ", err)
		}
		if line.Msg == "listening" {
			go func() { _, _ = io.Copy(io.Discard, io.MultiReader(decoder.Buffered(), log)) }()
			return line.URL
		}
	}
}

// readyz waits until /readyz says something, and returns its status.
func readyz(t *testing.T, address, want string) int {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		status, body := request(t, http.MethodGet, address+"/readyz", "", "")
		if strings.Contains(body, want) {
			return status
		}
		if time.Now().After(deadline) {
			t.Fatalf("/readyz: %d %s, want %s", status, body, want)
		}
	}
}

func request(t *testing.T, method, address, token, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(bytes.TrimSpace(text))
}

// objects are the schemas, tables, columns, functions, triggers and policies of a database.
func (p *project) objects(t *testing.T, name string) []string {
	t.Helper()
	return ask[[]string](t, connect(t, p.url("supabase_admin", name)), `select array(
		select 'schema ' || nspname from pg_namespace
		union all select 'column ' || attrelid::regclass || '.' || attname from pg_attribute join pg_class c on c.oid = attrelid and relkind in ('r', 'p') where attnum > 0 and not attisdropped
		union all select 'function ' || oid::regprocedure from pg_proc
		union all select 'trigger ' || tgname || ' on ' || tgrelid::regclass from pg_trigger where not tgisinternal
		union all select 'policy ' || polname || ' on ' || polrelid::regclass from pg_policy
		order by 1)`)
}

// uninstalled runs docs/uninstall.sql as postgres, twice, and checks that what was there before is there, and nothing of ours.
func (p *project) uninstalled(t *testing.T, name string, before []string) {
	t.Helper()
	script, err := os.ReadFile("docs/uninstall.sql")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p.exec(t, "postgres", name, string(script))
	}
	after := p.objects(t, name)
	for _, object := range before {
		if !slices.Contains(after, object) {
			t.Errorf("%s is gone", object)
		}
	}
	for _, object := range after {
		if strings.Contains(object, "usergraph") {
			t.Errorf("%s is left", object)
		}
	}
	p.signUp(t, name, "After")
}

// withoutFiles is the API after its migrations were deleted, as `migrate` says where the project has a table of its own.
func withoutFiles() app.API {
	own := api
	own.Migrations = fstest.MapFS{"migrations/.keep": &fstest.MapFile{}}
	return own
}

// Each shape of a project is adopted by the steps that the program says, as the login of the README and as postgres.
func TestShapes(t *testing.T) { adoptShapes(t, newProject(t)) }

func adoptShapes(t *testing.T, p *project) {
	const deleteFiles = "It stays as it is: delete the files 20261124000000_users.sql and 20261129000000_sign_up.sql of supabase/migrations, and run usergraph migrate again."
	for name, shape := range map[string]struct {
		file    string
		refused string // what migrate says at first
		missing string // what keeps the server from being ready
		mend    string // SQL
	}{
		"new, with users who have signed up": {},
		"the Next.js starter":                {file: "starter.sql", refused: deleteFiles},
		"the user management quickstart":     {file: "profiles.sql"},
		"another table users":                {file: "other.sql", refused: deleteFiles, missing: "public.users has no column full_name, avatar_url, and models.User reads it", mend: "alter table public.users alter email drop not null, add full_name text, add avatar_url text; create policy change on public.users for update to authenticated using ((select auth.uid()) = id); create function public.mine() returns trigger language plpgsql security definer as 'begin insert into public.users (id, full_name) values (new.id, new.raw_user_meta_data->>''full_name''); return new; end'; create trigger mine after insert on auth.users for each row execute function public.mine(); insert into public.users (id, full_name) select id, raw_user_meta_data ->> 'full_name' from auth.users"},
	} {
		t.Run(name, func(t *testing.T) {
			database := p.database(t, shape.file)
			before := p.objects(t, database)
			early := p.signUp(t, database, "Early")
			if shape.file == "other.sql" {
				p.exec(t, "postgres", database, "delete from public.users")
			}
			owner := map[string]string{"DATABASE_MIGRATE_URL": p.url("postgres", database)}
			api := api
			migrate := func(args ...string) (string, error) {
				var out strings.Builder
				err := app.Run(t.Context(), api, app.Env{Args: append([]string{"migrate"}, args...), Getenv: func(name string) string { return owner[name] }, Stdout: &out})
				return out.String(), err
			}
			if shape.refused != "" {
				if out, err := migrate(); err == nil || !strings.Contains(err.Error(), shape.refused) {
					t.Fatal(out, err)
				}
				api = withoutFiles()
			}
			listed, err := migrate("--dry-run")
			if err != nil {
				t.Fatal(err)
			}
			if out, err := migrate(); err != nil || out != strings.ReplaceAll(listed, "would do:", "done:") {
				t.Fatal(out, listed, err)
			}
			issuer := authtest.New(t)
			for _, login := range []string{"usergraph", "postgres"} {
				environment := map[string]string{"DATABASE_URL": p.url(login, database), "SUPABASE_URL": strings.TrimSuffix(issuer.URL(), "/auth/v1"), "SESSION_CHECK": "always"}
				address := serving(t, api, environment)
				if shape.missing != "" && login == "usergraph" {
					if status := readyz(t, address, shape.missing); status != http.StatusServiceUnavailable {
						t.Error(status)
					}
					p.exec(t, "postgres", database, shape.mend)
				}
				if status := readyz(t, address, `"schema":"ok"`); status != http.StatusOK {
					t.Errorf("%s: /readyz is %d", login, status)
				}
				late := p.signUp(t, database, "Late "+login)
				for user, name := range map[uuid.UUID]string{early: "Early", late: "Late " + login} {
					session := uuid.New()
					p.exec(t, "supabase_admin", database, "insert into auth.sessions (id, user_id) values ($1, $2)", session, user)
					claims := issuer.Claims(user)
					claims["session_id"] = session.String()
					token := issuer.Keys()[0].Sign(claims)
					if status, body := request(t, http.MethodPost, address+"/graphql", token, `{"query":"{ me { fullName } }"}`); status != 200 || body != fmt.Sprintf(`{"data":{"me":{"fullName":%q}}}`, name) {
						t.Errorf("%s: %d %s", login, status, body)
					}
				}
				var doctor strings.Builder
				_ = app.Run(t.Context(), api, app.Env{Args: []string{"doctor"}, Getenv: func(name string) string { return environment[name] }, Stdin: strings.NewReader(""), Stdout: &doctor})
				// That postgres serves is an error, and doctor says so.
				if !strings.Contains(doctor.String(), "ok       schema") || login == "usergraph" && strings.Contains("\n"+doctor.String(), "\nerror ") {
					t.Errorf("%s: %s", login, &doctor)
				}
			}
			p.uninstalled(t, database, before)
		})
	}
}
