package pgtest

import "embed"

// Migrations make the table of the engine's own tests, and what the engine needs of a database.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Seed fills it with four users: Ada, Bob, one without a name, and an anonymous one.
//
//go:embed seed.sql
var Seed string
