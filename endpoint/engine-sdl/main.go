// Command engine-sdl writes the engine's directives, and those of its types that a schema uses, into a file of a team's
// schema: `go generate .` runs it. The schema is what other .graphqls files there are in the current folder and beside the file.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/endpoint"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: engine-sdl schema/engine.graphqls")
		os.Exit(2)
	}
	if err := write(filepath.Clean(os.Args[1])); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(file string) error {
	read := map[string]bool{file: true}
	var sources []*ast.Source
	for _, folder := range []string{".", filepath.Dir(file)} {
		names, err := filepath.Glob(filepath.Join(folder, "*.graphqls"))
		if err != nil {
			return err
		}
		for _, name := range names {
			if read[name] {
				continue
			}
			read[name] = true
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			sources = append(sources, &ast.Source{Name: name, Input: string(text)})
		}
	}
	text, err := endpoint.EngineSDL(sources...)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}
