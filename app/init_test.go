package app

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usergraph/internal/pgtest"
)

// init writes a project and prints the next steps. The flags come before the folder or after it.
func TestInit(t *testing.T) {
	engine, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for _, test := range []struct {
		args         []string
		module, next string
	}{
		{[]string{"one", "--engine", engine}, "example.com/one", "cd one\n"},
		{[]string{"--engine", engine, "--module", "example.org/team/two", "2"}, "example.org/team/two", "cd 2\n"},
		{[]string{"--engine=" + engine, "it's three", "--module=example.org/three"}, "example.org/three", `cd 'it'\''s three'` + "\n"},
	} {
		var out strings.Builder
		if err := run(t.Context(), append([]string{"init"}, test.args...), os.Getenv, &out); err != nil {
			t.Errorf("%q: %v", test.args, err)
			continue
		}
		if !strings.Contains(out.String(), test.next) || !strings.Contains(out.String(), "module "+test.module+"\n") || strings.Contains(out.String(), "tidy") {
			t.Errorf("%q: %s", test.args, &out)
		}
	}
	for dir, want := range map[string]string{"one": "module example.com/one\n", "2": "module example.org/team/two\n", "it's three": "module example.org/three\n"} {
		if got, err := os.ReadFile(filepath.Join(dir, "go.mod")); err != nil || !strings.HasPrefix(string(got), want) {
			t.Errorf("%s: %s %v", dir, got, err)
		}
	}
}

// Every refusal of init is a usage error, and nothing is written.
func TestInitRefuses(t *testing.T) {
	engine, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"no folder", []string{"--engine", engine}, "name the folder"},
		{"an empty name", []string{"", "--engine", engine}, "name the folder"},
		{"two folders", []string{"app", "--engine", engine, "app2"}, `not "app2" as well`},
		{"an unknown flag", []string{"app", "--modul", "x"}, "did you mean --module?"},
		{"no engine", []string{"app"}, "--engine"},
		{"not an engine", []string{"app", "--engine", "."}, "--engine .: it is not a checkout"},
		{"a bad module path", []string{"app", "--engine", engine, "--module", "app"}, "--module takes a path like example.com/app"},
		{"a folder that is no module path", []string{"my app", "--engine", engine}, "--module takes a path like example.com/app"},
		{"no parent", []string{"a/b", "--engine", engine}, "there is no folder"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			err := run(t.Context(), append([]string{"init"}, test.args...), os.Getenv, &out)
			var usage usageError
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want a usage error with %q", err, test.want)
			}
			if entries, err := os.ReadDir("."); err != nil || len(entries) > 0 {
				t.Errorf("it wrote %v %v", entries, err)
			}
		})
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"init", "--help"}, os.Getenv, &out); !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "-module") {
		t.Error(err, &out)
	}
}

// A database without a table for `me` is refused with what to do, and nothing is written.
func TestInitDatabaseRefuses(t *testing.T) {
	engine, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("full/file", 0o755); err != nil {
		t.Fatal(err)
	}
	none, open, users := pgtest.Bare(t), pgtest.Bare(t), pgtest.Bare(t)
	const profiles = "create table public.profiles (id uuid primary key references auth.users (id));"
	open.Exec(t, profiles)
	users.Exec(t, profiles+"alter table public.profiles enable row level security; create policy own on public.profiles for select using (auth.uid() = id); grant select on public.profiles to authenticated")
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"no database", []string{"shop", "--me", "profiles"}, "--me names a table of --database"},
		{"no URL", []string{"shop", "--database", "here"}, "--database "},
		{"no table", []string{"shop", "--database", none.AdminURL}, "no table has a key that refers to auth.users"},
		{"another table", []string{"shop", "--database", users.AdminURL, "--me", "people"}, "that of profiles does"},
		{"no row-level security", []string{"shop", "--database", open.AdminURL}, "alter table public.profiles enable row level security;"},
		{"a full folder", []string{"full", "--database", users.AdminURL}, "full is not empty"},
		{"a bad module", []string{"shop", "--database", users.AdminURL, "--module", "shop"}, "--module takes a path"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := run(t.Context(), append([]string{"init", "--engine", engine}, test.args...), noEnvironment, io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
			if entries, err := os.ReadDir("."); err != nil || len(entries) != 1 {
				t.Errorf("it wrote %v %v", entries, err)
			}
		})
	}
}

// A project that does not generate or build is taken back, and the folder stays if it was there.
func TestRemoveAll(t *testing.T) {
	dir := t.TempDir()
	for _, isNew := range []bool{false, true} {
		if err := os.MkdirAll(filepath.Join(dir, "app", "graph"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := removeAll(filepath.Join(dir, "app"), isNew); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(filepath.Join(dir, "app"))
		if len(entries) > 0 || errors.Is(err, os.ErrNotExist) != isNew {
			t.Errorf("%v %v", entries, err)
		}
	}
}
