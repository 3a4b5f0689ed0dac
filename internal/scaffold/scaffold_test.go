package scaffold

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

const root = "../.."

// What a project must be refused for, before anything is written.
func TestRefusals(t *testing.T) {
	for _, test := range []struct{ name, dir, module, want string }{
		{"a file in the folder", "full", "example.com/app", "full is not empty: it has note.txt"},
		{"a hidden file in the folder", "hidden", "example.com/app", "hidden is not empty: it has .git"},
		{"a file", "file", "example.com/app", "file is a file"},
		{"no parent", "none/app", "example.com/app", "there is no folder"},
		{"a file as parent", "file/app", "example.com/app", "file"},
		{"no module path", "new", "", "--module takes a path like example.com/app"},
		{"no host", "new", "app", "--module takes a path like example.com/app"},
		{"of the standard library", "new", "net/http", "--module takes a path like example.com/app"},
		{"a space", "new", "example.com/my app", "--module takes a path like example.com/app"},
		{"a scheme", "new", "https://example.com/app", "--module takes a path like example.com/app"},
		{"a quote", "new", `example.com/a"b`, "--module takes a path like example.com/app"},
		{"a line", "new", "example.com/a\nb", "--module takes a path like example.com/app"},
		{"dots", "new", "example.com/../app", "--module takes a path like example.com/app"},
		{"major version 1", "new", "example.com/app/v1", "--module takes a path like example.com/app"},
		{"a library", "new", "github.com/uptrace/bun", "is that of a library of the engine"},
		{"a folder of the project", "new", "example.com/graph", "ends in graph, which is a folder of the project"},
		{"a folder of the project, version 2", "new", "example.com/models/v2", "ends in models, which is a folder of the project"},
		{"a folder without Go", "new", "example.com/schema", "ends in schema, which is a folder of the project"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, folder := range []string{"full", "hidden/.git"} {
				if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, file := range []string{"full/note.txt", "file"} {
				if err := os.WriteFile(filepath.Join(dir, file), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			before := tree(t, dir)
			err := Write(filepath.Join(dir, test.dir), test.module, Engine{Dir: "/src"}, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
			if after := tree(t, dir); !slices.Equal(after, before) {
				t.Errorf("it left %q", after)
			}
		})
	}
}

// The engine's own path is refused whatever it is, and so are paths above and below it.
func TestEnginePath(t *testing.T) {
	defer func(path string) { enginePath = path }(enginePath)
	enginePath = "example.org/team/engine"
	for _, modulePath := range []string{"example.org/team/engine", "example.org/team/engine/app", "example.org/team"} {
		if err := checkModule(modulePath, map[string][]byte{"engine.mod": nil}); err == nil || !strings.Contains(err.Error(), "is that of the engine") {
			t.Error(modulePath, err)
		}
	}
	if err := checkModule("example.org/team/engines", map[string][]byte{"engine.mod": nil}); err != nil {
		t.Error(err)
	}
}

// A failure in the middle takes back what was done, and leaves what was there.
func TestMoveInto(t *testing.T) {
	dir, from := t.TempDir(), t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		if err := os.WriteFile(filepath.Join(from, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// A folder that has appeared meanwhile is in the way of the file b.
	if err := os.MkdirAll(filepath.Join(dir, "b/mine"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := moveInto(dir, from); err == nil {
		t.Error("a file has replaced a folder")
	}
	if got := tree(t, dir); !slices.Equal(got, []string{"b", "b/mine"}) {
		t.Errorf("it left %q", got)
	}
}

// A new folder and an empty one get the same files, and nothing besides.
func TestWrite(t *testing.T) {
	parent := t.TempDir()
	if err := os.Mkdir(filepath.Join(parent, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	files, err := project("example.com/app", Engine{Dir: "/src"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"new", "empty"} {
		dir := filepath.Join(parent, name)
		if err := Write(dir, "example.com/app", Engine{Dir: "/src"}, nil); err != nil {
			t.Fatal(err)
		}
		for file, want := range files {
			if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %v", file, err)
			}
		}
		count := 0
		for _, file := range tree(t, dir) {
			if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.IsDir() {
				continue
			}
			count++
		}
		if count != len(files) {
			t.Errorf("%s has %d files, want %d", name, count, len(files))
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if got := tree(t, parent); slices.ContainsFunc(got, func(name string) bool { return strings.Contains(name, "usergraph-init") }) {
		t.Errorf("it left %q", got)
	}
}

// Every file of the template and of the folder project is in a project, with the names of the project in it.
func TestFiles(t *testing.T) {
	for _, modulePath := range []string{"example.com/app", "github.com/a-b/c.d~e_f/v3", "zz.example/UPPER", "example.com/v2"} {
		t.Run(modulePath, func(t *testing.T) {
			files, err := project(modulePath, Engine{Dir: "/src/of the engine"})
			if err != nil {
				t.Fatal(err)
			}
			folders := "graph|models|documents|supabase"
			foreign := regexp.MustCompile(`\b` + regexp.QuoteMeta(enginePath) + `[/ᚋ](` + folders + `)\b`)
			named := regexp.MustCompile(regexp.QuoteMeta(modulePath) + `/(` + folders + `)\b`)
			for _, folder := range []string{"_template", "project"} {
				want, err := read(folder)
				if err != nil {
					t.Fatal(err)
				}
				for name := range want {
					if _, ok := files[name]; !ok && !strings.HasPrefix(name, "engine.") {
						t.Errorf("the project has no %s", name)
					}
				}
			}
			for name, data := range files {
				if found := foreign.Find(data); found != nil {
					t.Errorf("%s speaks of %s", name, found)
				}
				if bytes.Contains(data, []byte("{{")) {
					t.Errorf("%s has a placeholder", name)
				}
			}
			for _, name := range []string{"server.go", "gqlgen.yml", "graph/resolver.go", "graph/schema.resolvers.go", "graph/generated/generated.go", "models/user_test.go"} {
				if !named.Match(files[name]) {
					t.Errorf("%s does not speak of the module", name)
				}
			}
			if want := "//go:generate go run " + enginePath + "/endpoint/engine-sdl schema/engine.graphqls\n"; !bytes.HasPrefix(files["server.go"], []byte(want)) {
				t.Errorf("server.go does not begin with %s", want)
			}
			if bytes.Contains(files["server.go"], []byte("template-writer")) {
				t.Error("server.go writes the template of the engine")
			}
			parsed, err := modfile.Parse("go.mod", files["go.mod"], nil)
			if err != nil {
				t.Fatal(err)
			}
			if parsed.Module.Mod.Path != modulePath || len(parsed.Replace) != 1 || parsed.Replace[0].New.Path != "/src/of the engine" || parsed.Replace[0].Old.Path != enginePath {
				t.Errorf("%s", files["go.mod"])
			}
		})
	}
}

// The files of the root that a project gets name nothing of the root that a project does not get.
func TestNoDeadPaths(t *testing.T) {
	files, err := project("example.com/app", Engine{Dir: "/src"})
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !entry.IsDir() || slices.ContainsFunc(slices.Collect(maps.Keys(files)), func(file string) bool { return strings.HasPrefix(file, entry.Name()+"/") }) {
			continue
		}
		dead := regexp.MustCompile(`(?:^|[\s"'(\x60]|\./)` + regexp.QuoteMeta(entry.Name()) + `/[\w.]`)
		for _, file := range []string{"docker-compose.yml", "fly.toml", "gqlgen.yml", "Dockerfile", "README.md", "AGENTS.md", ".dockerignore", ".gitignore", "supabase/config.toml"} {
			if found := dead.Find(files[file]); found != nil {
				t.Errorf("%s speaks of %s", file, found)
			}
		}
	}
	for _, found := range regexp.MustCompile(`\s\./(\S+):/`).FindAllSubmatch(files["docker-compose.yml"], -1) {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(files)), func(file string) bool { return contains(string(found[1]), file) }) {
			t.Errorf("docker-compose.yml mounts %s", found[1])
		}
	}
}

// A release is required as it is. It needs no replace, and its checksums are there if they are known.
func TestRelease(t *testing.T) {
	files, err := project("example.com/app", Engine{Version: "v1.2.3", Sum: "h1:x="})
	if err != nil {
		t.Fatal(err)
	}
	if mod := string(files["go.mod"]); strings.Contains(mod, "replace") || !strings.Contains(mod, "\t"+enginePath+" v1.2.3\n") {
		t.Error(mod)
	}
	sum := string(files["go.sum"])
	if !strings.Contains(sum, enginePath+" v1.2.3 h1:x=\n") || !strings.Contains(sum, enginePath+" v1.2.3/go.mod h1:") {
		t.Error(sum)
	}
	files, err = project("example.com/app", Engine{Version: "v1.2.3"})
	if err != nil || strings.Contains(string(files["go.sum"]), enginePath+" v1.2.3") {
		t.Error(err)
	}
}

func TestReleaseOf(t *testing.T) {
	const engine, pseudo = "example.org/engine", "v0.0.0-20261129000000-0123456789ab"
	for _, test := range []struct {
		name      string
		published bool
		main      debug.Module
		deps      []*debug.Module
		want      string
	}{
		{"go install of a tag", true, debug.Module{Path: engine, Version: "v1.2.3", Sum: "h1:x="}, nil, "v1.2.3"},
		{"a release candidate", true, debug.Module{Path: engine, Version: "v1.2.3-rc.1"}, nil, "v1.2.3-rc.1"},
		{"a tag, without a host", false, debug.Module{Path: engine, Version: "v1.2.3"}, nil, ""},
		{"go run in a checkout", true, debug.Module{Path: engine, Version: "(devel)"}, nil, ""},
		{"no version", true, debug.Module{Path: engine}, nil, ""},
		{"-buildvcs=true", true, debug.Module{Path: engine, Version: pseudo}, nil, ""},
		{"-buildvcs=true, changed", true, debug.Module{Path: engine, Version: pseudo + "+dirty"}, nil, ""},
		{"-buildvcs=true at a tag, changed", true, debug.Module{Path: engine, Version: "v1.2.3+dirty"}, nil, ""},
		{"a team's program", true, debug.Module{Path: "example.com/app", Version: "(devel)"}, []*debug.Module{{Path: engine, Version: "v1.2.3"}}, "v1.2.3"},
		{"a team's program with a replace", true, debug.Module{Path: "example.com/app"}, []*debug.Module{{Path: engine, Version: "v1.2.3", Replace: &debug.Module{Path: "../engine"}}}, ""},
		{"a team's tag is not the engine's", true, debug.Module{Path: "example.com/app", Version: "v1.2.3"}, []*debug.Module{{Path: engine, Version: pseudo}}, ""},
	} {
		if got := releaseOf(&debug.BuildInfo{Main: test.main, Deps: test.deps}, engine, test.published); got.Version != test.want {
			t.Errorf("%s: %q, want %q", test.name, got.Version, test.want)
		}
	}
	if got := releaseOf(nil, engine, true); got != (Engine{}) {
		t.Error(got)
	}
}

// Without a release, a checkout is named, or is that of the current folder, or the error names the flag.
func TestFindEngine(t *testing.T) {
	checkout, other, none := t.TempDir(), t.TempDir(), t.TempDir()
	for dir, module := range map[string]string{checkout: enginePath, other: "example.com/app"} {
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module "+module+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, "a/b"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	nested := filepath.Join(checkout, "a/go.mod")
	if err := os.WriteFile(nested, []byte("module example.com/nested\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, named, current, want, err string }{
		{"named", checkout, none, checkout, ""},
		{"the current folder", "", checkout, checkout, ""},
		{"another module in the checkout", "", filepath.Join(checkout, "a/b"), "", "--engine"},
		{"another module", "", other, "", "--engine"},
		{"no module", "", none, "", "--engine"},
		{"named, with another module", other, checkout, "", "its module is example.com/app"},
		{"named, without a module", none, checkout, "", "there is no go.mod"},
		{"named, and not there", filepath.Join(none, "x"), checkout, "", "there is no go.mod"},
	} {
		got, err := FindEngine(test.named, nil, test.current)
		if got.Dir != test.want || test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: %q, %v", test.name, got.Dir, err)
		}
	}
	if err := os.Remove(nested); err != nil {
		t.Fatal(err)
	}
	if got, err := FindEngine("", nil, filepath.Join(checkout, "a/b")); got.Dir != checkout || err != nil {
		t.Error("a folder of the checkout:", got, err)
	}
	if _, err := FindEngine("", nil, none); !errors.Is(err, errNoEngine) {
		t.Error(err)
	}
}

// tree lists what is below a folder.
func tree(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, _ fs.DirEntry, err error) error {
		if name != "." {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
