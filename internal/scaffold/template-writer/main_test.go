package main

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
)

const root = "../../.."

// The template is the root, byte for byte.
func TestTemplateIsTheRoot(t *testing.T) {
	want, err := read(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	got := stored(t, filepath.Join(root, folder))
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !bytes.Equal(got[name], want[name]) {
			t.Errorf("%s is not what the root has: run `go generate .`", name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("the root has no %s: run `go generate .`", name)
		}
	}
}

// What the root no longer has leaves the template, and what belongs to tools does not come into it.
func TestWrite(t *testing.T) {
	root := fstest.MapFS{}
	for from := range files {
		root[from] = &fstest.MapFile{Data: []byte(from)}
	}
	for _, isFolder := range []string{"schema", "graph", "models", "documents", "supabase", "deploy/pgbouncer"} {
		delete(root, isFolder)
		root[isFolder+"/a/b"] = &fstest.MapFile{Data: []byte("1")}
		root[isFolder+"/.temp/c"] = &fstest.MapFile{Data: []byte("1")}
		root[isFolder+"/.DS_Store"] = &fstest.MapFile{Data: []byte("1")}
	}
	to := filepath.Join(t.TempDir(), "template")
	if err := write(root, to); err != nil {
		t.Fatal(err)
	}
	root["models/a/new"] = &fstest.MapFile{Data: []byte("2")}
	delete(root, "models/a/b")
	if err := write(root, to); err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(maps.Keys(stored(t, to)))
	want := []string{
		"deploy/login.sql", "deploy/pgbouncer/a/b", "deploy/shims.sql", "docker-compose.yml", "documents/a/b", "engine.mod", "engine.sum", "fly.toml",
		"gqlgen.yml", "graph/a/b", "models/a/new", "schema.graphqls", "schema/a/b", "server.go", "supabase/a/b",
	}
	if !slices.Equal(got, want) {
		t.Errorf("wrote %q, want %q", got, want)
	}
}

// stored returns the files below a folder.
func stored(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files[name], err = os.ReadFile(filepath.Join(folder, name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
