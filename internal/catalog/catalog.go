// Package catalog answers one question: what does the database say of its tables?
//
// One statement over pg_catalog tells columns, types, keys, indexes, comments, policies and what the roles of the API may
// do. Any login may run it. https://www.postgresql.org/docs/current/catalogs.html
package catalog

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed catalog.sql
var statement string

// The roles that callers have, as Supabase names them.
const (
	Anonymous     = "anon"
	Authenticated = "authenticated"
)

// Roles are all roles that callers have.
var Roles = []string{Anonymous, Authenticated}

// Catalog holds the tables and views outside PostgreSQL's own schemas, by schema and name.
type Catalog struct{ Tables []*Table }

// Table is a table, a partitioned table or a view.
type Table struct {
	Schema, Name string
	// Kind is "table", "view", "materialized view" or "foreign table".
	Kind string
	// Partition reports whether the table is a part of another one.
	Partition bool
	Comment   string
	// RLS reports whether row-level security is on.
	RLS bool
	// SecurityInvoker reports whether a view reads with the rights of its caller.
	SecurityInvoker bool         `json:"security_invoker"`
	Columns         []Column     // in the table's order
	PrimaryKey      []string     `json:"primary_key"` // names of columns, in the key's order
	ForeignKeys     []ForeignKey `json:"foreign_keys"`
	Indexes         []Index      // those that are valid
	Policies        []Policy
	// Checks are the expressions of its check constraints, as PostgreSQL prints them.
	Checks []string
	// Usage are the roles that may use the schema, Delete those that may delete rows.
	Usage, Delete []string
	// ToPublic are the privileges that every role has: select, insert, update, delete.
	ToPublic []string `json:"to_public"`
}

// Column is a column of a table.
type Column struct {
	Name string
	// Type is the type as PostgreSQL prints it, such as "character varying(20)" or "public.mood". Base is the type without
	// its modifiers, and of a domain the type below it.
	Type, Base string
	Domain     bool
	// Element is the element's type of an array, else "". Kind and Enum speak of the element then.
	Element string
	// Kind is "base", "enum", "composite", "range" or "pseudo".
	Kind    string
	Enum    []EnumValue
	NotNull bool `json:"not_null"`
	// Default is the expression, "" if there is none. Of a generated column it is what it is generated from.
	Default string
	// Identity columns get their values from a sequence; with IdentityAlways no other is accepted.
	Identity       bool
	IdentityAlways bool `json:"identity_always"`
	Generated      bool
	Comment        string
	// Grants are what each role may do with the column.
	Grants map[string]Grants
}

// EnumValue is a value of an enum, in its order.
type EnumValue struct{ Value string }

// Grants are a role's privileges on a column.
type Grants struct{ Select, Insert, Update bool }

// ForeignKey is a reference to the row of another table.
type ForeignKey struct {
	Name       string
	Columns    []string
	Schema     string
	Table      string
	References []string
}

// Index is a valid index.
type Index struct {
	Name string
	// Columns are the names of its columns; an expression is "".
	Columns         []string
	Unique, Partial bool
	// Ordered reports whether rows can be read in the order of the columns.
	Ordered bool
}

// Policy is a policy of row-level security.
type Policy struct {
	Name       string
	Permissive bool
	// Command is "select", "insert", "update", "delete" or "all".
	Command string
	// Roles are the roles of callers that it is for.
	Roles []string
	// Using and Check are expressions as PostgreSQL prints them, "" if there is none.
	Using, Check string
}

// Read reads the catalog.
func Read(ctx context.Context, conn *pgx.Conn) (*Catalog, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	// Names that are not in the search path are printed with their schemas.
	if _, err := tx.Exec(ctx, "set local search_path = ''"); err != nil {
		return nil, err
	}
	var text []byte
	if err := tx.QueryRow(ctx, statement).Scan(&text); err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	catalog := new(Catalog)
	if err := json.Unmarshal(text, &catalog.Tables); err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	return catalog, nil
}

// Table returns a table, nil if there is none.
func (c *Catalog) Table(schema, name string) *Table {
	for _, table := range c.Tables {
		if table.Schema == schema && table.Name == name {
			return table
		}
	}
	return nil
}

// Reference is a foreign key of another table, or of the same one.
type Reference struct {
	From *Table
	Key  ForeignKey
}

// References returns the foreign keys that refer to a table, without those of partitions.
func (c *Catalog) References(to *Table) (all []Reference) {
	for _, table := range c.Tables {
		for _, key := range table.ForeignKeys {
			if !table.Partition && key.Schema == to.Schema && key.Table == to.Name {
				all = append(all, Reference{table, key})
			}
		}
	}
	return all
}

// Column returns a column, nil if there is none.
func (t *Table) Column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// SQL returns the name of the table, quoted where SQL needs it.
func (t *Table) SQL() string { return Quote(t.Schema) + "." + Quote(t.Name) }

// String returns the name as people write it: without the schema public.
func (t *Table) String() string {
	if t.Schema == "public" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

// IsView reports whether the table is a view, which has neither keys nor policies of its own.
func (t *Table) IsView() bool { return strings.HasSuffix(t.Kind, "view") }

// Indexed reports whether an index of all rows begins with these columns, in any order of theirs.
func (t *Table) Indexed(columns ...string) bool {
	return slices.ContainsFunc(t.Indexes, func(index Index) bool {
		if index.Partial || len(index.Columns) < len(columns) {
			return false
		}
		return !slices.ContainsFunc(index.Columns[:len(columns)], func(column string) bool { return !slices.Contains(columns, column) })
	})
}

// Unique reports whether an index allows only one row for each value of these columns.
func (t *Table) Unique(columns ...string) bool {
	return slices.ContainsFunc(t.Indexes, func(index Index) bool {
		return index.Unique && !index.Partial && !slices.ContainsFunc(index.Columns, func(column string) bool { return !slices.Contains(columns, column) })
	})
}

// Created returns the column that says when a row was made, nil if there is none.
func (t *Table) Created() *Column {
	for _, name := range []string{"created_at", "created", "inserted_at"} {
		if c := t.Column(name); c != nil && strings.HasPrefix(c.Base, "timestamp") {
			return c
		}
	}
	return nil
}

// May reports whether a role may select, insert or update some column, or delete rows.
func (t *Table) May(role, command string) bool {
	if !slices.Contains(t.Usage, role) {
		return false
	}
	if command == "delete" {
		return slices.Contains(t.Delete, role)
	}
	return slices.ContainsFunc(t.Columns, func(column Column) bool { return column.May(role, command) })
}

// May reports whether a role may select, insert or update the column.
func (c *Column) May(role, command string) bool {
	grants := c.Grants[role]
	switch command {
	case "select":
		return grants.Select
	case "insert":
		return grants.Insert
	case "update":
		return grants.Update
	}
	return false
}

// IsStamp reports whether PostgreSQL sets the column to the time.
func (c *Column) IsStamp() bool {
	d := strings.ToLower(c.Default)
	return strings.HasPrefix(c.Base, "timestamp") && (strings.Contains(d, "now()") || strings.Contains(d, "current_timestamp") || strings.Contains(d, "timezone("))
}

// Quote quotes a name where SQL needs it.
func Quote(name string) string {
	if plainName(name) && !reserved[name] {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// QuoteAll quotes names, with commas between them.
func QuoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = Quote(name)
	}
	return strings.Join(quoted, ", ")
}

func plainName(name string) bool {
	for i, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z' || c == '_' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return name != ""
}

// Closest returns the tables of the schemas that people use whose names are nearest to one that is not there.
func (c *Catalog) Closest(schema, name string) (names []string) {
	type near struct {
		name string
		at   int
	}
	var all []near
	for _, table := range c.Tables {
		if table.Schema == schema && !table.Partition {
			all = append(all, near{table.String(), common(table.Name, name)})
		}
	}
	slices.SortStableFunc(all, func(a, b near) int { return cmp.Compare(b.at, a.at) })
	for _, n := range all[:min(len(all), 5)] {
		names = append(names, n.name)
	}
	return names
}

// common counts the characters with which both names begin.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
