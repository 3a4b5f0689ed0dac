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

// Migration is what a database needs: the engine's own SQL, a team's migrations, and triggers.
type Migration struct {
	// URL is a connection string whose role may change the schema.
	URL string
	// Files holds migrations/<version>_<name>.sql, in the layout of the Supabase CLI. It may be nil or hold none.
	Files fs.FS
	// Watched are the tables whose changes are announced, by triggers.
	Watched []Announcement
	// Report, if set, is called with the name of each step that was done.
	Report func(name string)
	// Warn, if set, is called with each RAISE WARNING, and with what keeps changes from being announced.
	Warn func(text string)
}

// step is one transaction of a migration.
type step struct {
	name  string
	apply func(context.Context, pgx.Tx) error
}

// migration is one file of migrations.
type migration struct {
	path, version, name, text string
}

// Apply does what Pending lists, in this order: the engine's SQL, the team's files by version, the triggers. Each step is
// its own transaction, together with its row in a ledger, so a step that fails leaves nothing of itself, and the steps
// before it are done. Concurrent calls run one after the other.
func (m Migration) Apply(ctx context.Context) error {
	return m.connected(ctx, func(conn *pgx.Conn, files []migration) error {
		for {
			applied, err := m.applyNext(ctx, conn, files)
			if err != nil || applied == "" {
				return err
			}
			if m.Report != nil {
				m.Report(applied)
			}
		}
	})
}

// Pending returns the names of the steps that Apply would do. It changes nothing.
func (m Migration) Pending(ctx context.Context) (names []string, err error) {
	err = m.connected(ctx, func(conn *pgx.Conn, files []migration) error {
		tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
		if err != nil {
			return pgwire.Classify(ctx, err)
		}
		defer tx.Rollback(context.WithoutCancel(ctx))
		steps, warnings, err := m.pending(ctx, tx, files)
		m.warn(warnings...)
		for _, step := range steps {
			names = append(names, step.name)
		}
		return err
	})
	return names, err
}

// connected calls do with a connection and the team's files.
func (m Migration) connected(ctx context.Context, do func(*pgx.Conn, []migration) error) error {
	files, err := readMigrations(m.Files)
	if err != nil {
		return err
	}
	config, err := parseURL(m.URL)
	if err != nil {
		return err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // poolers support it
	config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) {
		if notice.SeverityUnlocalized == "WARNING" {
			m.warn(strings.TrimSpace(notice.Message + "\n" + notice.Hint))
		}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return pgwire.Unavailable(ctx, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return do(conn, files)
}

func (m Migration) warn(texts ...string) {
	for _, text := range texts {
		if m.Warn != nil {
			m.Warn(text)
		}
	}
}

// readMigrations returns the files in the order of their versions.
func readMigrations(migrations fs.FS) ([]migration, error) {
	if migrations == nil {
		return nil, nil
	}
	paths, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
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

// applyNext does the first pending step and returns its name, or "" if none is pending.
func (m Migration) applyNext(ctx context.Context, conn *pgx.Conn, files []migration) (applied string, err error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return "", pgwire.Classify(ctx, err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", migrationLock); err != nil {
		return "", fmt.Errorf("wait for another migration: %w", pgwire.Classify(ctx, err))
	}
	steps, warnings, err := m.pending(ctx, tx, files)
	if err != nil {
		return "", err
	}
	next := step{apply: func(ctx context.Context, tx pgx.Tx) error { return recordShared(ctx, tx, files) }}
	if len(steps) == 0 {
		m.warn(warnings...)
	} else {
		next = steps[0]
	}
	if err := next.apply(ctx, tx); err != nil {
		return "", fmt.Errorf("%s: %w", next.name, err)
	}
	if err := tx.Commit(ctx); err != nil {
		return "", fmt.Errorf("%s: %w", next.name, pgwire.Classify(ctx, err))
	}
	return next.name, nil
}

// pending returns all steps that are to do, and what keeps tables from announcing their changes.
func (m Migration) pending(ctx context.Context, tx pgx.Tx, files []migration) (steps []step, warnings []string, err error) {
	ofEngine, err := pendingEngine(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	ofTeam, err := pendingFiles(ctx, tx, files)
	if err != nil {
		return nil, nil, err
	}
	steps = append(ofEngine, ofTeam...)
	triggers, warnings, err := pendingAnnouncements(ctx, tx, m.Watched, len(steps) > 0)
	return append(steps, triggers...), warnings, err
}

// pendingFiles returns the steps of the team's files that are not applied yet. Like `supabase db push --include-all`, it
// applies a file whatever newer versions the database has: they may be another repository's, and versions that are no
// timestamps compare with nothing.
//
// The ledger is the Supabase CLI's, so that the CLI and this program agree about a folder that both apply. If all versions in
// it are another folder's, it is left alone: the CLI refuses to push from a repository that has no file for a version of the
// ledger. Then usergraph.team_migrations is the ledger. It has each file that this program has seen applied, so that a file
// is not applied again after `supabase migration repair --status reverted`, which the CLI advises in that repository.
func pendingFiles(ctx context.Context, tx pgx.Tx, files []migration) (steps []step, err error) {
	shared, err := versions(ctx, tx, "supabase_migrations", "schema_migrations")
	if err != nil {
		return nil, err
	}
	applied, err := versions(ctx, tx, "usergraph", "team_migrations")
	if err != nil {
		return nil, err
	}
	record := len(shared) == 0 && len(applied) == 0
	if slices.ContainsFunc(files, func(file migration) bool { return slices.Contains(shared, file.version) }) {
		applied, record = shared, true
	}
	newest := ""
	for _, version := range shared {
		if len(version) == len(timestampVersion) {
			newest = max(newest, version)
		}
	}
	for _, file := range files {
		if slices.Contains(applied, file.version) {
			continue
		}
		name := path.Base(file.path)
		if len(file.version) == len(timestampVersion) && file.version < newest {
			name += ", older than " + newest + ", which the database has"
		}
		if !record {
			name += ", noted in usergraph.team_migrations, because the Supabase CLI's ledger is another repository's"
		}
		steps = append(steps, step{name, func(ctx context.Context, tx pgx.Tx) error { return file.apply(ctx, tx, record) }})
	}
	return steps, nil
}

// timestampVersion is the form of the versions that `supabase migration new` makes.
const timestampVersion = "20060102150405"

// recordShared notes in usergraph.team_migrations which files the Supabase CLI's ledger has.
func recordShared(ctx context.Context, tx pgx.Tx, files []migration) error {
	shared, err := versions(ctx, tx, "supabase_migrations", "schema_migrations")
	if err != nil {
		return err
	}
	for _, file := range files {
		if slices.Contains(shared, file.version) {
			if err := file.record(ctx, tx); err != nil {
				return err
			}
		}
	}
	return nil
}

// record notes the file in usergraph.team_migrations.
func (m *migration) record(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "insert into usergraph.team_migrations (version, name) values ($1, $2) on conflict do nothing", m.version, m.name)
	if err != nil {
		return pgwire.Classify(ctx, err)
	}
	return nil
}

// versions returns the versions in a ledger, none if there is no such table.
func versions(ctx context.Context, tx pgx.Tx, schema, table string) ([]string, error) {
	name := pgx.Identifier{schema, table}.Sanitize()
	var exists bool
	err := tx.QueryRow(ctx, "select exists (select from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = $1 and relname = $2)", schema, table).Scan(&exists)
	if err != nil {
		return nil, pgwire.Classify(ctx, err)
	}
	if !exists {
		return nil, nil
	}
	rows, _ := tx.Query(ctx, "select version from "+name)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("the ledger %s: %w", name, pgwire.Classify(ctx, err))
	}
	return found, nil
}

// apply runs a migration and records it.
func (m *migration) apply(ctx context.Context, tx pgx.Tx, shared bool) error {
	if err := runFile(ctx, tx, m.text); err != nil {
		return advise(err)
	}
	if err := m.record(ctx, tx); err != nil || !shared {
		return err
	}
	if err := createLedger(ctx, tx); err != nil {
		return fmt.Errorf("the ledger supabase_migrations.schema_migrations: %w", err)
	}
	_, err := tx.Exec(ctx, "insert into supabase_migrations.schema_migrations (version, name, statements) values ($1, $2, $3)",
		m.version, m.name, []string{m.text})
	if err != nil {
		return pgwire.Classify(ctx, err)
	}
	return nil
}

// createLedger creates the Supabase CLI's ledger, or the columns that an old one has not.
func createLedger(ctx context.Context, tx pgx.Tx) error {
	var columns int
	err := tx.QueryRow(ctx, `select count(*) from information_schema.columns where table_schema = 'supabase_migrations'
		and table_name = 'schema_migrations' and column_name in ('version', 'statements', 'name')`).Scan(&columns)
	if err != nil {
		return pgwire.Classify(ctx, err)
	}
	if columns == 3 {
		return nil
	}
	return runFile(ctx, tx, ledger)
}

// advise adds what to do about an error in a team's file, where that is known.
func advise(err error) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return err
	}
	switch refused.Code {
	case "42P07", "42710", "42723": // duplicate_table, duplicate_object, duplicate_function
		return fmt.Errorf("%w. Something else has made it, and it stays as it is: if it is your project's own, delete this file and "+
			"run usergraph migrate again; if it is what this file makes, `supabase migration repair --status applied` with the file's version "+
			"writes it into the ledger; then usergraph doctor says whether the API can read it", err)
	case "42501": // insufficient_privilege
		return fmt.Errorf("%w. The login may not do this: %s", err, migrateAs)
	}
	return err
}

// explain adds the place of an error in a text, the line if PostgreSQL reports a position, else the statement, and
// PostgreSQL's hint.
func explain(ctx context.Context, text string, results []*pgconn.Result, err error) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return pgwire.Classify(ctx, err)
	}
	classified := pgwire.Classify(ctx, err)
	if refused.Code == "25001" { // active_sql_transaction
		return fmt.Errorf("each file is one transaction, and this cannot be in one: %w", classified)
	}
	if refused.Hint != "" {
		classified = fmt.Errorf("%w. %s", classified, refused.Hint)
	}
	if refused.Position > 0 {
		before := []rune(text)
		before = before[:min(int(refused.Position)-1, len(before))]
		return fmt.Errorf("line %d: %w", 1+strings.Count(string(before), "\n"), classified)
	}
	number := 1
	for _, result := range results {
		if result.Err == nil {
			number++
		}
	}
	return fmt.Errorf("statement %d: %w", number, classified)
}

// announceLock bounds the wait for a table's lock: other writers wait behind a trigger that waits.
const announceLock = "set local lock_timeout = '5s'"

// pendingAnnouncements returns the steps that make tables announce their changes, and which tables cannot. A table that does
// not exist yet may be made by a step before these.
func pendingAnnouncements(ctx context.Context, tx pgx.Tx, watched []Announcement, mayCome bool) (steps []step, warnings []string, err error) {
	for _, table := range watched {
		name := tableName(table.Schema, table.Table)
		var kind, owner, login string
		var may bool
		err := tx.QueryRow(ctx, `select c.relkind::text, has_table_privilege(c.oid, 'trigger'), pg_get_userbyid(relowner), current_user
			from pg_class c join pg_namespace n on n.oid = c.relnamespace where nspname = $1 and relname = $2`, table.Schema, table.Table).Scan(&kind, &may, &owner, &login)
		switch {
		case errors.Is(err, pgx.ErrNoRows) && !mayCome:
			warnings = append(warnings, fmt.Sprintf("%s does not exist, and subscriptions watch it: create it, and run usergraph migrate again", name))
			continue
		case err == nil && kind != "r" && kind != "p":
			warnings = append(warnings, fmt.Sprintf("%s is no table: its changes are not announced, and subscriptions that read it are refused. "+
				"Watch the tables that it reads, and give the BaseModel of its struct the tag usergraph:\"-\"", name))
			continue
		case err == nil && !may:
			return nil, nil, fmt.Errorf("the login %s may not create a trigger on %s, which belongs to %s: run usergraph migrate with DATABASE_MIGRATE_URL, the connection string of %s, or: grant trigger on %s to %s",
				login, name, owner, owner, name, login)
		case err != nil && !errors.Is(err, pgx.ErrNoRows):
			return nil, nil, pgwire.Classify(ctx, err)
		}
		installed, err := table.IsInstalled(ctx, tx)
		if err != nil {
			return nil, nil, pgwire.Classify(ctx, err)
		}
		if !installed {
			steps = append(steps, step{table.String(), func(ctx context.Context, tx pgx.Tx) error { return announce(ctx, tx, table) }})
		}
	}
	return steps, warnings, nil
}

// announce makes a table announce its changes. A function of the engine that was replaced may leave the table as it is.
func announce(ctx context.Context, tx pgx.Tx, table Announcement) error {
	if err := runFile(ctx, tx, announceLock+"; "+table.SQL()); err != nil {
		return err
	}
	installed, err := table.IsInstalled(ctx, tx)
	if err != nil {
		return pgwire.Classify(ctx, err)
	}
	if !installed {
		return errors.New("usergraph.announce_changes() is another version's: drop function usergraph.announce_changes; " +
			"delete from usergraph.migrations where version = 2; then run usergraph migrate again")
	}
	return nil
}
