package app

import (
	"log/slog"
	"runtime/debug"
)

// testedWith are the versions of the libraries that run a team's own code, as the engine is tested with them.
var testedWith = map[string]string{
	"github.com/99designs/gqlgen": "v0.17.98",
	"github.com/uptrace/bun":      "v1.3.0",
}

// warnOfVersions says which libraries of a program have another version than the engine was tested with.
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
