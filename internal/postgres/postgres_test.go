//go:build unix

package postgres

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// All tests run as root and as an ordinary user, depending on the account that starts them.

// timeout is a generous bound for hangs.
const timeout = time.Minute

func TestMain(m *testing.M) {
	if dir := os.Getenv("POSTGRES_TEST_PARENT"); dir != "" {
		if err := parent(dir); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	_ = os.RemoveAll(template.dir)
	os.Exit(code)
}

// tempDir returns a folder that PostgreSQL can reach even if the test runs as root; other accounts cannot enter
// testing's.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "usergraph-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// quick returns a configuration that does not wait for the disk.
func quick(dir string) Config {
	return Config{DataDir: filepath.Join(dir, "postgres"), Settings: map[string]string{"fsync": "off"}}
}

// start starts a server that is stopped when the test ends.
func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	server, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// template is a stopped cluster with a table in it.
var template struct {
	once sync.Once
	dir  string
	err  error
}

// stopped copies the template into a new folder, since creating a cluster is slow.
func stopped(t *testing.T) Config {
	t.Helper()
	template.once.Do(func() {
		template.dir, template.err = os.MkdirTemp("", "usergraph-test-")
		if template.err == nil {
			template.err = makeTemplate(template.dir)
		}
	})
	if template.err != nil {
		t.Fatal(template.err)
	}
	cfg := quick(tempDir(t))
	if out, err := exec.Command("cp", "-a", filepath.Join(template.dir, "postgres"), cfg.DataDir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return cfg
}

func makeTemplate(dir string) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	server, err := Start(context.Background(), quick(dir))
	if err != nil {
		return err
	}
	_, err = ask(context.Background(), server.URL("postgres", "postgres"), "create table kept as select 'kept' as word; select ''")
	return errors.Join(err, server.Stop())
}

// query returns the last value of a superuser's query.
func query(t *testing.T, server *Server, sql string) string {
	t.Helper()
	value, err := ask(t.Context(), server.URL("postgres", "postgres"), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func ask(ctx context.Context, url, sql string) (string, error) {
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", err
	}
	return string(results[len(results)-1].Rows[0][0]), nil
}

func wantKept(t *testing.T, server *Server) {
	t.Helper()
	if word := query(t, server, "select word from kept"); word != "kept" {
		t.Errorf("the table says %q", word)
	}
}

func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, word := range words {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%v; want an error that says %q", err, word)
		}
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

// asAccount returns a command that runs as PostgreSQL's account.
func asAccount(t *testing.T, cfg Config, name string, args ...string) *exec.Cmd {
	t.Helper()
	account, err := accountFor(filepath.Join(cfg.DataDir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account}
	return cmd
}

func TestStart(t *testing.T) {
	cfg := quick(tempDir(t))
	server := start(t, cfg)
	query(t, server, "create table kept as select 'kept' as word; select ''")
	if roles := query(t, server, "select string_agg(rolname, ' ' order by rolname) from pg_roles where rolname !~ '^pg_'"); roles != "anon authenticated authenticator postgres service_role supabase_auth_admin" {
		t.Error("roles:", roles)
	}
	if user, err := ask(t.Context(), server.URL("authenticator", "postgres"), "select current_user"); err != nil || user != "authenticator" {
		t.Error(user, err)
	}
	if at := query(t, server, "select current_setting('listen_addresses') || ' ' || current_setting('unix_socket_directories')"); at != "127.0.0.1 " {
		t.Error("listens at", at)
	}
	config, err := pgx.ParseConfig(server.URL("postgres", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	config.Password = "postgres"
	if _, err := pgx.ConnectConfig(t.Context(), config); err == nil {
		t.Error("a wrong password is good enough")
	}
	for range 2 {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}

	// The second start would have other passwords if it created a new cluster.
	again := start(t, cfg)
	wantKept(t, again)
	if again.passwords != server.passwords {
		t.Error("the passwords were changed")
	}
}

func TestTemporary(t *testing.T) {
	cfg := quick(tempDir(t))
	cfg.Temporary = true
	server := start(t, cfg)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if exists(cfg.DataDir) {
		t.Error("the folder is still there")
	}
}

func TestPortTaken(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	cfg := quick(tempDir(t))
	cfg.Port = listener.Addr().(*net.TCPAddr).Port
	_, err = Start(t.Context(), cfg)
	wantError(t, err, fmt.Sprintf("port %d is taken", cfg.Port))

	listener.Close()
	if server := start(t, cfg); server.Port() != cfg.Port {
		t.Error("listens on", server.Port())
	}
}

func TestTwoAtOnce(t *testing.T) {
	cfg := quick(tempDir(t))
	type result struct {
		server *Server
		err    error
	}
	results := make(chan result)
	for range 3 {
		go func() {
			server, err := Start(t.Context(), cfg)
			results <- result{server, err}
		}()
	}
	var winners []*Server
	for range 3 {
		if r := <-results; r.err == nil {
			winners = append(winners, r.server)
		} else {
			wantError(t, r.err, "is in use by", "stop that one first")
		}
	}
	if len(winners) != 1 {
		t.Fatal(len(winners), "servers work on one folder")
	}
	defer winners[0].Stop()
	wantError(t, Remove(cfg.DataDir), "in use")
	if one := query(t, winners[0], "select 1"); one != "1" {
		t.Error(one)
	}
}

func TestRemove(t *testing.T) {
	cfg := stopped(t)
	if err := Remove(cfg.DataDir); err != nil || exists(cfg.DataDir) {
		t.Error("not removed:", err)
	}
	if err := Remove(cfg.DataDir); err != nil {
		t.Error("nothing there:", err)
	}
	// A foreign cluster, such as /var/lib/postgres on Arch Linux.
	if err := os.MkdirAll(filepath.Join(cfg.DataDir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	wantError(t, Remove(cfg.DataDir), "was not made by usergraph")
	if !exists(filepath.Join(cfg.DataDir, "data")) {
		t.Error("deleted all the same")
	}
}

// Root's PostgreSQL runs as another account, which cannot enter root's folders.
func TestPrivateHome(t *testing.T) {
	home := tempDir(t)
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := quick(filepath.Join(home, "project", ".usergraph"))
	server := start(t, cfg)
	target, err := os.Readlink(cfg.DataDir)
	if moved := err == nil; moved != (os.Geteuid() == 0) {
		t.Errorf("as user %d: a link: %t", os.Geteuid(), moved)
	}
	wantError(t, Remove(cfg.DataDir), "in use")
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := Remove(cfg.DataDir); err != nil || exists(cfg.DataDir) || (target != "" && exists(target)) {
		t.Errorf("not removed: %v", err)
	}
}

func TestOtherVersion(t *testing.T) {
	cfg := stopped(t)
	file := filepath.Join(cfg.DataDir, "data", "PG_VERSION")
	version, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"14\n", "99\n"} {
		if err := os.WriteFile(file, []byte(other), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Start(t.Context(), cfg)
		wantError(t, err, "was made by PostgreSQL "+strings.TrimSpace(other), "is left as it is")
	}
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), cfg)
	wantError(t, err, "version of the cluster")

	if err := os.WriteFile(file, version, 0o600); err != nil {
		t.Fatal(err)
	}
	wantKept(t, start(t, cfg))
}

// A crash leaves postmaster.pid, and another process gets its process id.
func TestStalePostmaster(t *testing.T) {
	cfg := stopped(t)
	foreign := asAccount(t, cfg, "sleep", "600")
	if err := foreign.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = foreign.Process.Kill(); _ = foreign.Wait() }()
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	for name, pid := range map[string]int{"dead": dead.Process.Pid, "alive": foreign.Process.Pid} {
		t.Run(name, func(t *testing.T) {
			text := fmt.Sprintf("%d\n%s\n1700000000\n5432\n\n127.0.0.1\n  1234567  98765\nready   \n", pid, filepath.Join(cfg.DataDir, "data"))
			if err := os.WriteFile(filepath.Join(cfg.DataDir, "data", "postmaster.pid"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			wantKept(t, start(t, cfg))
		})
	}
}

// A postmaster that was started by hand holds none of the locks. Two on one cluster would destroy it.
func TestStartedByHand(t *testing.T) {
	cfg := stopped(t)
	server := start(t, cfg)
	bin, err := server.home.binaries(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(server.Port())
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(cfg.DataDir, "data")
	byHand := asAccount(t, cfg, filepath.Join(bin.dir, "postgres"), "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
	if err := byHand.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = byHand.Process.Signal(syscall.SIGINT); _ = byHand.Wait() }()
	for deadline := time.Now().Add(timeout); server.login(t.Context()) != nil; time.Sleep(pollInterval) {
		if time.Now().After(deadline) {
			t.Fatal("PostgreSQL does not start")
		}
	}

	_, err = Start(t.Context(), cfg)
	wantError(t, err, fmt.Sprintf("process %d", byHand.Process.Pid), "stop that one first")
	if one := query(t, server, "select 1"); one != "1" || !exists(filepath.Join(data, "postmaster.pid")) {
		t.Error("the other one was disturbed")
	}
}

// parent is a separate process that owns a PostgreSQL. It prints its address, and keeps running for a moment after
// Ctrl-C.
func parent(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cfg := quick(dir)
	cfg.Temporary = os.Getenv("POSTGRES_TEST_TEMPORARY") != ""
	fmt.Println("starting")
	server, err := Start(context.Background(), cfg)
	if err != nil {
		return err
	}
	fmt.Println(server.child.pid, server.URL("postgres", "postgres"))
	<-ctx.Done()
	// A server does this while it lets requests finish.
	time.Sleep(100 * time.Millisecond)
	if _, err := ask(context.Background(), server.URL("postgres", "postgres"), "select 1"); err != nil {
		return fmt.Errorf("PostgreSQL went with Ctrl-C: %w", err)
	}
	return server.Stop()
}

type process struct {
	*exec.Cmd
	lines *bufio.Scanner
}

// startParent runs parent in its own process group, as a shell would.
func startParent(t *testing.T, dir string, env ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "POSTGRES_TEST_PARENT="+dir), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	p := &process{cmd, bufio.NewScanner(out)}
	if !p.lines.Scan() || p.lines.Text() != "starting" {
		t.Fatal("the parent says", p.lines.Text())
	}
	return p
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()
}

// ready waits for PostgreSQL.
func (p *process) ready(t *testing.T) (pid int, url string) {
	t.Helper()
	p.lines.Scan()
	if _, err := fmt.Sscan(p.lines.Text(), &pid, &url); err != nil {
		t.Fatalf("the parent says %q: %v", p.lines.Text(), err)
	}
	return pid, url
}

func waitUntil(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(timeout); !condition(); time.Sleep(pollInterval) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain until", what)
		}
	}
}

// gone reports whether a process does not exist, or is a zombie.
func gone(pid int) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err != nil || strings.HasPrefix(string(out), "Z")
}

func TestParentKilled(t *testing.T) {
	dir := filepath.Dir(stopped(t).DataDir)
	p := startParent(t, dir)
	pid, url := p.ready(t)
	if _, err := ask(t.Context(), url, "create table more (); select ''"); err != nil {
		t.Fatal(err)
	}
	p.kill(t)
	server := start(t, quick(dir)) // at once
	wantKept(t, server)
	query(t, server, "select count(*) from more")
	if !gone(pid) {
		t.Errorf("process %d is left behind", pid)
	}
}

func TestParentKilledDuringInitdb(t *testing.T) {
	dir := tempDir(t)
	p := startParent(t, dir)
	waitUntil(t, "initdb has begun", func() bool { return exists(filepath.Join(dir, "postgres", "new", "PG_VERSION")) })
	p.kill(t)
	server := start(t, quick(dir))
	if one := query(t, server, "select 1"); one != "1" || exists(filepath.Join(dir, "postgres", "new")) {
		t.Error("half a cluster is in use")
	}
}

func TestParentOfTemporaryKilled(t *testing.T) {
	dir := tempDir(t)
	if err := os.Chmod(dir, 0o777|fs.ModeSticky); err != nil { // as /tmp is
		t.Fatal(err)
	}
	p := startParent(t, dir, "POSTGRES_TEST_TEMPORARY=1")
	pid, _ := p.ready(t)
	p.kill(t)
	waitUntil(t, "PostgreSQL and its folder have gone", func() bool { return gone(pid) && !exists(filepath.Join(dir, "postgres")) })
}

// Ctrl-C in a terminal reaches every process of the group. PostgreSQL must ignore it until it is stopped.
func TestCtrlC(t *testing.T) {
	p := startParent(t, filepath.Dir(stopped(t).DataDir))
	pid, _ := p.ready(t)
	if err := syscall.Kill(-p.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for p.lines.Scan() {
		t.Error(p.lines.Text())
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	if !gone(pid) {
		t.Errorf("process %d is left behind", pid)
	}
}

func TestKill(t *testing.T) {
	cfg := stopped(t)
	server := start(t, cfg)
	query(t, server, "update kept set word = 'changed'; select ''")
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if word := query(t, start(t, cfg), "select word from kept"); word != "changed" {
		t.Errorf("the table says %q", word)
	}
}

// A database of an older version gets what its schema auth lacks, and keeps its rows and its grants.
func TestOlderSchemaAuth(t *testing.T) {
	cfg := stopped(t)
	server, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	query(t, server, `
		insert into auth.users (id, email) values ('a0000000-0000-4000-8000-000000000001', 'ada@example.com');
		insert into auth.sessions (id, user_id, aal) values ('a0000000-0000-4000-8000-000000000002', 'a0000000-0000-4000-8000-000000000001', 'aal1');
		alter table auth.sessions alter column aal type text, drop column factor_id, drop column oauth_client_id, drop column scopes;
		drop table auth.oauth_consents, auth.oauth_authorizations, auth.oauth_clients;
		drop type auth.oauth_registration_type, auth.oauth_client_type, auth.oauth_authorization_status, auth.oauth_response_type;
		drop table auth.mfa_amr_claims, auth.mfa_challenges, auth.mfa_factors, auth.identities, auth.flow_state;
		drop type auth.aal_level, auth.factor_type, auth.factor_status, auth.code_challenge_method;
		alter table auth.users drop column confirmed_at, drop column email_change_token_current;
		alter default privileges in schema public revoke all on tables from anon;
		select ''`)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if server, err = Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	if got := query(t, server, "select aal::auth.aal_level || ' ' || (factor_id is null) from auth.sessions"); got != "aal1 true" {
		t.Error(got)
	}
	if got := query(t, server, "select count(*) || ' ' || (select count(confirmed_at) from auth.users) from auth.identities, auth.mfa_factors"); got != "0 0" {
		t.Error(got)
	}
	if got := query(t, server, "select count(*) || ' ' || count(oauth_client_id) || ' ' || (select count(*) from auth.oauth_consents) from auth.sessions"); got != "1 0 0" {
		t.Error(got)
	}
	if got := query(t, server, "create table public.later (); select has_table_privilege('anon', 'public.later', 'select')"); got != "f" {
		t.Error("what the migrations revoked is granted again")
	}
}

// What Supabase's documentation tells projects to write into their migrations runs, with the default settings of the role postgres.
func TestMigrationsOfProjects(t *testing.T) {
	server := start(t, quick(tempDir(t)))
	for name, sql := range map[string]string{
		"a bucket, for folders of users": `insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) values ('photos', 'photos', true, 5242880, '{image/png}');
			create policy "own folder" on storage.objects for insert to authenticated
				with check (bucket_id = 'photos' and (storage.foldername(name))[1] = (select auth.uid()::text) and storage.extension(name) = 'png')`,
		"Realtime":              `create table public.rooms (id int primary key); alter publication supabase_realtime add table public.rooms`,
		"an extension":          `create extension if not exists "uuid-ossp" with schema extensions; create table public.seats (id uuid primary key default uuid_generate_v4(), other uuid default extensions.uuid_generate_v4())`,
		"a hook of Auth":        `create function public.hook(event jsonb) returns jsonb language sql as 'select event'; grant execute on function public.hook to supabase_auth_admin; grant usage on schema public to supabase_auth_admin`,
		"a dump by the CLI":     `create schema if not exists extensions; create extension if not exists pgcrypto with schema extensions; create function public.dumped() returns int language sql as 'select 1'; alter function public.dumped() owner to postgres`,
		"passwords in seed.sql": `insert into auth.users (id, email, encrypted_password) values (gen_random_uuid(), 'eve@example.com', crypt('secret', gen_salt('bf')))`,
	} {
		t.Run(name, func(t *testing.T) { query(t, server, sql+"; select ''") })
	}
	const parts = `select array_to_string(storage.foldername('a/b/c.tar.gz'), '+') || ' ' || storage.filename('a/b/c.tar.gz') || ' ' || storage.extension('a/b/c.tar.gz')`
	if got := query(t, server, parts); got != "a+b c.tar.gz gz" {
		t.Error(got)
	}
}
