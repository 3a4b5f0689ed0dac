// Package access answers one question: who may do what with the rows of a table?
//
// It reads the policies and the grants of a table. It never says that callers may do more than the database lets them: a
// policy that it does not understand is Custom.
package access

import (
	"fmt"
	"slices"
	"strings"

	"usergraph/internal/catalog"
)

// Who says whose rows an operation reaches.
type Who string

// The kinds of access.
const (
	Nobody    Who = "nobody"
	Owner     Who = "owner"     // signed-in users, rows that hold their id
	Member    Who = "member"    // signed-in users, rows of what they are members of
	SignedIn  Who = "signed-in" // signed-in users, all rows
	Everybody Who = "everybody" // all callers, all rows
	Custom    Who = "custom"    // what the policies say, in words that are not understood
)

// Access says who may do one thing.
type Access struct {
	Who Who
	// Column is the column that Owner and Member speak of, Of the table of members.
	Column string
	Of     Membership
	// Condition is what must hold besides, "" if nothing must. Of Custom, it is the whole expression.
	Condition string
	// Anonymous reports whether callers without a token may do it, under the Condition. It is true of Everybody.
	Anonymous bool
	// Policies are the names of the policies that it follows from.
	Policies []string
	// Without says what is missing, if nobody may: "no policy" or "no grant".
	Without string
	// Check is what an update's new row must be, if it may be another's than the old one. "" if it may not.
	Check string
}

// Table is who may do what with the rows of a table.
type Table struct{ Select, Insert, Update, Delete Access }

// Commands are what can be done with rows, in the order in which people speak of it.
var Commands = []string{"select", "insert", "update", "delete"}

// Access returns who may do a command.
func (t Table) Access(command string) Access {
	switch command {
	case "insert":
		return t.Insert
	case "update":
		return t.Update
	case "delete":
		return t.Delete
	}
	return t.Select
}

// Of reads the policies and grants of a table that has row-level security.
func Of(table *catalog.Table) Table {
	t := Table{Select: of(table, "select"), Insert: of(table, "insert"), Update: of(table, "update"), Delete: of(table, "delete")}
	// An update and a delete look for their rows, which the caller must see.
	for _, changed := range []*Access{&t.Update, &t.Delete} {
		if changed.Who != Nobody && t.Select.Who == Nobody {
			*changed = Access{Who: Nobody, Without: "its rows cannot be read"}
		}
	}
	return t
}

// of returns who may do a command.
func of(table *catalog.Table, command string) Access {
	var named []string
	formulas := map[string]formula{}
	granted := false
	for _, role := range catalog.Roles {
		formulas[role] = formula{op: never}
		if !table.May(role, command) {
			continue
		}
		granted = true
		f, names := policies(table, command, role)
		formulas[role] = f
		for _, name := range names {
			if !slices.Contains(named, name) {
				named = append(named, name)
			}
		}
	}
	access := combine(formulas[catalog.Anonymous], formulas[catalog.Authenticated])
	access.Policies = named
	switch {
	case access.Who == Nobody && !granted:
		access.Without = "no grant"
	case access.Who == Nobody:
		access.Without = "no policy"
	}
	if access.Who == Nobody {
		access.Policies = nil
	}
	if command == "update" && access.Who != Nobody {
		access.Check = newRow(table, access)
	}
	return access
}

// policies returns what the policies of a command say of a role's callers, and their names.
func policies(table *catalog.Table, command, role string) (formula, []string) {
	var names []string
	var permissive, restrictive []formula
	for _, policy := range table.Policies {
		if !applies(policy, command, role) || stopsAgents(policy) { // users are asked about, not their agents
			continue
		}
		f := read(expression(policy, command), table).as(role)
		if !policy.Permissive {
			restrictive = append(restrictive, f)
			names = append(names, policy.Name)
		} else if f.op != never {
			permissive = append(permissive, f)
			names = append(names, policy.Name)
		}
	}
	if len(permissive) == 0 {
		return formula{op: never}, nil
	}
	return join(and, append([]formula{join(or, permissive...)}, restrictive...)...), names
}

// applies reports whether a policy is for a command of a role's callers.
func applies(policy catalog.Policy, command, role string) bool {
	return (policy.Command == command || policy.Command == "all") && slices.Contains(policy.Roles, role)
}

// expression returns what a policy asks of the rows of a command: of an insert's new rows, of the present rows else. A
// policy without WITH CHECK asks of new rows what it asks of present ones.
// https://www.postgresql.org/docs/current/sql-createpolicy.html
func expression(policy catalog.Policy, command string) string {
	if command == "insert" && policy.Check != "" || policy.Using == "" {
		return policy.Check
	}
	return policy.Using
}

// newRow returns what the policies say of the row after an update, if they let an update give it to somebody else.
func newRow(table *catalog.Table, before Access) string {
	var permissive, restrictive []formula
	for _, policy := range table.Policies {
		if !applies(policy, "update", catalog.Authenticated) || stopsAgents(policy) {
			continue
		}
		f := read(expression(policy, "insert"), table).as(catalog.Authenticated)
		if policy.Permissive {
			permissive = append(permissive, f)
		} else {
			restrictive = append(restrictive, f)
		}
	}
	after := join(and, append([]formula{join(or, permissive...)}, restrictive...)...)
	if combined := combine(formula{op: never}, after); combined.Who == before.Who && combined.Column == before.Column && combined.Of == before.Of {
		return ""
	}
	return after.String()
}

// combine returns the access of what the two roles may do.
func combine(anonymous, authenticated formula) Access {
	access := single(authenticated)
	switch {
	case anonymous.op == never:
	case anonymous.op == always && authenticated.op == always:
		access.Who, access.Anonymous = Everybody, true
	case anonymous.equal(authenticated):
		access.Anonymous = true
	default:
		// Callers without a token may do something else, or more, than users.
		access = Access{Who: Custom, Anonymous: true, Condition: fmt.Sprintf("signed in: %s; anonymous: %s", authenticated, anonymous)}
	}
	return access
}

// single returns the access of what signed-in users may do.
func single(f formula) Access {
	switch f.op {
	case always:
		return Access{Who: SignedIn}
	case never:
		return Access{Who: Nobody}
	case owner:
		return Access{Who: Owner, Column: f.column}
	case member:
		return Access{Who: Member, Column: f.column, Of: f.of}
	case and:
		// One part says whose rows, all others are conditions.
		whose := slices.IndexFunc(f.parts, func(part formula) bool { return part.op == owner })
		if whose < 0 {
			whose = slices.IndexFunc(f.parts, func(part formula) bool { return part.op == member })
		}
		if whose >= 0 {
			access := single(f.parts[whose])
			rest := slices.Delete(slices.Clone(f.parts), whose, whose+1)
			access.Condition = join(and, rest...).String()
			return access
		}
	}
	return Access{Who: Custom, Condition: f.String()}
}

// String says who may, as part of a sentence.
func (a Access) String() string {
	var text string
	switch a.Who {
	case Nobody:
		if a.Without != "" {
			return "nobody (" + a.Without + ")"
		}
		return "nobody"
	case Owner:
		text = "signed-in users, their own rows"
	case Member:
		text = "signed-in users, rows of what they are members of"
	case SignedIn:
		text = "signed-in users, all rows"
	case Everybody:
		text = "everybody, all rows"
	case Custom:
		text = "signed-in users"
		if a.Anonymous {
			text = "everybody"
		}
		text += ", rows for which " + a.Condition
	}
	if a.Condition != "" && a.Who != Custom {
		text += " for which " + a.Condition
	}
	var because []string
	if len(a.Policies) > 0 {
		word := "policy "
		if len(a.Policies) > 1 {
			word = "policies "
		}
		quoted := make([]string, len(a.Policies))
		for i, name := range a.Policies {
			quoted[i] = `"` + name + `"`
		}
		because = append(because, word+strings.Join(quoted, ", "))
	}
	switch a.Who {
	case Owner:
		because = append(because, "owner "+a.Column)
	case Member:
		because = append(because, fmt.Sprintf("%s by %s.%s", a.Column, a.Of.Table, a.Of.User))
	}
	if len(because) > 0 {
		text += " (" + strings.Join(because, ", ") + ")"
	}
	return text
}
