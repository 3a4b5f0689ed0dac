// Command template-writer writes the template of a project, internal/scaffold/_template, from the root of the repository.
// `go generate .` runs it last, since an embedded file must be below the package that embeds it.
package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// files are the files and folders of the root that a project gets, and where they are in the template.
var files = map[string]string{
	"server.go":                   "server.go",
	"schema.graphqls":             "schema.graphqls",
	"schema":                      "schema",
	"gqlgen.yml":                  "gqlgen.yml",
	"graph":                       "graph",
	"models":                      "models",
	"documents":                   "documents",
	"supabase":                    "supabase",
	"docker-compose.yml":          "docker-compose.yml",
	"fly.toml":                    "fly.toml",
	"deploy/login.sql":            "deploy/login.sql",
	"deploy/pgbouncer":            "deploy/pgbouncer",
	"internal/postgres/shims.sql": "deploy/shims.sql",
	// A folder with a go.mod cannot be embedded, so that the copies have other names.
	"go.mod": "engine.mod",
	"go.sum": "engine.sum",
}

const folder = "internal/scaffold/_template"

func main() {
	if err := write(os.DirFS("."), folder); err != nil {
		fmt.Fprintln(os.Stderr, "template-writer:", err)
		os.Exit(1)
	}
}

// write replaces the template in folder by what root has now.
func write(root fs.FS, folder string) error {
	template, err := read(root)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	for name, data := range template {
		name = filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// read returns the template by the names of its files. Files whose names begin with a dot belong to tools, not to the template,
// but for .keep, which keeps a folder that may be empty.
func read(root fs.FS) (map[string][]byte, error) {
	template := map[string][]byte{}
	for from, to := range files {
		err := fs.WalkDir(root, from, func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case strings.HasPrefix(entry.Name(), ".") && entry.IsDir():
				return fs.SkipDir
			case strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".keep" || entry.IsDir():
				return nil
			}
			text, err := fs.ReadFile(root, name)
			if err == nil && !bytes.Contains(text, []byte(`"usergraph/internal/`)) { // no project can import it
				template[path.Join(to, strings.TrimPrefix(name, from))] = text
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return template, nil
}
