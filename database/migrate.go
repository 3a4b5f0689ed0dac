package database

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ledger is where the Supabase CLI notes what it has applied.
const ledger = `create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text primary key, statements text[], name text)`

// lockID is any number: two migrations at once wait for each other by it.
const lockID = 7303014627

// Migrate applies the files migrations/<version>_<name>.sql that the database does not have, in the order of their
// versions, each in a transaction of its own. It keeps the ledger of the Supabase CLI, so that `supabase db push` and
// this agree. applied is told the name of each file.
func Migrate(ctx context.Context, url string, files fs.FS, applied func(name string)) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", lockID); err != nil {
		return fmt.Errorf("wait for another migration: %w", err)
	}
	if _, err := conn.Exec(ctx, ledger); err != nil {
		return fmt.Errorf("make the ledger of migrations: %w", err)
	}
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return err
	}
	for _, name := range names {
		version, title, ok := strings.Cut(strings.TrimSuffix(path.Base(name), ".sql"), "_")
		if !ok {
			return fmt.Errorf("%s is not named <version>_<name>.sql", name)
		}
		var done bool
		err := conn.QueryRow(ctx, "select exists (select from supabase_migrations.schema_migrations where version = $1)", version).Scan(&done)
		if err != nil {
			return fmt.Errorf("read the ledger of migrations: %w", err)
		}
		if done {
			continue
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, string(text)); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "insert into supabase_migrations.schema_migrations (version, statements, name) values ($1, $2, $3)",
				version, []string{string(text)}, title)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		applied(path.Base(name))
	}
	return nil
}
