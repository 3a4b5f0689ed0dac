package doctor

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"usergraph/database"
)

// reachable selects the tables of the schema public on which the API's roles have a privilege.
const reachable = `select c.oid from pg_class c
	where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and exists (
		select from pg_roles r where r.rolname in ('anon', 'authenticated')
		and (has_table_privilege(r.oid, c.oid, 'select, insert, update, delete') or has_any_column_privilege(r.oid, c.oid, 'select, insert, update')))`

// schema compares the database with what the API needs, as the login that serves.
func (p *examination) schema(ctx context.Context) {
	if !p.reached {
		return
	}
	db, err := database.Open(database.Config{URL: p.DatabaseURL, MaxConns: 1})
	if err != nil {
		return // the check of the database has reported it
	}
	defer db.Close()
	missing, err := db.Missing(ctx, p.Needs)
	if err != nil {
		p.found("schema", Error, "could not be checked as the role authenticated: "+Reason(err), "see what the check of the login says")
		return
	}
	for _, m := range missing {
		p.found("schema", Error, m.What, m.Do)
	}
	if len(missing) == 0 && len(p.Needs.Tables)+len(p.Needs.Announced) > 0 {
		p.found("schema", OK, fmt.Sprintf("all columns, grants, functions and triggers of the API's %d tables are there", len(p.Needs.Tables)), "")
	}
}

// tables finds tables without row-level security, which every caller can read whole.
func (p *examination) tables(ctx context.Context, conn *pgx.Conn) error {
	var all, open, closed []string
	err := conn.QueryRow(ctx, `with reachable as (`+reachable+`),
		t as (select c.oid, quote_ident(relname) as name, relrowsecurity from pg_class c join reachable using (oid))
		select array(select name from t order by 1), array(select name from t where not relrowsecurity order by 1),
		array(select name from t where relrowsecurity and not exists (select from pg_policy where polrelid = t.oid) order by 1)`).Scan(&all, &open, &closed)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		p.found("tables", Error, "callers may use no table of the schema public", "apply the migrations: usergraph migrate")
		return nil
	}
	for _, table := range open {
		p.found("tables", Error, "danger: public."+table+" has no row-level security, and callers may use it",
			"alter table public."+table+" enable row level security, and write policies; or revoke all on it from anon, authenticated")
	}
	for _, table := range closed {
		p.found("tables", Note, "public."+table+" has row-level security and no policy: nobody sees a row", "write a policy, or revoke all on it from anon, authenticated")
	}
	if len(open) == 0 {
		p.found("tables", OK, "row-level security is on for "+strings.Join(all, ", "), "")
	}
	return nil
}

var (
	// onceAStatement matches (select auth.uid()) as PostgreSQL prints it.
	onceAStatement = regexp.MustCompile(`(?i)\( ?select auth\.(uid|jwt|role|email)\(\)( as \w+)?\)`)
	onceARow       = regexp.MustCompile(`\bauth\.(uid|jwt|role|email)\(\)`)
)

// policies finds policies that call a function for every row.
func (p *examination) policies(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `select quote_ident(relname), polname::text, concat_ws(' ', pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
		from pg_policy join pg_class c on c.oid = polrelid where c.oid in (`+reachable+`) order by 1, 2`)
	if err != nil {
		return err
	}
	total, slow := 0, 0
	var table, policy, expression string
	_, err = pgx.ForEachRow(rows, []any{&table, &policy, &expression}, func() error {
		total++
		if call := onceARow.FindString(onceAStatement.ReplaceAllString(expression, "")); call != "" {
			slow++
			p.found("policies", Warning, fmt.Sprintf("public.%s, %q: %s is called for every row", table, policy, call),
				"write (select "+call+"), which is called once a statement")
		}
		return nil
	})
	if err == nil && total > 0 && slow == 0 {
		p.found("policies", OK, fmt.Sprintf("%d, none calls a function for every row", total), "")
	}
	return err
}

// indexes finds policies none of whose columns begins an index. PostgreSQL records which columns a policy reads.
func (p *examination) indexes(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `select quote_ident(relname), polname::text, string_agg(distinct quote_ident(attname), ', '),
			bool_or(exists (select from pg_index where indrelid = c.oid and indisvalid and indkey[0] = attnum and indpred is null))
		from pg_policy join pg_class c on c.oid = polrelid
		join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = pg_policy.oid and d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid and d.refobjsubid > 0
		join pg_attribute on attrelid = c.oid and attnum = d.refobjsubid
		where c.oid in (`+reachable+`) and polcmd <> 'a' and pg_get_expr(polqual, polrelid) ~ 'auth\.'
		group by 1, 2 order by 1, 2`)
	if err != nil {
		return err
	}
	missing := false
	var table, policy, columns string
	var indexed bool
	_, err = pgx.ForEachRow(rows, []any{&table, &policy, &columns, &indexed}, func() error {
		if !indexed {
			missing = true
			p.found("indexes", Warning, fmt.Sprintf("public.%s, %q: no index begins with %s, so every row is looked at", table, policy, columns),
				fmt.Sprintf("create index on public.%s (%s)", table, columns))
		}
		return nil
	})
	if err == nil && !missing {
		p.found("indexes", OK, "there is one for every policy that asks who the caller is", "")
	}
	return err
}

// migrations compares the migrations with the Supabase CLI's ledger, or, where the login may not read that, with what
// `usergraph migrate` has noted.
func (p *examination) migrations(ctx context.Context, conn *pgx.Conn) error {
	if len(p.Migrations) == 0 {
		return nil
	}
	noted, mayReadNoted, err := p.versions(ctx, conn, "usergraph.team_migrations")
	if err != nil {
		return err
	}
	applied, mayRead, err := p.versions(ctx, conn, "supabase_migrations.schema_migrations")
	if err != nil {
		return err
	}
	if !mayRead && !mayReadNoted {
		p.found("migrations", Note, "this login may not read which were applied", "usergraph migrate --dry-run lists those that were not, with a login that may change the schema")
		return nil
	}
	pending := slices.DeleteFunc(slices.Clone(p.Migrations), func(version string) bool {
		return slices.Contains(applied, version) || slices.Contains(noted, version)
	})
	const advice = "usergraph migrate, with a login that may change the schema"
	switch {
	case len(pending) == 0:
		p.found("migrations", OK, fmt.Sprintf("all %d are applied", len(p.Migrations)), "")
	case !mayRead:
		p.found("migrations", Warning, fmt.Sprintf("%d of %d are pending, or applied by the Supabase CLI alone, whose ledger this login may not read: %s",
			len(pending), len(p.Migrations), strings.Join(pending, ", ")), advice)
	default:
		p.found("migrations", Error, fmt.Sprintf("%d of %d are pending: %s", len(pending), len(p.Migrations), strings.Join(pending, ", ")), advice)
	}
	return nil
}

// versions returns the versions in a ledger, as the login or else as the role authenticated. mayRead is true where there
// is no such table.
func (p *examination) versions(ctx context.Context, conn *pgx.Conn, table string) (versions []string, mayRead bool, err error) {
	for _, role := range []string{"none", "authenticated"} {
		tx, err := conn.Begin(ctx)
		if err != nil {
			return nil, false, err
		}
		defer tx.Rollback(context.WithoutCancel(ctx))
		if _, err := tx.Exec(ctx, "set local role "+role); err != nil {
			return nil, false, nil // the check of the login reports it
		}
		schema, name, _ := strings.Cut(table, ".")
		var exists, readable bool
		err = tx.QueryRow(ctx, `select count(c.oid) > 0,
			coalesce(bool_and(has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')), true)
			from pg_class c join pg_namespace n on n.oid = c.relnamespace where nspname = $1 and relname = $2`, schema, name).Scan(&exists, &readable)
		if err != nil || !exists {
			return nil, true, err
		}
		if readable {
			rows, _ := tx.Query(ctx, "select version from "+table)
			versions, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return versions, true, err
		}
		if err := tx.Rollback(ctx); err != nil {
			return nil, false, err
		}
	}
	return nil, false, nil
}

// extensions reports whether slow statements can be found.
func (p *examination) extensions(ctx context.Context, conn *pgx.Conn) error {
	var installed []string
	if err := conn.QueryRow(ctx, "select array(select extname::text from pg_extension order by 1)").Scan(&installed); err != nil {
		return err
	}
	if !slices.Contains(installed, "pg_stat_statements") {
		p.found("extensions", Note, "none is needed; pg_stat_statements is not installed", "create extension pg_stat_statements, to see which statements take the time")
		return nil
	}
	p.found("extensions", OK, strings.Join(installed, ", "), "")
	return nil
}
