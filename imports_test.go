package main

import (
	"os/exec"
	"strings"
	"testing"
)

// Who must not import whom, directly or not.
var forbidden = map[string][]string{
	"usergraph/auth":            {"github.com/uptrace/bun", "github.com/99designs/gqlgen", "usergraph/database", "usergraph/graph", "usergraph/models"},
	"usergraph/database":        {"usergraph/auth", "usergraph/graph", "usergraph/models", "github.com/99designs/gqlgen"},
	"usergraph/internal/pgwire": {"usergraph/database", "usergraph/auth", "usergraph/graph", "usergraph/models", "github.com/99designs/gqlgen"},
	"usergraph/models":          {"usergraph/auth", "usergraph/database", "usergraph/graph", "github.com/99designs/gqlgen"},
	// Not "testing": embedded-postgres has a test in a file whose name does not say so.
	"usergraph": {"usergraph/internal/pgtest", "usergraph/internal/redistest", "usergraph/auth/authtest"},
}

func TestImports(t *testing.T) {
	for importer, banned := range forbidden {
		out, err := exec.Command("go", "list", "-deps", importer).Output()
		if err != nil {
			t.Fatal(err)
		}
		deps := strings.Fields(string(out))
		if len(deps) < 10 {
			t.Fatalf("%s: go list found only %v", importer, deps)
		}
		for _, dep := range deps {
			for _, ban := range banned {
				if dep == ban || strings.HasPrefix(dep, ban+"/") {
					t.Errorf("%s imports %s", importer, dep)
				}
			}
		}
	}
}
