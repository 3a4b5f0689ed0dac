// Command engine-sdl writes the engine's own directives and types into a file of a team's schema: `go generate .` runs it.
package main

import (
	"fmt"
	"os"

	"usergraph/endpoint"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: engine-sdl schema/engine.graphqls")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], []byte(endpoint.SDL), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
