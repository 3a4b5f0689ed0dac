package database

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"usergraph/internal/pgwire"
)

// migrationLock is the advisory lock of migrations: one runs at a time in a database. The number is arbitrary.
const migrationLock = 7283640192837465

// ledger creates the table in which the Supabase CLI records the applied migrations, as the CLI does.
// https://github.com/supabase/cli/blob/develop/pkg/migration/history.go
const ledger = `create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
alter table supabase_migrations.schema_migrations add column if not exists statements text[];
alter table supabase_migrations.schema_migrations add column if not exists name text`

// migrationName matches the file name of a migration, in the Supabase CLI's form.
var migrationName = regexp.MustCompile(`^([0-9]+)_(.*)\.sql$`)

// migration is one file of migrations.
type migration struct {
	path, version, name, text string
}

// Migrate applies the migrations/*.sql that are not in Supabase's ledger, by version. Each runs in its own transaction,
// together with its row in the ledger. report is called with the name of each applied one. Concurrent calls run one
// after the other.
func Migrate(ctx context.Context, url string, migrations fs.FS, report func(name string)) error {
	return MigrateAndWarn(ctx, url, migrations, report, func(string) {})
}

// MigrateAndWarn is Migrate with warnings: warn is called with each RAISE WARNING, such as which rows to correct.
func MigrateAndWarn(ctx context.Context, url string, migrations fs.FS, report, warn func(string)) error {
	files, err := readMigrations(migrations)
	if err != nil {
		return err
	}
	config, err := parseURL(url)
	if err != nil {
		return err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // poolers support it
	config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) {
		if notice.SeverityUnlocalized == "WARNING" {
			warn(strings.TrimSpace(notice.Message + "\n" + notice.Hint))
		}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return pgwire.Unavailable(ctx, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for {
		applied, err := migrateNext(ctx, conn, files)
		if err != nil || applied == "" {
			return err
		}
		report(applied)
	}
}

// readMigrations returns the files in the order of their versions.
func readMigrations(migrations fs.FS) ([]migration, error) {
	paths, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, errors.New("there are no migrations/*.sql")
	}
	var files []migration
	for _, file := range paths {
		parts := migrationName.FindStringSubmatch(path.Base(file))
		if parts == nil {
			return nil, fmt.Errorf("%s: a migration is called <version>_<name>.sql, its version in digits", file)
		}
		text, err := fs.ReadFile(migrations, file)
		if err != nil {
			return nil, err
		}
		files = append(files, migration{path: file, version: parts[1], name: parts[2], text: string(text)})
	}
	slices.SortFunc(files, func(a, b migration) int { return cmp.Compare(a.version, b.version) })
	for i := 1; i < len(files); i++ {
		if files[i].version == files[i-1].version {
			return nil, fmt.Errorf("%s and %s have the same version", files[i-1].path, files[i].path)
		}
	}
	return files, nil
}

// migrateNext applies the first pending file and returns its name, or "" if none is pending.
func migrateNext(ctx context.Context, conn *pgx.Conn, files []migration) (applied string, err error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return "", pgwire.Classify(ctx, err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", migrationLock); err != nil {
		return "", fmt.Errorf("wait for another migration: %w", pgwire.Classify(ctx, err))
	}
	versions, err := readLedger(ctx, tx)
	if err != nil {
		return "", fmt.Errorf("the ledger supabase_migrations.schema_migrations: %w", pgwire.Classify(ctx, err))
	}
	next, err := firstMissing(files, versions)
	if err != nil || next == nil {
		return "", err
	}
	if err := next.apply(ctx, tx); err != nil {
		return "", fmt.Errorf("%s: %w", next.path, err)
	}
	if err := tx.Commit(ctx); err != nil {
		return "", fmt.Errorf("%s: %w", next.path, pgwire.Classify(ctx, err))
	}
	return path.Base(next.path), nil
}

// readLedger returns the applied versions. It creates the ledger if there is none.
func readLedger(ctx context.Context, tx pgx.Tx) ([]string, error) {
	var columns int
	err := tx.QueryRow(ctx, `select count(*) from information_schema.columns where table_schema = 'supabase_migrations'
		and table_name = 'schema_migrations' and column_name in ('version', 'statements', 'name')`).Scan(&columns)
	if err != nil {
		return nil, err
	}
	if columns < 3 {
		if _, err := tx.Conn().PgConn().Exec(ctx, ledger).ReadAll(); err != nil {
			return nil, err
		}
	}
	rows, err := tx.Query(ctx, "select version from supabase_migrations.schema_migrations")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// firstMissing returns the first pending file. Like the Supabase CLI it refuses a file that is older than an applied
// version: it was written for an earlier state of the database. Versions without a file are ignored.
func firstMissing(files []migration, versions []string) (*migration, error) {
	for i, file := range files {
		if slices.Contains(versions, file.version) {
			continue
		}
		if newest := slices.Max(append(versions, "")); file.version < newest {
			return nil, fmt.Errorf("%s is older than %s, which the database already has: give it a newer version", file.path, newest)
		}
		return &files[i], nil
	}
	return nil, nil
}

// apply runs a migration and records it in the ledger.
func (m *migration) apply(ctx context.Context, tx pgx.Tx) error {
	pg := tx.Conn().PgConn()
	results, err := pg.Exec(ctx, m.text).ReadAll()
	if err != nil {
		return m.explain(ctx, results, err)
	}
	if pg.TxStatus() != 'T' {
		return errors.New("it ends its transaction. Remove begin, commit and rollback: each file is one transaction anyway")
	}
	_, err = tx.Exec(ctx, "insert into supabase_migrations.schema_migrations (version, name, statements) values ($1, $2, $3)",
		m.version, m.name, []string{m.text})
	if err != nil {
		return pgwire.Classify(ctx, err)
	}
	return nil
}

// explain adds the place of an error in the file: the line if PostgreSQL reports a position, else the statement.
func (m *migration) explain(ctx context.Context, results []*pgconn.Result, err error) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return pgwire.Classify(ctx, err)
	}
	if refused.Code == "25001" { // active_sql_transaction
		return fmt.Errorf("each file is one transaction, and this cannot be in one: %w", err)
	}
	if refused.Code == "42P07" { // duplicate_table
		return fmt.Errorf("the database has it already, made by something else: keep that, and note this file as applied, "+
			"see deploy/README.md: %w", err)
	}
	if refused.Position > 0 {
		before := []rune(m.text)
		before = before[:min(int(refused.Position)-1, len(before))]
		return fmt.Errorf("line %d: %w", 1+strings.Count(string(before), "\n"), pgwire.Classify(ctx, err))
	}
	number := 1
	for _, result := range results {
		if result.Err == nil {
			number++
		}
	}
	return fmt.Errorf("statement %d: %w", number, pgwire.Classify(ctx, err))
}
