package main

import "testing"

func TestEditor(t *testing.T) {
	edit := editor("usergraph", "example.com/team/usergraph", []string{"app", "database", "endpoint", "internal"})
	for _, test := range []struct{ file, from, to string }{
		{"go.mod", "module usergraph\n\ngo 1.26.0\n", "module example.com/team/usergraph\n\ngo 1.26.0\n"},
		{"deploy/validate/go.mod", "module usergraph/deploy/validate\n", "module example.com/team/usergraph/deploy/validate\n"},
		{"go.mod", "module usergraphs\n", "module usergraphs\n"},
		{"gqlgen.yml", "  ID:\n    model: usergraph/endpoint.UUID\n", "  ID:\n    model: example.com/team/usergraph/endpoint.UUID\n"},
		{"gqlgen.yml", "  - usergraph/app\n  - usergraph/database\n", "  - example.com/team/usergraph/app\n  - example.com/team/usergraph/database\n"},
		{
			"server.go", "//go:generate go run usergraph/endpoint/engine-sdl x\n\npackage main\n\nimport (\n\t\"a.com/z\"\n\t\"usergraph/app\"\n)\n",
			"//go:generate go run example.com/team/usergraph/endpoint/engine-sdl x\n\npackage main\n\nimport (\n\t\"a.com/z\"\n\t\"example.com/team/usergraph/app\"\n)\n",
		},
		// The sorting of imports changes with the path.
		{"a.go", "package a\n\nimport (\n\t\"io\"\n\t\"usergraph/app\"\n)\n", "package a\n\nimport (\n\t\"example.com/team/usergraph/app\"\n\t\"io\"\n)\n"},
		{"a.go", "package a\n\nvar x = []string{\"usergraph/app\",\"usergraph/internal/...\"}\n", "package a\n\nvar x = []string{\"example.com/team/usergraph/app\", \"example.com/team/usergraph/internal/...\"}\n"},
		{"imports_test.go", "package a\n\nvar x = []string{\"usergraph\", \"usergraph/\"}\n", "package a\n\nvar x = []string{\"example.com/team/usergraph\", \"example.com/team/usergraph/\"}\n"},
		{"docs/a.md", "`go install usergraph@latest`, `usergraph/app`", "`go install example.com/team/usergraph@latest`, `example.com/team/usergraph/app`"},
		// What is no path of a package stays.
		{"a.go", "package a\n\nvar x = \"usergraph\"\n", "package a\n\nvar x = \"usergraph\"\n"},
		{"docs/a.md", "/etc/usergraph/database-url usergraph/database-url lib/usergraph/app postgres://usergraph:x usergraph dev", "/etc/usergraph/database-url usergraph/database-url lib/usergraph/app postgres://usergraph:x usergraph dev"},
		{"examples/a.ts", "import 'usergraph/app'", "import 'usergraph/app'"},
	} {
		got, err := edit(test.file, []byte(test.from))
		if err != nil || string(got) != test.to {
			t.Errorf("%s:\n%s\nbecame\n%s\nwant\n%s\n%v", test.file, test.from, got, test.to, err)
		}
	}
}

func TestFolders(t *testing.T) {
	got := folders([]string{"server.go", "app/a.go", "app/b.go", "docs/a.md", "internal/x/y.go"})
	if len(got) != 2 || got[0] != "app" || got[1] != "internal" {
		t.Error(got)
	}
}
