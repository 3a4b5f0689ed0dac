// Package graph answers one question: what may callers request, and what do they get?
//
// Read schema.graphqls first, then schema.resolvers.go: a resolver finds the caller, calls models, and returns. `go
// generate .` writes the folder generated from the schema; it is not meant to be read.
package graph

import (
	"github.com/99designs/gqlgen/graphql"

	"example.com/assistant/graph/generated"
	"usergraph/endpoint"
)

// Resolver holds what all resolvers share.
type Resolver struct{ *endpoint.Engine }

// New returns the schema with its resolvers.
func New(engine *endpoint.Engine) graphql.ExecutableSchema {
	return generated.NewExecutableSchema(generated.Config{
		Resolvers: &Resolver{engine},
		Directives: generated.DirectiveRoot{
			Authenticated:      endpoint.Authenticated,
			DenyAnonymousUsers: endpoint.DenyAnonymousUsers,
			HasRole:            endpoint.HasRole,
			Public:             endpoint.Public,
			Requires:           endpoint.Requires,
		},
	})
}
