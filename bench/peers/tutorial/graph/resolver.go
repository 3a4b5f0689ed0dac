// Package graph answers the queries.
package graph

import "github.com/uptrace/bun"

// Resolver is what all resolvers share.
type Resolver struct {
	DB *bun.DB
}
