package supabase

import _ "embed"

// Notes gives the users of Seed something to ask about.
//
//go:embed notes.sql
var Notes string
