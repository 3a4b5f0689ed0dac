// Command rename gives the module of this repository another path: `make rename MODULE=host/path` runs it.
package main

import (
	"errors"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: make rename MODULE=host/path")
		os.Exit(2)
	}
	if err := rename(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "rename:", err)
		os.Exit(1)
	}
}

// rename edits the files of the repository in the current folder.
func rename(to string) error {
	if err := module.CheckPath(to); err != nil {
		return err
	}
	goMod, err := os.ReadFile("go.mod")
	if err != nil {
		return err
	}
	from := modfile.ModulePath(goMod)
	if from == "" {
		return errors.New("go.mod has no module path")
	}
	listed, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	files := strings.Split(strings.TrimSuffix(string(listed), "\x00"), "\x00")
	edit := editor(from, to, folders(files))
	for _, file := range files {
		info, err := os.Lstat(file)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			continue
		}
		before, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		after, err := edit(file, before)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if string(after) == string(before) {
			continue
		}
		if err := os.WriteFile(file, after, info.Mode().Perm()); err != nil {
			return err
		}
		fmt.Println(file)
	}
	return nil
}

// folders returns the top-level folders with Go files.
func folders(files []string) (folders []string) {
	for _, file := range files {
		if folder, _, ok := strings.Cut(file, "/"); ok && path.Ext(file) == ".go" {
			folders = append(folders, regexp.QuoteMeta(folder))
		}
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}

// editor returns what edits a file. It looks for the paths of packages, for module lines, and for versions as in
// `go install <path>@latest`; "usergraph" is also a word of many texts, which stay.
func editor(from, to string, folders []string) func(file string, data []byte) ([]byte, error) {
	old := regexp.QuoteMeta(from)
	packages := regexp.MustCompile(`(^|[\s"'(\x60])` + old + "(/(?:" + strings.Join(folders, "|") + ")(?:[/.,;:\\s\"'\x60)]|$))")
	modules := regexp.MustCompile(`(?m)^module ` + old + `(/|$)`)
	versions := regexp.MustCompile(`(\bgo (?:get|install|run) )` + old + `@`)
	return func(file string, data []byte) ([]byte, error) {
		text := string(data)
		switch {
		case path.Base(file) == "go.mod":
			text = modules.ReplaceAllString(text, "module "+to+"${1}")
		case path.Ext(file) == ".go" || path.Ext(file) == ".md" || path.Base(file) == "gqlgen.yml":
			// Two paths side by side share the character between them, which one pass consumes.
			for range 2 {
				text = packages.ReplaceAllString(text, "${1}"+to+"${2}")
			}
			text = versions.ReplaceAllString(text, "${1}"+to+"@")
		}
		if file == "imports_test.go" { // the table of packages, where the module's own is one
			text = strings.ReplaceAll(text, `"`+from+`"`, `"`+to+`"`)
			text = strings.ReplaceAll(text, `"`+from+`/"`, `"`+to+`/"`)
		}
		if path.Ext(file) == ".go" && text != string(data) {
			return format.Source([]byte(text))
		}
		return []byte(text), nil
	}
}
