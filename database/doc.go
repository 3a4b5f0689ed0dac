// Package database answers one question: how does SQL run as the caller?
//
// [DB.As] returns a bun.IDB whose statements PostgreSQL runs with the caller's role and claims, so that row-level
// security decides which rows they see. [Listen] reports changed rows, [Replica] answers reads that may lag, and
// [Migration] brings a
// database up to date.
//
// # The invariant
//
// Role, claims and statement are sent together, in one network round trip and one transaction. The settings end with the
// transaction, even if the statement fails or the connection breaks. No statement runs without a [Caller], and no caller
// has a role that bypasses row-level security.
//
// # Files
//
//	database.go   DB and its configuration; opening and closing
//	caller.go     Caller, and As: a bun.IDB that runs statements as a caller
//	errors.go     the kinds of error
//	announce.go   which tables are announced, and by which SQL
//	listen.go     Listen: notifications of changed rows
//	replica.go    reads on a streaming replica, and its lag
//	migrate.go    a team's migrations, in the ledger of the Supabase CLI
//	engine.go     the engine's own SQL, engine/*.sql, in a schema and a ledger of its own
//	announce.go   triggers that announce changes
//	table.go      the table of a bun model
//	row.go        the row of a bun model
//	needs.go      what an API needs of the database, and what is missing
//	rows          errors and pages of queries
//	values        which texts clients may be shown
//
// The driver, with its pool and batches, is internal/pgwire.
package database
