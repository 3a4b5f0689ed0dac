//go:generate go run usergraph/endpoint/engine-sdl schema/engine.graphqls
//go:generate go tool gqlgen generate

// Command billing is a GraphQL API in front of a Supabase project: it verifies who calls, and reads PostgreSQL as them.
package main

import (
	"example.com/billing/documents"
	"example.com/billing/graph"
	"example.com/billing/supabase"
	"usergraph/app"
)

func main() {
	app.Main(app.API{
		Schema:     graph.New,
		Migrations: supabase.Migrations,
		Seed:       supabase.Seed,
		Documents:  documents.FS,
	})
}
