package scaffold

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/sumdb/dirhash"
)

// Engine says where a project finds the engine: in a checkout, or in a tagged release.
type Engine struct {
	// Dir is the absolute path of a checkout.
	Dir string
	// Version is that of a release, and Sum the checksum of its files, "" if it is not known.
	Version, Sum string
}

// errNoEngine says that the engine is no release, and that its checkout is not known.
var errNoEngine = errors.New("this program is not a release of usergraph, so that the project needs a checkout of it: name its folder with --engine")

// FindEngine returns the checkout that the caller has named, if any. Else it returns the release that this program is
// built from, or the checkout that the current folder is in.
func FindEngine(named string, info *debug.BuildInfo, current string) (Engine, error) {
	if named != "" {
		dir, err := filepath.Abs(named)
		if err != nil {
			return Engine{}, err
		}
		switch found := moduleOf(dir); found {
		case enginePath:
			return Engine{Dir: dir}, nil
		case "":
			return Engine{}, fmt.Errorf("--engine %s: it is not a checkout of %s: there is no go.mod", named, enginePath)
		default:
			return Engine{}, fmt.Errorf("--engine %s: it is not a checkout of %s: its module is %s", named, enginePath, found)
		}
	}
	if engine := release(info); engine.Version != "" {
		return engine, nil
	}
	dir, err := filepath.Abs(current)
	if err != nil {
		return Engine{}, err
	}
	for {
		switch found := moduleOf(dir); {
		case found == enginePath:
			return Engine{Dir: dir}, nil
		case found != "" || dir == filepath.Dir(dir):
			return Engine{}, errNoEngine
		}
		dir = filepath.Dir(dir)
	}
}

// release returns the release of the engine that a program is built from. A program that is built in a checkout has
// "(devel)" as its version, or one that Go makes of the commit. Without a host in its path, no release can be downloaded.
func release(info *debug.BuildInfo) Engine {
	host, _, _ := strings.Cut(enginePath, "/")
	return releaseOf(info, enginePath, strings.Contains(host, "."))
}

func releaseOf(info *debug.BuildInfo, enginePath string, published bool) Engine {
	if info == nil || !published {
		return Engine{}
	}
	for _, candidate := range append([]*debug.Module{&info.Main}, info.Deps...) {
		tagged := semver.IsValid(candidate.Version) && !module.IsPseudoVersion(candidate.Version) && semver.Build(candidate.Version) == ""
		if candidate.Path == enginePath && candidate.Replace == nil && tagged {
			return Engine{Version: candidate.Version, Sum: candidate.Sum}
		}
	}
	return Engine{}
}

// moduleOf returns the path of the module in a folder, "" if there is none.
func moduleOf(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return ""
	}
	return modfile.ModulePath(data)
}

// requirements returns the modules that a go.mod requires.
func requirements(goMod []byte) ([]string, error) {
	parsed, err := modfile.Parse("engine.mod", goMod, nil)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, required := range parsed.Require {
		paths = append(paths, required.Mod.Path)
	}
	return paths, nil
}

// goMod makes the project's go.mod of the engine's, which has all versions that the engine is tested with.
func goMod(engineMod []byte, modulePath string, engine Engine, files map[string][]byte) ([]byte, error) {
	own, err := modfile.Parse("engine.mod", engineMod, nil)
	if err != nil {
		return nil, err
	}
	imported, err := imports(files)
	if err != nil {
		return nil, err
	}
	project := new(modfile.File)
	version := cmp.Or(engine.Version, "v0.0.0")
	err = errors.Join(project.AddModuleStmt(modulePath), project.AddGoStmt(own.Go.Version),
		project.AddTool("github.com/99designs/gqlgen"), project.AddTool(enginePath+"/endpoint/engine-sdl"))
	if engine.Version == "" {
		err = errors.Join(err, project.AddReplace(enginePath, "", engine.Dir, ""))
	}
	if err != nil {
		return nil, err
	}
	required := []*modfile.Require{{Mod: module.Version{Path: enginePath, Version: version}}}
	for _, library := range own.Require {
		isImported := slices.ContainsFunc(imported, func(pkg string) bool { return contains(library.Mod.Path, pkg) })
		required = append(required, &modfile.Require{Mod: library.Mod, Indirect: !isImported})
	}
	project.SetRequireSeparateIndirect(required)
	project.Cleanup()
	return project.Format()
}

// imports returns the packages that Go files import.
func imports(files map[string][]byte) (paths []string, err error) {
	for file, data := range files {
		if filepath.Ext(file) != ".go" {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, data, parser.ImportsOnly)
		if err != nil {
			return nil, err
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return nil, err
			}
			paths = append(paths, imported)
		}
	}
	return paths, nil
}

// goSum returns the engine's checksums, and those of the engine itself if it is a release whose checksum is known.
func goSum(engineSum, engineMod []byte, engine Engine) ([]byte, error) {
	if engine.Sum == "" {
		return engineSum, nil
	}
	ofMod, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(engineMod)), nil })
	if err != nil {
		return nil, err
	}
	lines := slices.Collect(strings.Lines(string(engineSum)))
	lines = append(lines, fmt.Sprintf("%s %s %s\n", enginePath, engine.Version, engine.Sum), fmt.Sprintf("%s %s/go.mod %s\n", enginePath, engine.Version, ofMod))
	slices.Sort(lines)
	return []byte(strings.Join(lines, "")), nil
}
