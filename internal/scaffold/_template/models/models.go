// Package models answers one question: what is stored?
//
// One file an entity: the struct, which is both the row in PostgreSQL and the GraphQL type, then its queries. A query is
// a plain function that is told whose rows it is about. It filters by that owner although row-level security does the
// same: either guard alone would do.
package models
