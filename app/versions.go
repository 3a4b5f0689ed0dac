package app

import (
	"log/slog"
	"runtime/debug"
)

// testedWith holds the library versions that the engine is tested with, of libraries that a team's code calls.
var testedWith = map[string]string{
	"github.com/99designs/gqlgen": "v0.17.98",
	"github.com/uptrace/bun":      "v1.3.0",
}

// warnOfVersions logs the libraries of a program whose version the engine is not tested with.
func warnOfVersions(log *slog.Logger, info *debug.BuildInfo) {
	if info == nil {
		return
	}
	for _, library := range info.Deps {
		tested, ok := testedWith[library.Path]
		version := library.Version
		if library.Replace != nil {
			version = library.Replace.Version
			if version == "" {
				version = library.Replace.Path
			}
		}
		if ok && version != tested {
			log.Warn("a library has another version than the engine is tested with", "library", library.Path, "version", version, "tested", tested)
		}
	}
}
