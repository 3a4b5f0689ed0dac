// Command server is the program that the drills break: the engine with the API of the engine's own tests.
package main

import (
	"usergraph/app"
	"usergraph/internal/pgtest"
	"usergraph/internal/testapi"
)

func main() {
	app.Main(app.API{Schema: testapi.New, Migrations: pgtest.Migrations, Seed: pgtest.Seed, Documents: testapi.Documents})
}
