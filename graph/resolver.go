// Package graph answers one question: what may callers ask, and what do they get?
//
// Read schema.graphqls first, then schema.resolvers.go: a resolver finds the caller, calls models, and returns.
// access.go keeps what the schema says of access, errors.go turns errors into codes, limits.go refuses what costs too
// much, handler.go puts it together.
package graph

import (
	"usergraph/database"
)

// Resolver is what all resolvers share.
type Resolver struct {
	DB *database.DB

	live *live
}
