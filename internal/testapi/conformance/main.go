// Command conformance is the program that the conformance suite of the Model Context Protocol tests: the engine with the API of the
// engine's own tests, and tools with the names that the suite calls.
package main

import (
	"embed"

	"usergraph/app"
	"usergraph/internal/pgtest"
	"usergraph/internal/testapi"
)

//go:embed *.graphql
var documents embed.FS

func main() {
	app.Main(app.API{Schema: testapi.New, Migrations: pgtest.Migrations, Seed: pgtest.Seed, Documents: documents})
}
