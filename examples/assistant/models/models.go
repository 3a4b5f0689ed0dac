// Package models answers one question: what is stored?
//
// Each entity has one file: the struct, which is both the row in PostgreSQL and the GraphQL type, then its queries. A
// query is a plain function with the owner as an argument. It filters by that owner although row-level security does
// the same: either guard alone would be enough.
package models
