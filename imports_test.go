package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The table of who imports whom: "packages of ours that a package may import" and "what it must not import". A package
// whose name ends in /... stands for all below it.
var houses = []struct {
	pkg       string
	may, must []string // of ours; not, of anybody's
	deep      bool     // what it must not import, its imports must not import either
}{
	// The engine.
	{"usergraph/auth", nil, []string{"github.com/uptrace/bun", "github.com/99designs/gqlgen", "github.com/jackc/pgx/v5"}, true},
	{"usergraph/database", []string{"usergraph/database/...", "usergraph/internal/pgwire", "usergraph/internal/dsn", "usergraph/internal/peek", "usergraph/internal/sqltext"}, []string{"github.com/99designs/gqlgen"}, true},
	{"usergraph/database/rows", []string{"usergraph/internal/pgwire"}, nil, false},
	{"usergraph/database/values", nil, nil, false},
	{"usergraph/internal/pgwire", []string{"usergraph/internal/dsn", "usergraph/internal/peek", "usergraph/internal/sqltext"}, []string{"github.com/99designs/gqlgen"}, true},
	{"usergraph/endpoint", []string{"usergraph/auth", "usergraph/database/...", "usergraph/internal/address", "usergraph/internal/peek", "usergraph/internal/rowjson"}, nil, false},
	{"usergraph/internal/rowjson", []string{"usergraph/database/rows"}, nil, false},
	{"usergraph/mcp", []string{"usergraph/auth", "usergraph/endpoint"}, []string{"github.com/uptrace/bun"}, false},
	{"usergraph/playground", nil, nil, false},
	{"usergraph/internal/telemetry", []string{"usergraph/auth", "usergraph/database", "usergraph/endpoint"}, nil, false},
	{"usergraph/internal/ratelimit", []string{"usergraph/auth", "usergraph/endpoint", "usergraph/internal/..."}, []string{"usergraph/internal/devauth"}, false},
	{"usergraph/internal/catalog", nil, nil, false},
	{"usergraph/internal/access", []string{"usergraph/internal/catalog"}, nil, false},
	{"usergraph/internal/tablegen", []string{"usergraph/internal/access", "usergraph/internal/catalog"}, nil, false},
	{"usergraph/internal/drift", []string{"usergraph/internal/access", "usergraph/internal/catalog"}, nil, false},
	{"usergraph/internal/devauth", []string{"usergraph/auth"}, nil, false},
	{"usergraph/internal/localstack", nil, nil, false},
	{"usergraph/app", []string{"usergraph/auth", "usergraph/database/...", "usergraph/endpoint", "usergraph/mcp", "usergraph/playground", "usergraph/internal/..."}, nil, false},
	{"usergraph/apitest", []string{"usergraph/auth/...", "usergraph/database/...", "usergraph/endpoint", "usergraph/app", "usergraph/internal/..."}, nil, false},
	// The API half.
	{"usergraph/models", []string{"usergraph/database/rows", "usergraph/database/values"}, []string{"net/http"}, false},
	{"usergraph/graph", []string{"usergraph/endpoint", "usergraph/models", "usergraph/database", "usergraph/database/rows", "usergraph/graph/generated"}, []string{"net/http", "github.com/jackc/pgx/v5"}, false},
	{"usergraph/supabase", nil, nil, false},
	{"usergraph/documents", nil, nil, false},
	{"usergraph", []string{"usergraph/app", "usergraph/graph", "usergraph/supabase", "usergraph/documents"}, nil, false},
}

// What must not come into the program. Not "testing": embedded-postgres has a test in a file whose name does not say so.
var onlyTests = []string{"usergraph/internal/pgtest", "usergraph/internal/redistest", "usergraph/internal/testapi", "usergraph/internal/rowjson/rowfuzz", "usergraph/auth/authtest", "usergraph/apitest"}

func TestImports(t *testing.T) {
	packages := list(t)
	for _, house := range houses {
		pkg, ok := packages[house.pkg]
		if !ok {
			t.Errorf("there is no package %s", house.pkg)
			continue
		}
		for _, imported := range pkg.Imports {
			if isOurs(imported) && !matches(house.may, imported) || matches(house.must, imported) {
				t.Errorf("%s imports %s", house.pkg, imported)
			}
		}
		for _, dep := range pkg.Deps {
			if house.deep && (matches(house.must, dep) || isOurs(dep) && !matches(house.may, dep)) {
				t.Errorf("%s depends on %s", house.pkg, dep)
			}
		}
	}
	for _, dep := range packages["usergraph"].Deps {
		if slices.Contains(onlyTests, dep) {
			t.Errorf("the program depends on %s", dep)
		}
	}
}

func isOurs(pkg string) bool { return pkg == "usergraph" || strings.HasPrefix(pkg, "usergraph/") }

func matches(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		folder, all := strings.CutSuffix(pattern, "/...")
		return pkg == folder || all && strings.HasPrefix(pkg, folder+"/") || !isOurs(pattern) && strings.HasPrefix(pkg, pattern+"/")
	})
}

type listed struct {
	ImportPath    string
	Imports, Deps []string
}

// list returns what go list says of our packages.
func list(t *testing.T) map[string]listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]listed{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg listed
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages[pkg.ImportPath] = pkg
	}
}
