// Package supabase holds what the database of this API looks like, in the layout that the Supabase CLI reads.
//
// See https://supabase.com/docs/guides/deployment/database-migrations.
package supabase

import "embed"

// Migrations are the files of migrations/, named <version>_<name>.sql and applied in the order of their versions.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Seed fills a development database with three users: Ada, Bob, and one without a name.
//
//go:embed seed.sql
var Seed string
