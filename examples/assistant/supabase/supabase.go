// Package supabase answers one question: what does the database of this API look like? It is in the layout that the
// Supabase CLI reads.
//
// See https://supabase.com/docs/guides/deployment/database-migrations.
package supabase

import "embed"

// Migrations are the files of migrations/, named <version>_<name>.sql and applied in the order of their versions. The file
// .keep lets the folder be without any.
//
//go:embed all:migrations
var Migrations embed.FS

// Seed fills a development database with four users: Ada, Bob, one without a name, and an anonymous one.
//
//go:embed seed.sql
var Seed string
