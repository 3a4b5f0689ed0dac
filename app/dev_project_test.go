package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"

	"usergraph/auth/authtest"
	"usergraph/internal/pgtest"
)

// contents returns the rows of each table but those that tokens write, and the names in some catalogues.
func contents(t *testing.T, db *pgtest.Database) map[string]string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, err := conn.Query(t.Context(), `
		select format('%I.%I', schemaname, tablename) from pg_tables
		where schemaname not in ('pg_catalog', 'information_schema') and tablename not in ('sessions', 'mfa_amr_claims') order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	columns := map[string]string{"pg_proc": "proname", "pg_trigger": "tgname", "pg_policy": "polname", "pg_class": "relname", "pg_namespace": "nspname"}
	for _, table := range tables {
		columns[table] = "x::text"
	}
	all := map[string]string{}
	for table, column := range columns {
		var text string
		if err := conn.QueryRow(t.Context(), "select coalesce(string_agg("+column+", ',' order by "+column+"), '') from "+table+" x").Scan(&text); err != nil {
			t.Fatal(err)
		}
		all[table] = text
	}
	return all
}

func count(t *testing.T, db *pgtest.Database, sql string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const teamSession = `insert into auth.sessions (id, user_id, aal, not_after, user_agent)
	select gen_random_uuid(), id, 'aal1', now() - interval '1 day', 'the team''s own' from auth.users where email = 'ada@example.com'`

// A database that exists is served as it is: users are those it has, and nothing but the sessions of tokens is written.
func TestDevServesADatabaseAsItIs(t *testing.T) {
	t.Chdir(t.TempDir())
	db := pgtest.New(t)
	db.Exec(t, pgtest.Seed)
	db.Exec(t, teamSession)
	before := contents(t, db)
	address, token := devServer(t, "--database", db.AdminURL)
	if status, body := ask(t, address, token, "{ me { fullName } }"); status != 200 || body != `{"data":{"me":{"fullName":"Ada Lovelace"}}}` {
		t.Errorf("as Ada: %d %s", status, body)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"token", "--url", address, "--as", "bob@example.com"}, noEnvironment, &out); err != nil {
		t.Fatal(err)
	}
	if _, body := ask(t, address, strings.TrimSpace(out.String()), "{ me { fullName } }"); !strings.Contains(body, "Bob Kahn") {
		t.Errorf("as Bob: %s", body)
	}
	db.Exec(t, "alter policy \"users read their own row\" on public.users using (false)")
	if _, body := ask(t, address, token, "{ me { fullName } }"); !strings.Contains(body, "row-level security hides it") {
		t.Errorf("why null: %s", body)
	}
	db.Exec(t, "alter policy \"users read their own row\" on public.users using ((select auth.uid()) = id)")
	after := contents(t, db)
	for table := range after {
		if after[table] != before[table] {
			t.Errorf("%s has changed", table)
		}
	}
	if got := count(t, db, "select count(*) from auth.sessions where user_agent = 'usergraph dev' and not_after > now()"); got != 2 {
		t.Errorf("%d sessions of tokens", got)
	}
	if got := count(t, db, "select count(*) from auth.sessions where user_agent = 'the team''s own'"); got != 1 {
		t.Error("the team's sessions are gone")
	}
}

// Where `supabase start` runs, its ports are those of config.toml, and its Auth is the issuer.
func TestDevUsesTheLocalStack(t *testing.T) {
	db := pgtest.New(t)
	db.Exec(t, pgtest.Seed)
	issuer := authtest.New(t)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/auth/v1/.well-known/jwks.json":
			_, _ = w.Write(issuer.JWKS())
		case r.URL.Path == "/auth/v1/health" && strings.HasPrefix(r.Header.Get("apikey"), "sb_publishable_"):
			_, _ = io.WriteString(w, `{"name":"GoTrue"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer gateway.Close()
	database, err := url.Parse(db.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	port := gateway.URL[strings.LastIndex(gateway.URL, ":")+1:]
	writeLocalConfig(t, "[api]\nport = "+port+"\n[db]\nport = "+database.Port()+"\n")
	address, token := devServer(t, "--database", db.AdminURL)
	if _, body := ask(t, address, token, "{ me { fullName } }"); body != `{"data":{"me":{"fullName":"Ada Lovelace"}}}` {
		t.Errorf("as Ada: %s", body)
	}
	// A user who signed in there: the token is signed with a key of the set.
	const session = "a0000000-0000-4000-8000-000000000009"
	db.Exec(t, "insert into auth.sessions (id, user_id, aal) values ($1, $2, 'aal1')", session, ada)
	theirs := issuer.Token(ada, func(claims jwt.MapClaims) {
		claims["iss"], claims["session_id"] = gateway.URL+"/auth/v1", session
	})
	if _, body := ask(t, address, theirs, "{ me { fullName } }"); body != `{"data":{"me":{"fullName":"Ada Lovelace"}}}` {
		t.Errorf("as Ada, signed in by the stack: %s", body)
	}
	if claims := payloadOf(t, token); !strings.Contains(claims, `"iss":"http://127.0.0.1:`+port+`/auth/v1"`) {
		t.Errorf("claims: %s", claims)
	}
}

func writeLocalConfig(t *testing.T, text string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.Mkdir("supabase", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.FromSlash(localConfig), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDevRefusesOtherDatabases(t *testing.T) {
	db := pgtest.New(t)
	db.Exec(t, "create schema empty")
	for value, want := range map[string]string{
		"postgres://postgres:hunter2@db.abcdefghijklmnopqrst.supabase.co:5432/postgres": "this machine only",
		"postgres://postgres:hunter2@10.0.0.7/postgres":                                 "this machine only",
		"postgres://postgres:hunter2@127.0.0.1,10.0.0.7/postgres":                       "this machine only",
		"postgres://postgres:hunter2@127.0.0.1/postgres?host=10.0.0.7":                  "this machine only",
		"postgres://postgres:hunter2@localhost.example.com/postgres":                    "this machine only",
		"hunter2": "postgres://",
		"postgres://postgres:hunter2@127.0.0.1:1/postgres": "cannot be reached",
		db.URL: "may not write auth.sessions",
	} {
		var usage usageError
		err := run(t.Context(), []string{"dev", "--port", "0", "--auth-port", "0", "--database", value}, noEnvironment, io.Discard)
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", value, err)
		}
	}
	err := run(t.Context(), []string{"dev", "--database", db.AdminURL, "--reset"}, noEnvironment, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "--reset") {
		t.Error(err)
	}
	db.Exec(t, "drop schema auth cascade")
	err = run(t.Context(), []string{"dev", "--port", "0", "--auth-port", "0", "--database", db.AdminURL}, noEnvironment, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "no Supabase project's") {
		t.Error(err)
	}
	writeLocalConfig(t, "[api]\nport = 99999\n")
	err = run(t.Context(), []string{"dev", "--database", "local"}, noEnvironment, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "[api] port") {
		t.Error(err)
	}
}

// A project without users begins signed out, and answers who signs up later.
func TestDevWithoutUsers(t *testing.T) {
	t.Chdir(t.TempDir())
	db := pgtest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"dev", "--port", "0", "--auth-port", "0", "--database", db.AdminURL}, noEnvironment, in)
		in.CloseWithError(errors.Join(err, io.EOF))
		ended <- err
	}()
	address := addressIn(t, out)
	go func() { _, _ = io.Copy(io.Discard, out) }()
	err := run(t.Context(), []string{"token", "--url", address}, noEnvironment, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "no such user") {
		t.Errorf("a token for the first of no users: %v", err)
	}
	db.Exec(t, pgtest.Seed)
	var token bytes.Buffer
	if err := run(t.Context(), []string{"token", "--url", address, "--as", "bob@example.com"}, noEnvironment, &token); err != nil {
		t.Fatal(err)
	}
	if _, body := ask(t, address, strings.TrimSpace(token.String()), "{ me { fullName } }"); !strings.Contains(body, "Bob Kahn") {
		t.Error(body)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

var playgroundLine = regexp.MustCompile(`^  Playground  (\S+)/$`)

// addressIn reads the output until the server listens, and returns the address of its playground.
func addressIn(t *testing.T, out io.Reader) (address string) {
	t.Helper()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if found := playgroundLine.FindStringSubmatch(lines.Text()); found != nil {
			address = found[1]
		}
		if strings.Contains(lines.Text(), "listening") {
			return address
		}
	}
	t.Fatal("the server does not start")
	return ""
}

// payloadOf returns the claims of a token, as JSON.
func payloadOf(t *testing.T, token string) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// In a real project postgres is no superuser, auth belongs to another role, and its tables have row-level security without
// policies.
func TestDevWithTheLoginOfAProject(t *testing.T) {
	t.Chdir(t.TempDir())
	db := pgtest.New(t)
	db.Exec(t, pgtest.Seed)
	login, owner := db.Name()+"_postgres", db.Name()+"_auth_admin"
	db.Exec(t, fmt.Sprintf(`
		create role %[2]s;
		create role %[1]s login bypassrls createrole password 'secret';
		grant anon, authenticated, service_role to %[1]s;
		alter schema auth owner to %[2]s;
		do $$ declare name text; begin
			for name in select tablename from pg_tables where schemaname = 'auth' loop
				execute format('alter table auth.%%I owner to %[2]s', name);
				execute format('alter table auth.%%I enable row level security', name);
			end loop;
		end $$;
		grant usage on schema auth to %[1]s;
		grant all on all tables in schema auth to %[1]s;
		grant all on all sequences in schema auth to %[1]s;
		alter table public.users owner to %[1]s;`, login, owner))
	t.Cleanup(func() {
		db.Exec(t, fmt.Sprintf("reassign owned by %[1]s, %[2]s to postgres; drop owned by %[1]s, %[2]s; drop role %[1]s, %[2]s", login, owner))
	})
	database, err := url.Parse(db.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	database.User = url.UserPassword(login, "secret")
	address, token := devServer(t, "--database", database.String())
	if _, body := ask(t, address, token, "{ me { fullName } }"); body != `{"data":{"me":{"fullName":"Ada Lovelace"}}}` {
		t.Errorf("as Ada: %s", body)
	}
	db.Exec(t, `drop policy "users read their own row" on public.users`)
	if _, body := ask(t, address, token, "{ me { fullName } }"); !strings.Contains(body, "no policy lets authenticated read public.users") {
		t.Errorf("why null: %s", body)
	}
}
