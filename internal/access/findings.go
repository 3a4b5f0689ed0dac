package access

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"usergraph/internal/catalog"
)

// Finding is something to change in the database, and the SQL that changes it.
type Finding struct {
	Message string
	// SQL is one statement or more, each ended by a semicolon. It is "" where only people can decide.
	SQL string
}

// Findings returns what to change about a table that has row-level security.
func Findings(table *catalog.Table, access Table) (all []Finding) {
	all = append(all, grants(table)...)
	all = append(all, policiesOf(table, access)...)
	all = append(all, indexes(table, access)...)
	return all
}

// grants finds privileges that no policy lets callers use. PostgREST offers them, and a policy that somebody adds opens them.
func grants(table *catalog.Table) (all []Finding) {
	unused := map[string][]string{} // commands, by roles
	var roles []string
	for _, role := range catalog.Roles {
		for _, command := range Commands {
			if f, _ := policies(table, command, role); table.May(role, command) && f.op == never {
				unused[role] = append(unused[role], command)
			}
		}
		if len(unused[role]) > 0 {
			roles = append(roles, role)
		}
	}
	if len(roles) == 2 && slices.Equal(unused[roles[0]], unused[roles[1]]) {
		unused[strings.Join(roles, ", ")] = unused[roles[0]]
		roles = []string{strings.Join(roles, ", ")}
	}
	for _, role := range roles {
		from := role
		if slices.ContainsFunc(unused[role], func(command string) bool { return slices.Contains(table.ToPublic, command) }) {
			from += ", public"
		}
		all = append(all, Finding{
			fmt.Sprintf("%s may %s by their grants, and no policy lets them", role, sentenceList(unused[role])),
			fmt.Sprintf("revoke %s on %s from %s;", strings.Join(unused[role], ", "), table.SQL(), from),
		})
	}
	return all
}

// ColumnGrants finds what callers may do with other columns of a table and not with this one: a grant on some columns does
// not grow with the table. What clients do not write has no grants but select, and with readOnly no column has.
func ColumnGrants(table *catalog.Table, name string, readOnly bool) (all []Finding) {
	column := table.Column(name)
	if column == nil {
		return nil
	}
	for _, role := range catalog.Roles {
		var commands, grants []string
		for _, command := range []string{"select", "insert", "update"} {
			if f, _ := policies(table, command, role); f.op == never || !table.May(role, command) || column.May(role, command) {
				continue
			}
			if command != "select" && (readOnly || role == catalog.Anonymous || column.Generated || column.Identity || column.IsStamp()) {
				continue
			}
			commands, grants = append(commands, command), append(grants, command+" ("+catalog.Quote(name)+")")
		}
		if len(grants) > 0 {
			all = append(all, Finding{
				fmt.Sprintf("%s may %s other columns, and not %s", role, sentenceList(commands), name),
				fmt.Sprintf("grant %s on %s to %s;", strings.Join(grants, ", "), table.SQL(), role),
			})
		}
	}
	return all
}

func sentenceList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

var (
	onceAStatement = regexp.MustCompile(`\( SELECT auth\.(?:uid|jwt|role|email)\(\)(?: AS \w+)?\)`)
	onceARow       = regexp.MustCompile(`\bauth\.(?:uid|jwt|role|email)\(\)`)
)

// onceForAll writes calls that PostgreSQL makes for every row so that it makes them once.
// https://supabase.com/docs/guides/database/postgres/row-level-security#call-functions-with-select
func onceForAll(expression string) (rewritten string, changed bool) {
	var b strings.Builder
	rest := expression
	for {
		whole, call := onceAStatement.FindStringIndex(rest), onceARow.FindStringIndex(rest)
		switch {
		case call == nil:
			return b.String() + rest, changed
		case whole != nil && whole[0] < call[0]:
			b.WriteString(rest[:whole[1]])
			rest = rest[whole[1]:]
		case strings.HasSuffix(strings.TrimRight(rest[:call[0]], " (\n"), "SELECT"):
			b.WriteString(rest[:call[1]]) // a part of a query of its own, such as (select auth.jwt() ->> 'sub')
			rest = rest[call[1]:]
		default:
			b.WriteString(rest[:call[0]] + "(select " + rest[call[0]:call[1]] + ")")
			rest, changed = rest[call[1]:], true
		}
	}
}

// policiesOf finds policies that are slower, or say less, than they could.
func policiesOf(table *catalog.Table, access Table) (all []Finding) {
	for _, policy := range table.Policies {
		if len(policy.Roles) == 0 {
			continue
		}
		name := fmt.Sprintf("alter policy %s on %s", quotePolicy(policy.Name), table.SQL())
		using, slowUsing := onceForAll(policy.Using)
		check, slowCheck := onceForAll(policy.Check)
		clause := ""
		if slowUsing {
			clause += " using (" + clean(using) + ")"
		}
		if slowCheck {
			clause += " with check (" + clean(check) + ")"
		}
		if clause != "" {
			all = append(all, Finding{fmt.Sprintf("policy %q calls %s for every row, and not once a statement", policy.Name, onceARow.FindString(onceAStatement.ReplaceAllString(policy.Using+policy.Check, ""))), name + clause + ";"})
		}
		if policy.Command == "update" && policy.Check == "" && table.May(catalog.Authenticated, "update") {
			all = append(all, Finding{fmt.Sprintf("policy %q has no WITH CHECK; PostgreSQL takes USING for it, which the next reader may not know", policy.Name), name + " with check (" + clean(using) + ");"})
		}
	}
	if access.Update.Who == Owner && access.Update.Check != "" {
		all = append(all, Finding{fmt.Sprintf("an owner may give rows away: after an update, the policies ask of a row no more than %s", access.Update.Check), ""})
	}
	return all
}

func quotePolicy(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// indexes finds columns that lists look for and no index begins with.
func indexes(table *catalog.Table, access Table) (all []Finding) {
	if table.Kind != "table" {
		return nil
	}
	var seen []string
	missing := func(why string, columns ...string) {
		if key := strings.Join(columns, "\x00"); table.Indexed(columns...) || slices.Contains(seen, key) {
			return
		} else {
			seen = append(seen, key)
		}
		all = append(all, Finding{why, fmt.Sprintf("create index on %s (%s);", table.SQL(), catalog.QuoteAll(pageIndex(table, columns)))})
	}
	for _, command := range Commands {
		if a := access.Access(command); a.Who == Owner || a.Who == Member {
			missing(fmt.Sprintf("no index begins with %s, so that each list reads all rows", a.Column), a.Column)
		}
	}
	if a, created := access.Select, table.Created(); a.Who == Owner && created != nil && table.Indexed(a.Column) {
		missing(fmt.Sprintf("no index begins with %s and %s, so that a list cannot begin with the newest", a.Column, created.Name), a.Column, created.Name)
	}
	for _, key := range table.ForeignKeys {
		missing(fmt.Sprintf("no index begins with %s, which refers to %s: a list of what refers to a row reads all rows, and so does a delete there", strings.Join(key.Columns, ", "), key.Table), key.Columns...)
	}
	return all
}

// pageIndex returns the columns of an index by which pages are read: the newest first, if rows say when they were made.
func pageIndex(table *catalog.Table, columns []string) []string {
	all := slices.Clone(columns)
	if c := table.Created(); c != nil && !slices.Contains(all, c.Name) {
		all = append(all, c.Name)
	}
	for _, key := range table.PrimaryKey {
		if !slices.Contains(all, key) {
			all = append(all, key)
		}
	}
	return all
}
