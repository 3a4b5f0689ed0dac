//go:build services

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"usergraph/app"
)

// initWalk returns the folder of what init makes, as docs/add.md names it.
func initWalk(t *testing.T) string {
	t.Helper()
	project := filepath.Join(t.TempDir(), "walk")
	args := []string{"init", project, "--module", "example.com/walk", "--engine", "."}
	if err := app.Run(t.Context(), api, app.Env{Args: args, Getenv: os.Getenv, Stdout: t.Output()}); err != nil {
		t.Fatal(err)
	}
	return project
}

// The first command of docs/add.md that adds a table prints what the page says.
func TestAddPrintsWhatItsPageSays(t *testing.T) {
	page := string(must(os.ReadFile("docs/add.md")))
	const begin = "$ go run . add todos --fix\n"
	var migration, want string
	for _, block := range fence.FindAllStringSubmatch(page, -1) {
		if block[1] == "sql" && migration == "" {
			migration = block[2]
		}
		if printed, found := strings.CutPrefix(block[2], begin); found && want == "" {
			want = printed
		}
	}
	project := initWalk(t)
	if err := os.WriteFile(filepath.Join(project, "supabase/migrations/20261201000000_todos.sql"), []byte(migration), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "go", "run", ".", "add", "todos", "--fix")
	command.Dir = project
	out, err := command.CombinedOutput()
	seconds := regexp.MustCompile(`\t[\d.]+s\n`)
	if got := seconds.ReplaceAllString(string(out), "\t…\n"); err != nil || got != seconds.ReplaceAllString(want, "\t…\n") {
		t.Errorf("%v\nit prints:\n%s\nand the page has:\n%s", err, got, want)
	}
}

// Somebody who does what docs/tables.md says, line by line, has an API of todos that answers its owner alone.
func TestTables(t *testing.T) {
	blocks := map[string][]string{}
	for _, block := range fence.FindAllStringSubmatch(string(must(os.ReadFile("docs/tables.md"))), -1) {
		blocks[block[1]] = append(blocks[block[1]], block[2])
	}
	next := func(language string) (text string) {
		t.Helper()
		if len(blocks[language]) == 0 {
			t.Fatalf("docs/tables.md has no more blocks of %q", language)
		}
		text, blocks[language] = blocks[language][0], blocks[language][1:]
		return text
	}
	project := initWalk(t)
	if err := os.Symlink(must(os.Getwd()), filepath.Join(filepath.Dir(project), "usergraph")); err != nil {
		t.Fatal(err)
	}
	run := func(script string) {
		t.Helper()
		command := exec.CommandContext(t.Context(), "sh", "-euc", script)
		command.Dir = project
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	read := func(name string) string { return string(must(os.ReadFile(filepath.Join(project, name)))) }
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(project, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	write("supabase/migrations/20261201000000_projects.sql", next("sql"))
	run(next("sh")) // add projects
	write("supabase/migrations/20261202000000_todos.sql", next("sql"))
	run(next("sh")) // the schema
	model := next("go")
	write("gqlgen.yml", strings.Replace(read("gqlgen.yml"), "  User:\n", next("yaml")+"  User:\n", 1))
	write("models/todo.go", model+"\n"+next("go")+"\n"+next("go"))
	run(next("sh")) // go generate
	for range 3 {
		resolver := next("go")
		signature, _, _ := strings.Cut(resolver, "\n")
		before, after, found := strings.Cut(read("graph/todos.resolvers.go"), signature+"\n")
		if !found {
			t.Fatalf("go generate writes no %s", signature)
		}
		_, after, _ = strings.Cut(after, "\n}\n")
		write("graph/todos.resolvers.go", before+resolver+after)
	}
	write("graph/todos.resolvers.go", strings.Replace(read("graph/todos.resolvers.go"), "import (\n", "import (\n\t\"usergraph/endpoint\"\n", 1))
	write("graph/testdata/todos.txtar", next(""))
	run(next("sh")) // the tests
	answers := strings.NewReplacer(" ", "", "\n", "").Replace(read("graph/testdata/todos.txtar"))
	for _, want := range []string{`{"data":{"todos":{"nodes":[{"title":"Buymilk","project":{"name":"Home"}}]}}}`, `{"data":{"todos":{"nodes":[]}}}`, `"UNAUTHENTICATED"`} {
		if !strings.Contains(answers, want) {
			t.Errorf("%s is not in\n%s", want, read("graph/testdata/todos.txtar"))
		}
	}
	for language, rest := range blocks {
		if len(rest) > 0 {
			t.Errorf("docs/tables.md has %d more blocks of %q", len(rest), language)
		}
	}
}
