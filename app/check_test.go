package app

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"usergraph/internal/doctor"
	"usergraph/internal/pgtest"
)

// changed returns the API of the tests with one more migration.
func changed(t *testing.T, sql string) API {
	t.Helper()
	api := testAPI
	files := fstest.MapFS{"migrations/29990101000000_change.sql": {Data: []byte(sql)}}
	entries, err := pgtest.Migrations.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text, err := pgtest.Migrations.ReadFile("migrations/" + entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		files["migrations/"+entry.Name()] = &fstest.MapFile{Data: text}
	}
	api.Migrations = files
	return api
}

// `usergraph check` finds what a migration has changed, in text and in JSON.
func TestCheck(t *testing.T) {
	t.Setenv("TMPDIR", pgtest.Dir(t))
	api := changed(t, "alter table public.users drop column full_name cascade")
	for _, args := range [][]string{{"check"}, {"check", "--json"}} {
		var out strings.Builder
		err := Run(t.Context(), api, Env{Args: args, Getenv: noEnvironment, Stdout: &out})
		if err == nil || !strings.Contains(out.String(), "users: the column full_name is gone") {
			t.Errorf("%v: %v\n%s", args, err, out.String())
		}
		if len(args) == 1 {
			continue
		}
		for line := range strings.Lines(out.String()) {
			var f doctor.Finding
			if err := json.Unmarshal([]byte(line), &f); err != nil || f.Check != "check" {
				t.Errorf("%q: %v", line, err)
			}
		}
	}
}

// Migrations that need an extension which this machine has not stop with its name and the advice, and add writes nothing
// outside of a project.
func TestAddRefuses(t *testing.T) {
	t.Setenv("TMPDIR", pgtest.Dir(t))
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"check"}, "the migrations need the extension nobodys, which the PostgreSQL of this machine does not have: name a database that has it, with --database URL"},
		{[]string{"add"}, "add: name a table"},
		{[]string{"add", "a", "b", "--as", "X"}, "--as, --newest, --columns, --key and --who speak of one table"},
		{[]string{"add", "todos", "--fixx"}, "did you mean --fix?"},
		{[]string{"add", "todos"}, "there is no go.mod here"},
		{[]string{"check", "--database", "nonsense"}, "--database"},
	} {
		var out strings.Builder
		err := Run(t.Context(), changed(t, "create extension nobodys"), Env{Args: test.args, Getenv: noEnvironment, Stdout: &out})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %v, want %q", test.args, err, test.want)
		}
	}
	if _, err := os.Stat("schema"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
