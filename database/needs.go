package database

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

// Needs is what an API needs of its database, so that its requests can be answered.
type Needs struct {
	Tables []NeededTable
	// Announced are the tables that subscriptions watch.
	Announced []Announcement
	// Sessions reports whether usergraph.session_is_live() is called.
	Sessions bool
}

// NeededTable is a table that queries read.
type NeededTable struct {
	Table
	// Model is the name of the struct.
	Model string
	// Roles are the roles that read it.
	Roles []string
}

// Missing is something that a database lacks.
type Missing struct {
	// What is missing.
	What string
	// Do says what to run.
	Do string
}

func (m Missing) String() string { return m.What + ": " + m.Do }

const migrateDo = "run usergraph migrate, with a login that may change the schema"

// Missing returns what the database lacks. It reads PostgreSQL's catalogs, as the role authenticated. It asks for
// privileges and not for rows: a policy that shows nobody anything is no fault.
func (db *DB) Missing(ctx context.Context, needs Needs) ([]Missing, error) {
	as := db.As(Caller{Role: "authenticated", Claims: []byte(`{"role":"authenticated"}`), ReadOnly: true})
	missing, err := missingTables(ctx, as, needs.Tables)
	if err != nil || !needs.Sessions && len(needs.Announced) == 0 {
		return missing, err
	}
	ofEngine, err := missingEngine(ctx, as, needs)
	return append(missing, ofEngine...), err
}

// queried reads the single JSON value of a query whose argument is JSON.
func queried[T any](ctx context.Context, db bun.IDB, sql string, argument any) (value T, err error) {
	input, err := json.Marshal(argument)
	if err != nil {
		return value, err
	}
	var output string
	if err := db.NewRaw(sql, string(input)).Scan(ctx, &output); err != nil {
		return value, err
	}
	return value, json.Unmarshal([]byte(output), &value)
}

// missingTables compares tables with the catalogs.
func missingTables(ctx context.Context, db bun.IDB, tables []NeededTable) (missing []Missing, err error) {
	type found struct {
		Exists  bool
		Name    string   // as SQL writes it
		Schema  string   // likewise
		Missing []string // columns
		Denied  []struct {
			Role    string
			Schema  bool   // the role may not use the schema
			Columns string // that it may not select
			Whole   bool   // the columns are all that the model reads
		}
	}
	all, err := queried[[]found](ctx, db, `select coalesce(jsonb_agg(jsonb_build_object(
			'exists', c.oid is not null, 'name', quote_ident(n.schema) || '.' || quote_ident(n.name), 'schema', quote_ident(n.schema),
			'missing', array(select x from unnest(n.columns) x where not exists (
				select from pg_attribute where attrelid = c.oid and attname = x and attnum > 0 and not attisdropped)),
			'denied', (select coalesce(jsonb_agg(denied), '[]') from (
				select role, not has_schema_privilege(role, c.relnamespace, 'usage') as schema,
					coalesce(string_agg(quote_ident(attname), ', ' order by attnum) filter (where not has_column_privilege(role, c.oid, attnum, 'select')), '') as columns,
					coalesce(bool_and(not has_column_privilege(role, c.oid, attnum, 'select')), false) as whole
				from unnest(n.roles) role left join pg_attribute on attrelid = c.oid and attname = any(n.columns) and attnum > 0 and not attisdropped
				where c.oid is not null group by role) denied)
		) order by i), '[]')::text
		from jsonb_array_elements(?::jsonb) with ordinality as element (value, i),
			lateral (select value ->> 'Schema' as schema, value ->> 'Name' as name,
				array(select jsonb_array_elements_text(value -> 'Columns')) as columns, array(select jsonb_array_elements_text(value -> 'Roles')) as roles) n
		left join (pg_class c join pg_namespace s on s.oid = c.relnamespace) on s.nspname = n.schema and c.relname = n.name`, append([]NeededTable{}, tables...))
	if err != nil {
		return nil, err
	}
	for i, is := range all {
		model := tables[i].Model
		if !is.Exists {
			missing = append(missing, Missing{is.Name + " does not exist, and " + model + " reads it",
				migrateDo + "; if your table has another name, write it into the bun tag of " + model})
			continue
		}
		if len(is.Missing) > 0 {
			missing = append(missing, Missing{fmt.Sprintf("%s has no column %s, and %s reads it", is.Name, strings.Join(is.Missing, ", "), model),
				"if a migration adds it, " + migrateDo + "; else change the struct " + model + " to the columns that your table has"})
		}
		for _, denied := range is.Denied {
			if denied.Schema {
				missing = append(missing, Missing{fmt.Sprintf("%s may not use the schema %s", denied.Role, is.Schema),
					fmt.Sprintf("grant usage on schema %s to %s", is.Schema, denied.Role)})
			}
			if denied.Columns != "" {
				columns := " (" + denied.Columns + ")"
				if denied.Whole {
					columns = ""
				}
				missing = append(missing, Missing{fmt.Sprintf("%s may not select %s of %s", denied.Role, denied.Columns, is.Name),
					fmt.Sprintf("grant select%s on %s to %s", columns, is.Name, denied.Role)})
			}
		}
	}
	return missing, nil
}

// missingEngine compares the engine's SQL and its triggers with the catalogs.
func missingEngine(ctx context.Context, db bun.IDB, needs Needs) (missing []Missing, err error) {
	var ledger bool
	err = db.NewRaw(`select exists (select from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = 'usergraph' and relname = 'migrations'
		and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select'))`).Scan(ctx, &ledger)
	if err != nil {
		return nil, err
	}
	if !ledger {
		return []Missing{{"the engine's SQL, the schema usergraph, is missing", migrateDo}}, nil
	}
	is, err := queried[struct {
		Versions                  []int
		Session, MayAsk, Announce bool
		Unannounced               []int // indexes of needs.Announced
	}](ctx, db, `select jsonb_build_object(
			'versions', array(select version from usergraph.migrations),
			'session', exists (select from pg_proc where pronamespace = 'usergraph'::regnamespace and proname = 'session_is_live'),
			'mayAsk', exists (select from pg_proc p where pronamespace = 'usergraph'::regnamespace and proname = 'session_is_live' and has_function_privilege(p.oid, 'execute')),
			'announce', exists (select from pg_proc where pronamespace = 'usergraph'::regnamespace and proname = 'announce_changes'),
			'unannounced', array(select i - 1 from jsonb_array_elements(?::jsonb) with ordinality as element (value, i)
				join pg_namespace n on nspname = value ->> 'Schema' join pg_class c on c.relnamespace = n.oid and relname = value ->> 'Table' and relkind in ('r', 'p')
				where exists (select from (select c.oid union select relid from pg_partition_tree(c.oid)) member (relid)
					where 4 > (select count(*) from pg_trigger where tgrelid = relid and tgname like 'usergraph\_announce\_%' and tgenabled in ('O', 'A')
						and encode(tgargs, 'hex') = value ->> 'Arguments')) order by i)
		)::text`, argumentsOf(needs.Announced))
	if err != nil {
		return nil, err
	}
	for _, file := range engineSQL() {
		if !slices.Contains(is.Versions, file.version) {
			missing = append(missing, Missing{"the engine's SQL " + file.path + " is not applied", migrateDo})
		}
	}
	if len(missing) > 0 {
		return missing, nil
	}
	const again = "delete from usergraph.migrations where version = %d; then " + migrateDo
	if needs.Sessions && !is.Session {
		missing = append(missing, Missing{"the function usergraph.session_is_live() is missing, and SESSION_CHECK calls it", fmt.Sprintf(again, 1)})
	} else if needs.Sessions && !is.MayAsk {
		missing = append(missing, Missing{"authenticated may not call usergraph.session_is_live(), and SESSION_CHECK does", "grant execute on function usergraph.session_is_live() to authenticated"})
	}
	if len(needs.Announced) > 0 && !is.Announce {
		missing = append(missing, Missing{"the function usergraph.announce_changes() is missing", fmt.Sprintf(again, 2)})
		return missing, nil
	}
	for _, i := range is.Unannounced {
		table := needs.Announced[i]
		missing = append(missing, Missing{tableName(table.Schema, table.Table) + " does not announce its changes to subscriptions", migrateDo})
	}
	return missing, nil
}

// announcedTable is a table with the arguments that its triggers must have, as pg_trigger.tgargs in hexadecimal.
type announcedTable struct{ Schema, Table, Arguments string }

func argumentsOf(announced []Announcement) []announcedTable {
	tables := []announcedTable{}
	for _, a := range announced {
		arguments := strings.Join(append(slices.Clone(a.Keys), a.Owner), "\x00") + "\x00"
		tables = append(tables, announcedTable{a.Schema, a.Table, hex.EncodeToString([]byte(arguments))})
	}
	return tables
}
