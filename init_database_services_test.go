//go:build services

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
)

// A project that begins from a database has `me` from the table of users that is there: its tests pass, it serves the
// database as it is, and `migrate` changes nothing of the team's.
func TestInitDatabase(t *testing.T) {
	p := newProject(t)
	engine := must(filepath.Abs("."))
	for _, shape := range []struct {
		file, typeName, read, field string
		updates                     bool
	}{
		{"starter.sql", "User", "read:   signed-in users, their own rows", "fullName", true},
		{"profiles.sql", "Profile", "read:   everybody, all rows", "fullName", true},
		{"other.sql", "User", "read:   signed-in users, their own rows", "id", false},
	} {
		t.Run(shape.file, func(t *testing.T) {
			database := p.database(t, shape.file)
			want := `{"data":{"me":{"fullName":"Early"}}}`
			if shape.file == "other.sql" {
				id := uuid.New()
				want = fmt.Sprintf(`{"data":{"me":{"id":%q}}}`, id)
				p.exec(t, "supabase_admin", database, fmt.Sprintf(`insert into auth.users (id, email) values ('%s', 'early@example.com'); insert into public.users (id, email, name) values ('%[1]s', 'early@example.com', 'Early')`, id))
			} else {
				p.signUp(t, database, "Early")
			}
			dir := filepath.Join(t.TempDir(), "shop")
			out, err := usergraph(t, map[string]string{}, "init", dir, "--module", "example.com/shop", "--engine", engine, "--database", p.url("usergraph", database))
			if err != nil {
				t.Fatal(out, err)
			}
			if !strings.Contains(out, " is "+shape.typeName+", which me shows:\n  "+shape.read) || strings.Contains(out, "by hand") || strings.Contains(out, "there is no updateMe") == shape.updates {
				t.Error(out)
			}
			run := func(name string, args ...string) string {
				command := exec.CommandContext(t.Context(), name, args...)
				command.Dir = dir
				out, err := command.CombinedOutput()
				if err != nil {
					t.Fatalf("%s %q: %v\n%s", name, args, err, out)
				}
				return string(out)
			}
			run("go", "test", "./...")
			// The team's own migrations, with their trigger on sign-up, may take the place of the file that init wrote.
			run("sh", "-euc", "mkdir ../kept; mv supabase/migrations/*.sql ../kept; cp "+filepath.Join(engine, "testdata/adopt", shape.file)+" supabase/migrations/20260101000000_own.sql")
			run("go", "test", "./...")
			run("sh", "-euc", "rm supabase/migrations/*.sql; mv ../kept/*.sql supabase/migrations/")
			run("go", "build", "-o", "server", ".")
			command := exec.CommandContext(t.Context(), "./server", "migrate")
			command.Dir, command.Env = dir, append(os.Environ(), "DATABASE_MIGRATE_URL="+p.url("postgres", database))
			if out, err := command.CombinedOutput(); err != nil {
				t.Errorf("migrate: %v\n%s", err, out)
			}
			if out := run("./server", "check", "--database", p.url("usergraph", database)); !strings.Contains(out, "the API fits its tables") {
				t.Error(out)
			}
			address, curl := projectDev(t, dir, p.url("postgres", database))
			if !strings.Contains(curl, "{ me { "+shape.field+" } }") {
				t.Error(curl)
			}
			token := regexp.MustCompile(`Bearer ([^']+)'`).FindStringSubmatch(curl)[1]
			if _, body := request(t, "POST", address+"/graphql", token, `{"query":"{ me { `+shape.field+` } }"}`); body != want {
				t.Error(body)
			}
		})
	}
}

// projectDev runs `dev --database` of a project until the test ends, and returns its address and the command that it prints.
func projectDev(t *testing.T, dir, database string) (address, curl string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, "./server", "dev", "--port", "0", "--auth-port", "0", "--database", database)
	command.Dir = dir
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	out := must(command.StdoutPipe())
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = command.Wait() })
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if found := regexp.MustCompile(`curl -s (\S+)/graphql`).FindStringSubmatch(lines.Text()); found != nil {
			curl, address = lines.Text(), found[1]
		}
		if strings.Contains(lines.Text(), "listening") && curl != "" {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return address, curl
		}
	}
	t.Fatal("dev does not start: ", said.String())
	return "", ""
}
