package tablegen

import (
	"fmt"
	"slices"
	"strings"

	"usergraph/internal/catalog"
)

// Existing returns a migration that makes a table in an empty database as it is in one that has it, and changes nothing
// there: so that tests and `dev` have it. It has columns, key, checks, indexes, policies and the grants of the API's roles.
// refusedBy returns why PostgreSQL refuses SQL: what it refuses becomes a comment, and is among byHand.
func Existing(table *catalog.Table, refusedBy func(sql string) error) (migration string, byHand []string) {
	done := ""
	var body strings.Builder
	add := func(statement string) {
		err := refusedBy(done + statement + "\n")
		if err == nil {
			done += statement + "\n"
			body.WriteString(indent(statement, "    "))
			return
		}
		why := strings.ReplaceAll(err.Error(), "\n", " ")
		byHand = append(byHand, fmt.Sprintf("supabase/migrations: PostgreSQL refuses a part of %s: %s", table, why))
		body.WriteString("    -- Finish by hand, since PostgreSQL refuses it: " + why + "\n" + indent(statement, "    -- "))
	}
	for _, statement := range statements(table) {
		add(statement)
	}
	return fmt.Sprintf("-- The table %s as it was when this project began, for tests, `dev` and `supabase start`. A database that has it keeps it:\n"+
		"-- nothing is changed there. Your own migrations that make the table can take the place of this file.\n"+
		"do $existing$\nbegin\n    if to_regclass(%s) is not null then\n        return;\n    end if;\n%send;\n$existing$;\n", table, quoteText(table.SQL()), body.String()), byHand
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(text, "\n", "\n"+by) + "\n"
}

// statements are the SQL that makes a table.
func statements(t *catalog.Table) (all []string) {
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	name := t.SQL()
	if t.Schema != "public" {
		add("create schema if not exists %s;", catalog.Quote(t.Schema))
		for _, role := range t.Usage {
			add("grant usage on schema %s to %s;", catalog.Quote(t.Schema), role)
		}
	}
	for _, c := range t.Columns {
		create := fmt.Sprintf("create type %s as enum (%s);", strings.TrimSuffix(typeOf(&c), "[]"), labels(c.Enum))
		if c.Kind == "enum" && !slices.Contains(all, create) {
			all = append(all, create)
		}
	}
	var lines, later []string
	for _, c := range t.Columns {
		line := column(t, &c)
		// A type of an extension may not be here: the other columns can do without it.
		if c.Kind != "enum" && strings.Contains(typeOf(&c), ".") && !slices.Contains(t.PrimaryKey, c.Name) {
			later = append(later, fmt.Sprintf("alter table %s add column %s;", name, line))
			continue
		}
		lines = append(lines, line)
	}
	add("create table %s (\n    %s\n);", name, strings.Join(lines, ",\n    "))
	all = append(all, later...)
	for _, c := range t.Columns {
		if c.Default != "" && !c.Generated {
			add("alter table %s alter column %s set default %s;", name, catalog.Quote(c.Name), c.Default)
		}
	}
	for _, check := range t.Checks {
		add("alter table %s add check (%s);", name, check)
	}
	for _, index := range t.Indexes {
		if index.Partial || slices.Contains(index.Columns, "") || slices.Equal(index.Columns, t.PrimaryKey) {
			continue
		}
		unique := ""
		if index.Unique {
			unique = "unique "
		}
		add("create %sindex on %s (%s);", unique, name, catalog.QuoteAll(index.Columns))
	}
	if t.Comment != "" {
		add("comment on table %s is %s;", name, quoteText(t.Comment))
	}
	for _, c := range t.Columns {
		if c.Comment != "" {
			add("comment on column %s.%s is %s;", name, catalog.Quote(c.Name), quoteText(c.Comment))
		}
	}
	if t.RLS {
		add("alter table %s enable row level security;", name)
	}
	for _, policy := range t.Policies {
		if len(policy.Roles) == 0 {
			continue // for roles that no caller has
		}
		text := fmt.Sprintf("create policy %s on %s", catalog.Quote(policy.Name), name)
		if !policy.Permissive {
			text += " as restrictive"
		}
		text += fmt.Sprintf(" for %s to %s", policy.Command, strings.Join(policy.Roles, ", "))
		if policy.Using != "" {
			text += "\n    using (" + policy.Using + ")"
		}
		if policy.Check != "" {
			text += "\n    with check (" + policy.Check + ")"
		}
		add("%s;", text)
	}
	add("revoke all on %s from anon, authenticated;", name)
	for _, role := range catalog.Roles {
		for _, command := range []string{"select", "insert", "update"} {
			var granted []string
			for _, c := range t.Columns {
				if c.May(role, command) {
					granted = append(granted, c.Name)
				}
			}
			switch len(granted) {
			case 0:
			case len(t.Columns):
				add("grant %s on %s to %s;", command, name, role)
			default:
				add("grant %s (%s) on %s to %s;", command, catalog.QuoteAll(granted), name, role)
			}
		}
		if slices.Contains(t.Delete, role) {
			add("grant delete on %s to %s;", name, role)
		}
	}
	return all
}

// column is a column's definition, without a default.
func column(t *catalog.Table, c *catalog.Column) string {
	text := catalog.Quote(c.Name) + " " + typeOf(c)
	if slices.Equal(t.PrimaryKey, []string{c.Name}) {
		text += " primary key"
	} else if c.NotNull {
		text += " not null"
	}
	switch {
	case c.IdentityAlways:
		text += " generated always as identity"
	case c.Identity:
		text += " generated by default as identity"
	case c.Generated:
		text += " generated always as (" + c.Default + ") stored"
	}
	for _, key := range t.ForeignKeys {
		if slices.Equal(key.Columns, []string{c.Name}) && key.Schema == "auth" && key.Table == "users" {
			text += " references auth.users (" + catalog.QuoteAll(key.References) + ") on delete cascade"
		}
	}
	return text
}

// typeOf returns the type of a column, of a domain the type below it.
func typeOf(c *catalog.Column) string {
	if c.Domain {
		return c.Base
	}
	return c.Type
}

func labels(values []catalog.EnumValue) string {
	quoted := make([]string, len(values))
	for i, value := range values {
		quoted[i] = quoteText(value.Value)
	}
	return strings.Join(quoted, ", ")
}
