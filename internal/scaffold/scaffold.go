// Package scaffold answers one question: how does a team begin a project of its own?
//
// The folder _template is the API half at the root of this repository, byte for byte: `go generate .` writes it. The folder
// project has the files that only a project has. Write copies both, and rewrites what depends on the project's module path.
package scaffold

import (
	"embed"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/module"
)

//go:embed all:_template all:project
var embedded embed.FS

// enginePath is the module path of the engine.
var enginePath = strings.TrimSuffix(reflect.TypeFor[Engine]().PkgPath(), "/internal/scaffold")

// Write makes a project in the folder dir, which is empty or not there yet. If it fails, it leaves nothing behind. With edit,
// the files are changed before they are written, by their names in the project.
func Write(dir, modulePath string, engine Engine, edit func(files map[string][]byte) error) error {
	if err := checkEmpty(dir); err != nil {
		return err
	}
	files, err := project(modulePath, engine)
	if err == nil && edit != nil {
		err = edit(files)
	}
	if err != nil {
		return err
	}
	// The staging folder is on the file system of dir, so that files move by renaming.
	parent := dir
	_, err = os.Stat(dir)
	isNew := errors.Is(err, fs.ErrNotExist)
	if isNew {
		parent = filepath.Dir(dir)
	}
	staging, err := os.MkdirTemp(parent, ".usergraph-init-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(staging)
	staged := filepath.Join(staging, "project") // MkdirTemp's own folder is for its owner only
	for name, data := range files {
		name = filepath.Join(staged, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			return err
		}
	}
	if isNew {
		return os.Rename(staged, dir)
	}
	return moveInto(dir, staged)
}

// moveInto moves what is in the folder from into dir: all of it or nothing. dir itself stays, since it may be the current
// folder of a shell.
func moveInto(dir, from string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for i, entry := range entries {
		if err := os.Rename(filepath.Join(from, entry.Name()), filepath.Join(dir, entry.Name())); err != nil {
			for _, moved := range entries[:i] {
				err = errors.Join(err, os.RemoveAll(filepath.Join(dir, moved.Name())))
			}
			return err
		}
	}
	return nil
}

// checkEmpty refuses a folder with a file in it, and one that cannot be made.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		parent := filepath.Dir(dir)
		if info, err := os.Stat(parent); err != nil || !info.IsDir() {
			return fmt.Errorf("there is no folder %s to make %s in", parent, filepath.Base(dir))
		}
		return nil
	case err != nil:
		if info, statErr := os.Stat(dir); statErr == nil && !info.IsDir() {
			return fmt.Errorf("%s is a file", dir)
		}
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty: it has %s", dir, entries[0].Name())
	}
	return nil
}

// project returns the files of a project by their names.
func project(modulePath string, engine Engine) (map[string][]byte, error) {
	template, err := read("_template")
	if err != nil {
		return nil, err
	}
	if err := checkModule(modulePath, template); err != nil {
		return nil, err
	}
	engineMod, engineSum := template["engine.mod"], template["engine.sum"]
	delete(template, "engine.mod")
	delete(template, "engine.sum")

	name := nameOf(modulePath)
	own, err := read("project")
	if err != nil {
		return nil, err
	}
	placeholders := strings.NewReplacer("{{module}}", modulePath, "{{name}}", name, "{{engine}}", enginePath)
	files := map[string][]byte{}
	for file, data := range own {
		files[file] = []byte(placeholders.Replace(string(data)))
	}
	folders := strings.Join(goFolders(template), "|")
	inImports := regexp.MustCompile(`(["\s])` + regexp.QuoteMeta(enginePath) + `/((?:` + folders + `)\b)`)
	inNames := regexp.MustCompile(regexp.QuoteMeta(identifiers.Replace(enginePath)) + `ᚋ((?:` + folders + `)[ᚋᚐ])`)
	for file, data := range template {
		text := string(data)
		for _, edit := range edits[file] {
			if !strings.Contains(text, edit.old) {
				return nil, fmt.Errorf("the template's %s has no %q", file, edit.old)
			}
			text = strings.ReplaceAll(text, edit.old, placeholders.Replace(edit.new))
		}
		if path.Ext(file) == ".go" || file == "gqlgen.yml" {
			text = inImports.ReplaceAllString(text, "${1}"+modulePath+"/${2}")
			text = inNames.ReplaceAllString(text, identifiers.Replace(modulePath)+"ᚋ${1}")
		}
		if path.Ext(file) == ".go" {
			formatted, err := format.Source([]byte(regroup(text)))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			text = string(formatted)
		}
		files[file] = []byte(text)
	}
	if files["go.mod"], err = goMod(engineMod, modulePath, engine, files); err != nil {
		return nil, err
	}
	files["go.sum"], err = goSum(engineSum, engineMod, engine)
	return files, err
}

// edits are what the text of a file says of this repository, and what it says in a project.
var edits = map[string][]struct{ old, new string }{
	"server.go": {
		{"//go:generate go run " + enginePath + "/internal/scaffold/template-writer\n", ""},
		{"Command usergraph ", "Command {{name}} "},
	},
	"supabase/config.toml": {{`project_id = "usergraph"`, `project_id = "{{name}}"`}},
	"docker-compose.yml": {
		{"image: usergraph\n", "image: {{name}}\n"},
		{"./internal/postgres/shims.sql:", "./deploy/shims.sql:"},
		{"Tokens come from your Supabase project:\n", "Tokens come from your Supabase project:\n#   go mod vendor\n"},
	},
}

// identifiers write the path of a package as gqlgen does in the names of functions.
var identifiers = strings.NewReplacer("/", "ᚋ", ".", "ᚗ", "-", "ᚑ", "~", "א")

// goFolders returns the top-level folders of a template that hold Go packages.
func goFolders(template map[string][]byte) []string {
	folders := map[string]bool{}
	for file := range template {
		if folder, _, ok := strings.Cut(file, "/"); ok && path.Ext(file) == ".go" {
			folders[folder] = true
		}
	}
	return slices.Sorted(maps.Keys(folders))
}

// regroup sorts the imports of a file that gqlgen writes as gqlgen would: those with a dot before the first slash come
// after the others. The groups of other files stay as they are.
func regroup(source string) string {
	head, rest, ok := strings.Cut(source, "\nimport (\n")
	if !ok || !strings.Contains(head, "github.com/99designs/gqlgen") {
		return source
	}
	imports, rest, _ := strings.Cut(rest, "\n)\n")
	var groups [2][]string
	for line := range strings.Lines(imports + "\n") {
		_, imported, ok := strings.Cut(line, `"`)
		if !ok {
			continue
		}
		first, _, _ := strings.Cut(imported, "/")
		if strings.Contains(first, ".") {
			groups[1] = append(groups[1], line)
		} else {
			groups[0] = append(groups[0], line)
		}
	}
	return head + "\nimport (\n" + strings.Join(groups[0], "") + "\n" + strings.Join(groups[1], "") + ")\n" + rest
}

// read returns the embedded files below a folder, by their names in it.
func read(folder string) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(embedded, folder, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files[strings.TrimPrefix(name, folder+"/")], err = embedded.ReadFile(name)
		}
		return err
	})
	return files, err
}

// checkModule refuses a module path that Go refuses, and one that would give two packages one name.
func checkModule(modulePath string, template map[string][]byte) error {
	if err := module.CheckPath(modulePath); err != nil {
		return fmt.Errorf("%w; --module takes a path like example.com/app", err)
	}
	if contains(enginePath, modulePath) || contains(modulePath, enginePath) {
		return fmt.Errorf("the module path %q is that of the engine, %s", modulePath, enginePath)
	}
	required, err := requirements(template["engine.mod"])
	if err != nil {
		return err
	}
	if slices.Contains(required, modulePath) {
		return fmt.Errorf("the module path %q is that of a library of the engine", modulePath)
	}
	// `go build` names the program after the module, beside the folders.
	for file := range template {
		if folder, _, ok := strings.Cut(file, "/"); ok && folder == nameOf(modulePath) {
			return fmt.Errorf("the module path %q ends in %s, which is a folder of the project", modulePath, folder)
		}
	}
	return nil
}

// contains reports whether a module path is another one or below it.
func contains(outer, inner string) bool {
	return inner == outer || strings.HasPrefix(inner, outer+"/")
}

var notOfNames = regexp.MustCompile(`[^a-z0-9]+`)

// nameOf returns the last element of a module path, before its major version, as Docker and Supabase take names.
func nameOf(modulePath string) string {
	prefix, _, _ := module.SplitPathVersion(modulePath)
	name := strings.Trim(notOfNames.ReplaceAllString(strings.ToLower(path.Base(prefix)), "-"), "-")
	if name == "" {
		return "app"
	}
	return name
}
