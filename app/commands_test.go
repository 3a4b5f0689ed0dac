package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usergraph/internal/pgtest"
)

// --dry-run lists the steps, and changes nothing.
func TestMigrateDryRun(t *testing.T) {
	db := pgtest.Bare(t)
	dryRun := func(args ...string) string {
		t.Helper()
		var out strings.Builder
		err := run(t.Context(), append([]string{"migrate"}, args...), func(name string) string { return map[string]string{"DATABASE_URL": db.AdminURL}[name] }, &out)
		if err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	steps := dryRun("--dry-run")
	for _, want := range []string{
		"the schema usergraph\nwould do: engine/001_sessions.sql\nwould do: engine/002_announcements.sql\nwould do: 20261124000000_users.sql\n",
		"would do: announce changes of public.users: key id, owner id\n",
	} {
		if !strings.Contains(steps, want) {
			t.Error(steps)
		}
	}
	if again := dryRun("--dry-run"); again != steps {
		t.Error(again)
	}
	if got := dryRun(); got != strings.ReplaceAll(steps, "would do", "done") {
		t.Error(got)
	}
	for _, args := range [][]string{{"--dry-run"}, nil} {
		if got := dryRun(args...); got != "nothing to do\n" {
			t.Error(got)
		}
	}
}

// The server's login role may not change the schema, so migrate has its own connection string.
func TestMigrateLogin(t *testing.T) {
	db := pgtest.New(t)
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte(db.AdminURL+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name        string
		environment map[string]string
		want        string
	}{
		{"only the server's", map[string]string{"DATABASE_URL": db.URL}, "the login authenticator may not change the schema usergraph"},
		{"one that may", map[string]string{"DATABASE_URL": db.AdminURL}, ""},
		{"by Supabase's name", map[string]string{"SUPABASE_DB_URL": db.AdminURL}, ""},
		{"one of its own", map[string]string{"DATABASE_URL": db.URL, "DATABASE_MIGRATE_URL": db.AdminURL}, ""},
		{"in a file", map[string]string{"DATABASE_URL": db.URL, "DATABASE_MIGRATE_URL_FILE": file}, ""},
		{"none", nil, "DATABASE_MIGRATE_URL is missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			err := run(t.Context(), []string{"migrate"}, func(name string) string { return test.environment[name] }, &out)
			if test.want == "" && (err != nil || out.String() != "nothing to do\n") {
				t.Error(out.String(), err)
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}
