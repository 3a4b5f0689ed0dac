package drift

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/internal/access"
	"usergraph/internal/catalog"
)

// reads returns the fields of Query and Subscription that show rows of the model.
func (c *comparison) reads() (fields []*ast.FieldDefinition) {
	for _, root := range []*ast.Definition{c.Schema.Query, c.Schema.Subscription} {
		if root == nil {
			continue
		}
		for _, field := range root.Fields {
			if name := field.Type.Name(); name == c.model.name || name == c.model.name+"Connection" {
				fields = append(fields, field)
			}
		}
	}
	return fields
}

// ofCaller tells whether a field shows a row that nothing but the caller chooses, such as me.
func ofCaller(field *ast.FieldDefinition) bool {
	return len(field.Arguments) == 0 && !strings.HasSuffix(field.Type.Name(), "Connection")
}

// readers compares who may read by the schema with who may by policies and grants.
func (c *comparison) readers() {
	who := c.access.Select
	fields := c.reads()
	for _, field := range fields {
		public := field.Directives.ForName("public") != nil
		switch {
		case who.Who == access.Nobody:
			c.report(Error, position(field.Position)+": take the field out, or write a policy", "%s shows %s, and policies and grants let nobody read it (%s)", field.Name, c.model.name, who.Without)
		case public && !who.Anonymous:
			c.report(Error, fmt.Sprintf("%s: write @authenticated, or give anonymous callers a policy and a grant", position(field.Position)), "%s is @public, and anonymous callers may not read the table", field.Name)
		case !public && who.Anonymous && !ofCaller(field):
			c.report(Note, fmt.Sprintf("%s: write @public, or take the policy from anon", position(field.Position)), "%s is @authenticated, and anonymous callers may read the table", field.Name)
		}
	}
	if len(fields) > 0 && who.Who != access.Nobody {
		c.owner(who)
	}
	for _, role := range c.roles(fields) {
		var missing []string
		for _, f := range c.model.fields {
			if column := c.table.Column(f.column); column != nil && c.table.May(role, "select") && !column.May(role, "select") {
				missing = append(missing, catalog.Quote(f.column))
			}
		}
		if len(missing) > 0 {
			c.report(Error, fmt.Sprintf("grant select (%s) on %s to %s; or take the fields out of %s", strings.Join(missing, ", "), c.table.SQL(), role, c.place("")), "%s may not read %s, and each read asks for it", role, strings.Join(missing, ", "))
		}
	}
}

// roles returns the roles that read the model.
func (c *comparison) roles(fields []*ast.FieldDefinition) []string {
	if slices.ContainsFunc(fields, func(field *ast.FieldDefinition) bool { return field.Directives.ForName("public") != nil }) {
		return catalog.Roles
	}
	return []string{catalog.Authenticated}
}

// owner compares the owner's column of the model with that of the policies.
func (c *comparison) owner(who access.Access) {
	switch owned := who.Who == access.Owner; {
	case c.model.owner == "" && owned:
		c.report(Warning, fmt.Sprintf("%s: give the field of %s the tag usergraph:\"owner\", and its queries a Where", c.place(""), who.Column), "policies show callers the rows whose %s is theirs, and the struct has no owner", who.Column)
	case c.model.owner != "" && owned && c.model.owner != who.Column:
		c.report(Error, c.place("")+": the owner's column is "+who.Column, "policies show callers the rows whose %s is theirs, and the struct's owner is %s", who.Column, c.model.owner)
	case c.model.owner != "" && !owned && !c.owns():
		c.report(Warning, "write the policy that the schema speaks of, or take the owner out of "+c.place(""), "the struct's owner is %s, and policies let read: %s", c.model.owner, who)
	}
}

// owns reports whether some change is restricted to owners: then the struct has an owner, although others may read.
func (c *comparison) owns() bool {
	return slices.ContainsFunc([]string{"insert", "update", "delete"}, func(command string) bool {
		a := c.access.Access(command)
		return a.Who == access.Owner && a.Column == c.model.owner
	})
}

// writers compares the mutations with what policies and grants allow.
func (c *comparison) writers() {
	if c.Schema.Mutation == nil {
		return
	}
	for _, change := range []struct{ prefix, command string }{{"create", "insert"}, {"update", "update"}, {"delete", "delete"}} {
		may := c.access.Access(change.command)
		fields := c.mutations(change.prefix)
		if len(fields) == 0 && may.Who == access.Owner && c.Schema.Types[c.model.name+"Connection"] != nil {
			c.report(Note, "", "there is no %s%s, and policies let: %s", change.prefix, c.model.name, may)
		}
		for _, field := range fields {
			if may.Who == access.Nobody {
				c.report(Error, position(field.Position)+": take the mutation out, or write a policy and a grant", "%s is there, and nobody may %s (%s)", field.Name, change.command, may.Without)
				continue
			}
			c.inputs(field, change.command)
		}
	}
}

// mutations returns those that return a row of the model and whose names begin with a verb, such as updateTodo and updateMe.
func (c *comparison) mutations(verb string) (fields []*ast.FieldDefinition) {
	for _, field := range c.Schema.Mutation.Fields {
		if strings.HasPrefix(field.Name, verb) && field.Type.Name() == c.model.name {
			fields = append(fields, field)
		}
	}
	return fields
}

// inputs compares the fields of an input with the grants.
func (c *comparison) inputs(mutation *ast.FieldDefinition, command string) {
	argument := mutation.Arguments.ForName("input")
	if argument == nil {
		return
	}
	input := c.Schema.Types[argument.Type.Name()]
	if input == nil {
		return
	}
	given, required := map[string]bool{}, map[string]bool{} // columns
	for _, taken := range input.Fields {
		f, ok := c.model.field(taken.Name)
		column := c.table.Column(f.column)
		if !ok || column == nil {
			continue
		}
		given[f.column], required[f.column] = true, taken.Type.NonNull
		if !column.May(catalog.Authenticated, command) {
			c.report(Error, fmt.Sprintf("grant %s (%s) on %s to authenticated; or take %s out of %s at %s", command, catalog.Quote(column.Name), c.table.SQL(), taken.Name, input.Name, position(taken.Position)),
				"%s takes %s, and authenticated may not %s %s", mutation.Name, taken.Name, command, column.Name)
		}
	}
	for _, f := range c.model.fields {
		column := c.table.Column(f.column)
		if column == nil || given[f.column] || !column.May(catalog.Authenticated, command) || c.isSet(column) {
			continue
		}
		c.report(Note, fmt.Sprintf("%s: add the field to %s; or revoke the grant, and grant %s on the other columns", position(input.Position), input.Name, command),
			"authenticated may %s %s, and %s does not take it", command, column.Name, mutation.Name)
	}
	if command != "insert" {
		return
	}
	for i := range c.table.Columns {
		column := &c.table.Columns[i]
		needed := column.NotNull && column.Default == "" && !column.Identity && !column.Generated && column.Name != c.model.owner
		if needed && !required[column.Name] {
			c.report(Error, fmt.Sprintf("%s: add the field to %s, with !; or give the column a default", position(input.Position), input.Name), "each new row needs %s, which %s does not require", column.Name, input.Name)
		}
	}
}

// isSet reports whether clients have no say in a column: it is the key, the owner's, or PostgreSQL's own.
func (c *comparison) isSet(column *catalog.Column) bool {
	return slices.Contains(c.model.keys, column.Name) || column.Name == c.model.owner || column.Generated || column.Identity || column.IsStamp()
}

// indexes looks for the indexes that conditions, orders and owners need.
func (c *comparison) indexes() {
	if c.table.Kind != "table" {
		return
	}
	missing := func(why string, columns ...string) {
		for _, name := range columns {
			if c.table.Column(name) == nil {
				return
			}
		}
		if c.table.Indexed(columns...) {
			return
		}
		c.report(Warning, fmt.Sprintf("create index on %s (%s);", c.table.SQL(), catalog.QuoteAll(columns)), "no index begins with %s, %s", strings.Join(columns, ", "), why)
	}
	owner := c.model.owner
	if owner != "" && c.access.Select.Who == access.Owner {
		missing("by which callers' own rows are found", owner)
	} else {
		owner = ""
	}
	if filter := c.Schema.Types[c.model.name+"Filter"]; filter != nil {
		for _, condition := range filter.Fields {
			if f, ok := c.model.field(condition.Name); ok && (owner == "" || !c.table.Indexed(owner, f.column)) {
				missing("by which "+filter.Name+" looks for rows", f.column)
			}
		}
	}
	orders := c.Schema.Types[c.model.name+"Order"]
	if orders == nil {
		return
	}
	var seen []string
	for _, value := range orders.EnumValues {
		column := orderedBy(value.Name)
		if slices.Contains(seen, column) {
			continue
		}
		seen = append(seen, column)
		switch {
		case c.table.Column(column) == nil:
			c.report(Error, position(value.Position)+": take the order out", "%s orders by %s, and there is no such column", value.Name, column)
		case owner != "" && owner != column && !slices.Equal(c.table.PrimaryKey, []string{column}):
			missing("by which "+value.Name+" has rows in order", owner, column)
		default:
			missing("by which "+value.Name+" has rows in order", column)
		}
	}
}

// orderedBy returns the column that a value of an enum of orders names.
func orderedBy(value string) string {
	for _, suffix := range []string{"_NULLS_FIRST", "_NULLS_LAST", "_ASC", "_DESC"} {
		value = strings.TrimSuffix(value, suffix)
	}
	return strings.ToLower(value)
}
