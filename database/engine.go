package database

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"usergraph/internal/pgwire"
)

// engineFiles are the engine's own SQL: NNN_name.sql, applied in the order of their numbers. A file that was released is not
// changed any more.
//
//go:embed engine/*.sql
var engineFiles embed.FS

// engineSchema creates the schema of the engine, with its ledger and that of the team's migrations. Callers read the
// ledgers in their schema, for `usergraph doctor` and /readyz.
const engineSchema = `create schema usergraph;
comment on schema usergraph is 'The functions and ledgers of usergraph. docs/uninstall.sql removes them.';
grant usage on schema usergraph to anon, authenticated;
create table usergraph.migrations (
	version    int primary key,
	name       text not null,
	applied_at timestamptz not null default now()
);
create table usergraph.team_migrations (
	version    text primary key,
	name       text not null,
	applied_at timestamptz not null default now()
);
grant select on usergraph.migrations, usergraph.team_migrations to anon, authenticated`

// engineFile is one file of the engine's SQL.
type engineFile struct {
	version          int
	name, path, text string
}

// engineSQL returns the engine's files in the order of their versions.
func engineSQL() (files []engineFile) {
	entries, err := engineFiles.ReadDir("engine")
	if err != nil {
		panic(err) // the files are in the program
	}
	for _, entry := range entries {
		file := engineFile{path: "engine/" + entry.Name()}
		number, name, _ := strings.Cut(strings.TrimSuffix(entry.Name(), path.Ext(entry.Name())), "_")
		text, err := engineFiles.ReadFile(file.path)
		if err != nil {
			panic(err)
		}
		if file.version, err = strconv.Atoi(number); err != nil {
			panic(err)
		}
		file.name, file.text = name, string(text)
		files = append(files, file)
	}
	return files
}

// pendingEngine returns the steps that bring the engine's SQL up to date.
func pendingEngine(ctx context.Context, tx pgx.Tx) (steps []step, err error) {
	var exists, isOurs, mayCreate, mayChange bool
	var login, name string
	err = tx.QueryRow(ctx, `select n.oid is not null,
		exists (select from pg_class where relnamespace = n.oid and relname = 'migrations'),
		has_database_privilege(current_database(), 'create'), coalesce(pg_has_role(n.nspowner, 'usage'), true), current_user, current_database()
		from (select) one left join pg_namespace n on nspname = 'usergraph'`).Scan(&exists, &isOurs, &mayCreate, &mayChange, &login, &name)
	switch {
	case err != nil:
		return nil, pgwire.Classify(ctx, err)
	case exists && !isOurs:
		return nil, errors.New("the database has a schema usergraph without the table usergraph.migrations, so something else has made it: " +
			"rename it, alter schema usergraph rename to …, because the engine's functions need this name")
	case exists && !mayChange:
		return nil, fmt.Errorf("the login %s may not change the schema usergraph, which belongs to another role: %s", login, migrateAs)
	case !exists && !mayCreate:
		return nil, fmt.Errorf("the login %s may not create a schema in the database %s: %s", login, name, migrateAs)
	}
	var applied []int
	if exists {
		if err := tx.QueryRow(ctx, "select array(select version from usergraph.migrations)").Scan(&applied); err != nil {
			return nil, fmt.Errorf("the ledger usergraph.migrations: %w", pgwire.Classify(ctx, err))
		}
	} else {
		steps = append(steps, step{"the schema usergraph", func(ctx context.Context, tx pgx.Tx) error { return runFile(ctx, tx, engineSchema) }})
	}
	for _, file := range engineSQL() {
		if !slices.Contains(applied, file.version) {
			steps = append(steps, step{file.path, file.apply})
		}
	}
	return steps, nil
}

// migrateAs is the advice for a login that may not change the schema.
const migrateAs = "run usergraph migrate with DATABASE_MIGRATE_URL, the connection string of a role that may, such as postgres in a Supabase project"

// apply runs the file and records it.
func (f engineFile) apply(ctx context.Context, tx pgx.Tx) error {
	if err := runFile(ctx, tx, f.text); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "insert into usergraph.migrations (version, name) values ($1, $2)", f.version, f.name)
	if err != nil {
		return pgwire.Classify(ctx, err)
	}
	return nil
}

// runFile runs the statements of a text within the transaction.
func runFile(ctx context.Context, tx pgx.Tx, text string) error {
	results, err := tx.Conn().PgConn().Exec(ctx, text).ReadAll()
	if err != nil {
		return explain(ctx, text, results, err)
	}
	if tx.Conn().PgConn().TxStatus() != 'T' {
		return errors.New("it ends its transaction. Remove begin, commit and rollback: each file is one transaction anyway")
	}
	return nil
}
