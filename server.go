//go:generate go run usergraph/endpoint/engine-sdl schema/engine.graphqls
//go:generate go tool gqlgen generate
//go:generate go run usergraph/internal/scaffold/template-writer

// Command usergraph is a GraphQL API in front of a Supabase project: it verifies who calls, and reads PostgreSQL as them.
package main

import (
	"usergraph/app"
	"usergraph/documents"
	"usergraph/graph"
	"usergraph/supabase"
)

func main() {
	app.Main(app.API{
		Schema:     graph.New,
		Migrations: supabase.Migrations,
		Seed:       supabase.Seed,
		Documents:  documents.FS,
	})
}
