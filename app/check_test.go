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

// `usergraph check` says of each document where it is wrong and what to do, in text and in JSON, with a database and without.
func TestCheckDocuments(t *testing.T) {
	const (
		file   = "  -> mend the file: with MCP or PLAYGROUND on, the server does not start\n"
		change = "  -> change the operation, or the schema\n"
		tool   = "  -> change the operation, or leave out its description, which makes it a tool of agents\n"
	)
	long := strings.Repeat("A", 129)
	check := func(api API, args ...string) (string, error) {
		var out strings.Builder
		err := Run(t.Context(), api, Env{Args: append([]string{"check"}, args...), Getenv: noEnvironment, Stdout: &out})
		return out.String(), err
	}
	database := pgtest.New(t).URL
	ofTables, _ := check(testAPI, "--database", database)
	if strings.Contains(ofTables, "documents/") || !strings.Contains(ofTables, "warning") {
		t.Fatal(ofTables)
	}
	for name, test := range map[string]struct {
		files map[string]string // nil for no folder
		want  []string          // findings, without severity and check
	}{
		"no folder":    {},
		"empty folder": {files: map[string]string{}},
		"good": {files: map[string]string{
			"a.graphql": "# You.\n\"Reads.\"\nquery A { me { id } }", "b.graphql": "mutation B($input: UpdateMeInput!) { updateMe(input: $input) { id } }",
			"b.json": `{"input": {}}`, "c.graphql": "\"Watches.\" subscription C { me { id } }", "notes.txt": "{",
			"d.graphql": "query " + long + " { me { id } }",
		}},
		"a tool with a field that is not there": {map[string]string{"a.graphql": "# One.\n# Two.\n\"Reads.\"\nquery A {\n  nothing\n}"},
			[]string{`documents/a.graphql:5: Cannot query field "nothing" on type "Query".` + change}},
		"no tool, with a field that is not there": {map[string]string{"a.graphql": "query A { me { idd } }"},
			[]string{`documents/a.graphql:1: Cannot query field "idd" on type "User". Did you mean "id"?` + change}},
		"a subscription of a field that is not there": {map[string]string{"a.graphql": "subscription A { nothing }"},
			[]string{`documents/a.graphql:1: Cannot query field "nothing" on type "Subscription".` + change}},
		"a variable of a type that is none": {map[string]string{"a.graphql": "\"Reads.\"\nquery A(\n  $x: User) { me { id @include(if: $x) } }"},
			[]string{`documents/a.graphql:3: Variable "$x" cannot be non-input type "User".` + change}},
		"half":                {map[string]string{"a.graphql": "query A {\n  me {"}, []string{`documents/a.graphql:2: Expected Name, found <EOF>` + file}},
		"half a string":       {map[string]string{"a.graphql": "# One.\n\"Reads.\nquery A { me { id } }"}, []string{`documents/a.graphql:2: Unterminated string.` + file}},
		"half a character":    {map[string]string{"a.graphql": "# One.\nmutation A {\n  updateMe(input: {fullName: \"\\ud800\"}) { id } }"}, []string{`documents/a.graphql:3: \ud800 is half of a surrogate pair, and no character: write both halves, or the character itself` + change}},
		"no UTF-8":            {map[string]string{"a.graphql": "query A { me { id } } # \xff"}, []string{`documents/a.graphql: the document is not Unicode text in UTF-8` + change}},
		"empty":               {map[string]string{"a.graphql": "# Nothing yet."}, []string{`documents/a.graphql: a file holds one operation, with a name` + file}},
		"two operations":      {map[string]string{"a.graphql": "query A { me { id } }\nquery B { me { id } }"}, []string{`documents/a.graphql:2: a file holds one operation, with a name` + file}},
		"no name":             {map[string]string{"a.graphql": "\n{ me { id } }"}, []string{`documents/a.graphql:2: a file holds one operation, with a name` + file}},
		"a name twice":        {map[string]string{"a.graphql": "query A { me { id } }", "b.graphql": "# B.\nquery A { me { id } }"}, []string{`documents/b.graphql:2: the operation A is in a.graphql already` + file}},
		"a name too long":     {map[string]string{"a.graphql": "# A.\n\"Reads.\"\nquery " + long + " { me { id } }"}, []string{`documents/a.graphql:3: the name of a tool has at most 128 bytes` + tool}},
		"a mutation's name":   {map[string]string{"a.graphql": "\"Writes.\" mutation " + long + " { updateMe(input: {}) { id } }"}, []string{`documents/a.graphql:1: the name of a tool has at most 128 bytes` + tool}},
		"variables, no JSON":  {map[string]string{"a.graphql": "query A { me { id } }", "a.json": "{\n  x}"}, []string{`documents/a.json: it is not a JSON object with the variables of A` + file}},
		"variables in a list": {map[string]string{"a.graphql": "query A { me { id } }", "a.json": "[]"}, []string{`documents/a.json: it is not a JSON object with the variables of A` + file}},
		"all at once": {map[string]string{
			"1.graphql": "query A { nothing }", "2.graphql": "query {", "3.graphql": "\"Reads.\" query " + long + " { me { id } }", "4.graphql": "query B { nothing }",
		}, []string{
			`documents/1.graphql:1: Cannot query field "nothing" on type "Query".` + change, `documents/2.graphql:1: Expected Name, found <EOF>` + file,
			`documents/3.graphql:1: the name of a tool has at most 128 bytes` + tool, `documents/4.graphql:1: Cannot query field "nothing" on type "Query".` + change,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			api := testAPI
			api.Documents = nil
			if test.files != nil {
				folder := fstest.MapFS{}
				for file, text := range test.files {
					folder[file] = &fstest.MapFile{Data: []byte(text)}
				}
				api.Documents = folder
			}
			want := ""
			for _, finding := range test.want {
				want += "error    check       " + finding
			}
			if text, err := check(api, "--database", "postgres://nobody@127.0.0.1:1/none"); err == nil || text != want {
				t.Errorf("without a database: %v\n%s\nwant:\n%s", err, text, want)
			}
			code := errWarnings // of the tables
			if want != "" {
				code = errErrors
			}
			text, err := check(api, "--database", database)
			if text != want+ofTables || !errors.Is(err, code) {
				t.Errorf("%v\n%s\nwant:\n%s", err, text, want+ofTables)
			}
			if name != "all at once" {
				return
			}
			inJSON, err := check(api, "--database", database, "--json")
			var again strings.Builder
			for line := range strings.Lines(inJSON) {
				var f doctor.Finding
				if err := json.Unmarshal([]byte(line), &f); err != nil {
					t.Fatal(err)
				}
				printFinding(&again, false, f)
			}
			if again.String() != text || !errors.Is(err, code) {
				t.Errorf("JSON: %v\n%s", err, inJSON)
			}
		})
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
