package app

import (
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

// The tested versions are those that the engine's go.mod requires.
func TestTestedWith(t *testing.T) {
	data, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, required := range parsed.Require {
		if tested, ok := testedWith[required.Mod.Path]; ok {
			found++
			if tested != required.Mod.Version {
				t.Errorf("go.mod requires %s, testedWith says %s", required.Mod, tested)
			}
		}
	}
	if found != len(testedWith) {
		t.Errorf("go.mod requires %d of %v", found, testedWith)
	}
}

func TestWarnOfVersions(t *testing.T) {
	const bun = "github.com/uptrace/bun"
	for _, test := range []struct {
		name    string
		library debug.Module
		want    string
	}{
		{"the same", debug.Module{Path: bun, Version: testedWith[bun]}, ""},
		{"a newer one", debug.Module{Path: bun, Version: "v9.9.9"}, "v9.9.9"},
		{"replaced by the same", debug.Module{Path: bun, Version: "v9.9.9", Replace: &debug.Module{Path: bun, Version: testedWith[bun]}}, ""},
		{"replaced by a newer one", debug.Module{Path: bun, Version: testedWith[bun], Replace: &debug.Module{Path: "example.com/bun", Version: "v9.9.9"}}, "v9.9.9"},
		{"replaced by a folder", debug.Module{Path: bun, Version: testedWith[bun], Replace: &debug.Module{Path: "../bun"}}, "../bun"},
		{"another library", debug.Module{Path: "example.com/bun", Version: "v9.9.9"}, ""},
	} {
		var out strings.Builder
		warnOfVersions(slog.New(slog.NewTextHandler(&out, nil)), &debug.BuildInfo{Deps: []*debug.Module{&test.library}})
		if test.want == "" && out.Len() > 0 || !strings.Contains(out.String(), test.want) {
			t.Errorf("%s: %s", test.name, &out)
		}
	}
	warnOfVersions(slog.New(slog.DiscardHandler), nil)
}
