// Package testapi answers one question: what API do the engine's own tests run?
//
// A small one with a table of its own, which internal/pgtest makes. The API half of this repository may change without it.
package testapi

import (
	"embed"
	"io/fs"

	"github.com/99designs/gqlgen/graphql"

	"usergraph/endpoint"
	"usergraph/internal/testapi/generated"
)

//go:generate go run usergraph/endpoint/engine-sdl engine.graphqls
//go:generate go tool gqlgen generate

//go:embed documents/*
var documents embed.FS

// Documents are the operations that the API has named.
var Documents, _ = fs.Sub(documents, "documents")

// Resolver is what all resolvers share.
type Resolver struct{ *endpoint.Engine }

// New returns the schema with its resolvers.
func New(engine *endpoint.Engine) graphql.ExecutableSchema { return With(&Resolver{engine}) }

// With returns the schema with other resolvers.
func With(resolvers generated.ResolverRoot) graphql.ExecutableSchema {
	return generated.NewExecutableSchema(generated.Config{Resolvers: resolvers, Directives: generated.DirectiveRoot{
		Authenticated:      endpoint.Authenticated,
		DenyAnonymousUsers: endpoint.DenyAnonymousUsers,
		HasRole:            endpoint.HasRole,
		Public:             endpoint.Public,
		Requires:           endpoint.Requires,
	}})
}
