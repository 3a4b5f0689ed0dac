package pgtest

import "embed"

// Migrations create the table of the engine's own tests, and the objects that the engine needs in a database.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Seed inserts four users: Ada, Bob, one without a name, and an anonymous one.
//
//go:embed seed.sql
var Seed string
