// Package tablegen answers one question: what would a team member write for a table?
//
// NewPlan decides names, types, fields, relations and operations from what the catalog and the policies say. Files writes
// them down, from the forms in templates. What it writes is the team's from then on, and never written again.
package tablegen

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/internal/access"
	"usergraph/internal/catalog"
)

// Options are what a caller of add asks for.
type Options struct {
	// As is the name of the type, in words: "Task". It follows from the table's name if it is "".
	As string
	// Columns are the columns to take. All if it is empty; the key and the owner's column are always among them.
	Columns []string
	// ReadOnly leaves out the mutations.
	ReadOnly bool
	// Last adds the arguments last and before to lists, TotalCount the field totalCount.
	Last, TotalCount bool
	// Newest names a field that shows the newest row of what a page shows: "User.subscription".
	Newest string
	// Key names the key of a view, and Who the owner's column, or "everybody", or "signed-in".
	Key []string
	Who string
}

// Model is a bun model that the project has already.
type Model struct {
	// Name is the name of the struct and of the GraphQL type.
	Name          string
	Schema, Table string
	Alias         string
	// Columns are the columns of its fields, Keys those of its key, and Owner the owner's or "".
	Columns, Keys []string
	Owner         string
}

// Project is what the project has already.
type Project struct {
	// Module is the project's module path, Engine that of the engine.
	Module, Engine string
	// Schema is the GraphQL schema, and Models are the models of its types.
	Schema *ast.Schema
	Models []Model
	// Elsewhere are the fields of the type that other files of the schema give it, and Keys are the columns of its key in the
	// order of the struct, where Without has taken it out.
	Elsewhere, Keys []string
}

// Plan is what to write for a table.
type Plan struct {
	Options
	Project Project
	Table   *catalog.Table
	Access  access.Table

	// Entity is the name of the type, Todo. One and Many are the names of its fields, todo and todos; Entities is that of the
	// list in Go. Noun and Nouns are words for descriptions, ANoun begins with an article.
	Entity, Entities   string
	One, Many          string
	Noun, Nouns, ANoun string
	Alias              string
	Fields             []*Field // of the struct, in the table's order; those of the key among them in the key's order
	Keys               []*Field // in the key's order
	Owner              *Field   // holds the owner's id; nil if rows have no owner
	Enums              []Enum
	Filters            []*Field
	Orders             []Order
	Relations          []Relation
	LeftOut            []LeftOut
	// Create, Update and Delete report whether there are such mutations.
	Create, Update, Delete bool
	// only is the column that a test is for, nil for all.
	only *Field
	// Undescribed are the columns without a comment, whose descriptions are made of their names.
	Undescribed []string
}

// LeftOut is a column, or an operation, that the API does not get.
type LeftOut struct{ What, Why string }

// Field is a field of the struct.
type Field struct {
	Column  *catalog.Column
	Go      string // the name of the struct's field
	GraphQL string
	GoType  string // without the pointer of what may be null
	Type    string // the GraphQL type, without !
	Filter  string // the type of its conditions, "" if there are none
	IsKey   bool
	IsOwner bool
	// Shown reports whether the type has the field; Created and Updated whether the inputs do.
	Shown, Created, Updated bool
	// Foreign is the key that the column is part of, nil if of none.
	Foreign     *catalog.ForeignKey
	Description string
	Enum        *Enum
	sample      func(n int) (sql, graphQL, json string)
}

// Order is a value of the enum of orders.
type Order struct{ Name, Description string }

// Enum is an enum that the API does not have yet.
type Enum struct {
	Name, Type string // in GraphQL, and in PostgreSQL
	Values     []EnumValue
	// Lower reports whether all labels are their GraphQL names in lower case.
	Lower bool
	// Known reports whether the API has the enum already.
	Known bool
}

// EnumValue is a value of an enum: its name in GraphQL, and its label in PostgreSQL.
type EnumValue struct{ Name, Label string }

// NewPlan decides what to write for a table. It refuses a table that has no safe or no meaningful answer, with the reason
// and the SQL that changes it.
func NewPlan(project Project, database *catalog.Catalog, table *catalog.Table, options Options) (*Plan, error) {
	p := &Plan{Options: options, Project: project, Table: table}
	if err := p.checkTable(); err != nil {
		return nil, err
	}
	if err := p.name(); err != nil {
		return nil, err
	}
	if err := p.access(); err != nil {
		return nil, err
	}
	if err := p.fields(); err != nil {
		return nil, err
	}
	p.nameForeignKeys()
	p.operations()
	p.filters()
	p.orders()
	p.relations(database)
	if err := p.newest(); err != nil {
		return nil, err
	}
	p.hideForeignKeys()
	return p, p.checkNames()
}

// checkTable refuses what has no key, no row-level security, or is not to be read by callers.
func (p *Plan) checkTable() error {
	t := p.Table
	switch {
	case t.Partition:
		return fmt.Errorf("%s is a partition: add the table that it is a part of", t)
	case t.IsView() && (len(p.Key) == 0 || p.Who == ""):
		return fmt.Errorf("%s is a %s, which has no key and no policies: say which columns are its key, and whose its rows are, with "+
			"--key COLUMNS and --who COLUMN (the owner's), --who signed-in or --who everybody", t, t.Kind)
	case !t.IsView() && (len(p.Key) > 0 || p.Who != ""):
		return fmt.Errorf("%s is a %s: its key and its policies say what --key and --who would", t, t.Kind)
	case t.IsView() && !t.SecurityInvoker && t.Kind == "view":
		return fmt.Errorf("the view %s reads with the rights of its owner, so that row-level security does not hold:\n  alter view %s set (security_invoker = true);", t, t.SQL())
	case t.Kind == "materialized view" && p.Who != "everybody" && p.Who != "signed-in":
		return fmt.Errorf("%s is a materialized view, which has no row-level security: only --who everybody and --who signed-in are possible", t)
	case !t.IsView() && !t.RLS:
		return fmt.Errorf("%s has no row-level security: whoever may use it sees all rows. Turn it on, and write the policies:\n%s", t, turnOn(t))
	case !t.IsView() && len(t.PrimaryKey) == 0:
		return fmt.Errorf("%s has no primary key, so its rows have no id and no order:\n  alter table %s add column id bigint generated by default as identity primary key;", t, t.SQL())
	case strings.ContainsAny(t.Schema+t.Name, "\"'`\\,:.;?"):
		return fmt.Errorf("%s has a name that bun's tags cannot hold: rename it, or make a view of it", t.SQL())
	}
	if model, ok := p.Project.ModelFor(t); ok {
		return fmt.Errorf("%s is there already, as %s", t, model.Name)
	}
	return nil
}

// turnOn returns the SQL that turns row-level security on, with the policy that most tables want.
func turnOn(t *catalog.Table) string {
	text := fmt.Sprintf("  alter table %s enable row level security;", t.SQL())
	if owner := likelyOwner(t); owner != "" {
		text += fmt.Sprintf("\n  create policy \"own %s\" on %s for all to authenticated\n    using ((select auth.uid()) = %[3]s) with check ((select auth.uid()) = %[3]s);", t.Name, t.SQL(), catalog.Quote(owner))
	}
	return text
}

// likelyOwner returns the column that refers to users, "" if none or more than one does.
func likelyOwner(t *catalog.Table) (owner string) {
	for _, key := range t.ForeignKeys {
		if len(key.Columns) == 1 && key.Table == "users" {
			if owner != "" {
				return ""
			}
			owner = key.Columns[0]
		}
	}
	return owner
}

// methods are names of gqlgen's and the engine's in a resolver.
var methods = []string{"Query", "Mutation", "Subscription", "Resolver", "Engine", "As", "Reader"}

// name decides the names of the type and its fields.
func (p *Plan) name() error {
	named := words(cmp.Or(p.As, p.Table.Name))
	if len(named) == 0 {
		return fmt.Errorf("no name of a type can be made of %q: give it one with --as Name", cmp.Or(p.As, p.Table.Name))
	}
	one := singular(named)
	p.Entity, p.Noun, p.ANoun = typeName(one), phrase(one), withArticle(one)
	p.One = graphQLName(one)
	many := plural(one)
	if slices.Equal(many, one) {
		many = append(slices.Clone(one), "list")
	}
	p.Many, p.Entities, p.Nouns = graphQLName(many), goName(graphQLName(many)), phrase(plural(one))
	if p.Entity == "" || !isLetter(p.Entity[0]) {
		return fmt.Errorf("no name of a type can be made of %q: give it one with --as Name", cmp.Or(p.As, p.Table.Name))
	}
	p.Alias = aliasOf(one, func(alias string) bool { return catalog.Quote(alias) != alias })
	if slices.Contains(methods, p.Entity) {
		return fmt.Errorf("%s cannot be the name of a type: give it another with --as Name", p.Entity)
	}
	return nil
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// checkNames refuses names that the schema has already.
func (p *Plan) checkNames() error {
	schema := p.Project.Schema
	for _, name := range []string{p.Entity, p.Entity + "Connection", p.Entity + "Edge", p.Entity + "Order", p.Entity + "Filter", "Create" + p.Entity + "Input", "Update" + p.Entity + "Input"} {
		if schema.Types[name] != nil {
			return fmt.Errorf("the schema has a type %s already: give the table another name with --as Name", name)
		}
	}
	for root, fields := range map[*ast.Definition][]string{
		schema.Query: {p.One, p.Many}, schema.Mutation: {"create" + p.Entity, "update" + p.Entity, "delete" + p.Entity},
		schema.Subscription: {p.Many},
	} {
		for _, field := range fields {
			if root != nil && root.Fields.ForName(field) != nil {
				return fmt.Errorf("%s has a field %s already: give the table another name with --as Name", root.Name, field)
			}
		}
	}
	return nil
}

// access reads who may do what, and finds the owner's column.
func (p *Plan) access() error {
	if p.Table.IsView() {
		p.Access.Insert, p.Access.Update, p.Access.Delete = access.Access{Who: access.Nobody}, access.Access{Who: access.Nobody}, access.Access{Who: access.Nobody}
		switch p.Who {
		case "everybody":
			p.Access.Select = access.Access{Who: access.Everybody, Anonymous: true}
		case "signed-in":
			p.Access.Select = access.Access{Who: access.SignedIn}
		default:
			if p.Table.Column(p.Who) == nil {
				return fmt.Errorf("%s has no column %s: --who takes the owner's column, signed-in or everybody", p.Table, p.Who)
			}
			p.Access.Select = access.Access{Who: access.Owner, Column: p.Who}
		}
		if role := catalog.Authenticated; !p.Table.May(role, "select") {
			return fmt.Errorf("signed-in users may not read %s:\n  grant select on %s to %s;", p.Table, p.Table.SQL(), role)
		}
		return nil
	}
	p.Access = access.Of(p.Table)
	if p.Access.Select.Who == access.Nobody {
		return fmt.Errorf("nobody may read %s (%s), so that there is nothing to show", p.Table, p.Access.Select.Without)
	}
	return nil
}

// ownerColumn returns the column that holds the owner of rows, "" if rows have none.
func (p *Plan) ownerColumn() string {
	for _, command := range access.Commands {
		if a := p.Access.Access(command); a.Who == access.Owner {
			return a.Column
		}
	}
	return ""
}

// Owned reports whether a command is restricted to the caller's own rows by the owner's column.
func (p *Plan) Owned(command string) bool {
	a := p.Access.Access(command)
	return a.Who == access.Owner && p.Owner != nil && a.Column == p.Owner.Column.Name
}

// Public reports whether anonymous callers may read rows.
func (p *Plan) Public() bool { return p.Access.Select.Anonymous }

// fields decides the fields of the struct.
func (p *Plan) fields() error {
	keys := p.Table.PrimaryKey
	switch there := p.Project.Keys; {
	case p.Table.IsView():
		keys = p.Key
	case len(there) == len(keys) && hasAll(there, keys):
		keys = there // ids and relations are in the order of the struct
	}
	owner := p.ownerColumn()
	for _, name := range p.Columns {
		if p.Table.Column(name) == nil {
			return fmt.Errorf("%s has no column %s", p.Table, name)
		}
	}
	taken := map[string]string{}
	for i := range p.Table.Columns {
		column := &p.Table.Columns[i]
		needed := slices.Contains(keys, column.Name) || column.Name == owner
		if len(p.Columns) > 0 && !needed && !slices.Contains(p.Columns, column.Name) {
			continue
		}
		field, err := p.field(column)
		if err == nil {
			if other, ok := taken[strings.ToLower(field.Go)]; ok {
				err = fmt.Errorf("the column %s has its name, %s", other, field.GraphQL)
			}
		}
		if err != nil && needed {
			return fmt.Errorf("%s cannot be added: its column %s is left out: %w", p.Table, column.Name, err)
		}
		if err != nil {
			p.LeftOut = append(p.LeftOut, LeftOut{column.Name, err.Error()})
			continue
		}
		taken[strings.ToLower(field.Go)] = column.Name
		field.IsOwner = column.Name == owner
		p.Fields = append(p.Fields, field)
		if field.IsOwner {
			p.Owner = field
		}
	}
	for _, name := range keys {
		at := slices.IndexFunc(p.Fields, func(field *Field) bool { return field.Column.Name == name })
		if at < 0 {
			return fmt.Errorf("%s has no column %s to be its key", p.Table, name)
		}
		field := p.Fields[at]
		if !keyTypes[field.GoType] || field.Enum != nil && !field.Enum.Lower {
			return fmt.Errorf("%s cannot be added: its key %s is %s, and ids are made of uuid, bigint, integer, smallint and text", p.Table, name, field.Column.Type)
		}
		field.IsKey = true
		p.Keys = append(p.Keys, field)
	}
	// The order of the struct is that of ids, of the columns of relations, and of lists, which the key's index has in order.
	next := 0
	for i, field := range p.Fields {
		if field.IsKey {
			p.Fields[i] = p.Keys[next]
			next++
		}
	}
	if p.Owner != nil && p.Owner.GoType != "uuid.UUID" {
		return fmt.Errorf("%s cannot be added: its owner's column %s is %s, and the ids of users are uuid", p.Table, owner, p.Owner.Column.Type)
	}
	p.nameKeys()
	return nil
}

// nameKeys gives the key the name id. The id of a key of several columns is a method, whose name no field may have.
func (p *Plan) nameKeys() {
	if len(p.Keys) == 1 {
		for _, field := range p.Fields {
			if field.Go == "ID" && !field.IsKey {
				field.Go, field.GraphQL = "RowID", "rowId"
			}
		}
		p.Keys[0].Go, p.Keys[0].GraphQL = "ID", "id"
		return
	}
	for _, field := range p.Fields {
		if field.Go == "ID" {
			field.Go, field.GraphQL = "RowID", "rowId"
		}
	}
}

// field decides the names and the types of a column. The error says why the API does not get it.
func (p *Plan) field(column *catalog.Column) (*Field, error) {
	name := graphQLName(words(column.Name))
	f := &Field{Column: column, GraphQL: name, Go: goName(name)}
	switch {
	case name == "" || f.Go == "" || !isLetter(f.Go[0]):
		return nil, errors.New("GraphQL takes no name made of it: names begin with a letter")
	case strings.ContainsAny(column.Name, "\"'`\\,:;?"):
		return nil, errors.New("bun's tags cannot hold its name")
	case f.Go == "BaseModel" || f.Go == "AfterScanRow" || f.Go == "BeforeAppendModel":
		return nil, errors.New("bun has its name")
	}
	for _, role := range p.readers() {
		if !column.May(role, "select") {
			return nil, fmt.Errorf("%s may not read it", role)
		}
	}
	if column.Kind == "enum" {
		if err := p.enum(f); err != nil {
			return nil, err
		}
	} else {
		found, ok := kindOf(column)
		if !ok || column.Kind != "base" {
			return nil, errors.New(leftOut(column))
		}
		f.GoType, f.Type, f.Filter, f.sample = found.goType, found.graphQL, found.filter, found.sample
	}
	if column.Element != "" {
		f.GoType, f.Type, f.Filter = "[]"+f.GoType, "["+f.Type+"!]", ""
		f.sample = func(int) (string, string, string) { return "'{}'", "[]", "[]" }
	}
	f.Description = describe(column)
	if column.Comment == "" && f.Go != "ID" {
		p.Undescribed = append(p.Undescribed, column.Name)
	}
	for i, key := range p.Table.ForeignKeys {
		if slices.Contains(key.Columns, column.Name) && (f.Foreign == nil || len(key.Columns) < len(f.Foreign.Columns)) {
			f.Foreign = &p.Table.ForeignKeys[i]
		}
	}
	return f, nil
}

// readers are the roles that the struct's columns are read as.
func (p *Plan) readers() []string {
	if p.Public() {
		return catalog.Roles
	}
	return []string{catalog.Authenticated}
}

// Null reports whether the field may be null.
func (f *Field) Null() bool { return !f.Column.NotNull && !f.IsKey }

// HasDefault reports whether a new row needs no value for the field.
func (f *Field) HasDefault() bool { return f.Column.Default != "" || f.Column.Identity || f.Null() }

// operations decides the mutations and the fields of their inputs.
func (p *Plan) operations() {
	for _, f := range p.Fields {
		f.Shown = !(f.IsKey && len(p.Keys) == 1) && !(f.IsOwner && p.Access.Select.Who == access.Owner)
		if f.Column.Generated || f.IsOwner || f.Column.IsStamp() || f.Column.IdentityAlways {
			continue
		}
		f.Created = f.Column.May(catalog.Authenticated, "insert") && !(f.IsKey && (f.Column.Identity || f.Column.Default != ""))
		f.Updated = f.Column.May(catalog.Authenticated, "update") && !f.IsKey
	}
	p.Create = p.may("insert")
	p.Update = p.may("update") && slices.ContainsFunc(p.Fields, func(f *Field) bool { return f.Updated })
	p.Delete = p.may("delete")
	if p.Create {
		for _, f := range p.Fields {
			if given := f.Created || f.HasDefault() || f.Column.Generated || f.IsOwner && f.Column.May(catalog.Authenticated, "insert"); !given {
				p.Create = false
				p.LeftOut = append(p.LeftOut, LeftOut{"create" + p.Entity, "authenticated may not insert " + f.Column.Name + ", which has no default"})
			}
		}
		for _, c := range p.Table.Columns {
			known := slices.ContainsFunc(p.Fields, func(f *Field) bool { return f.Column.Name == c.Name })
			if !known && c.NotNull && c.Default == "" && !c.Identity && !c.Generated {
				p.Create = false
				p.LeftOut = append(p.LeftOut, LeftOut{"create" + p.Entity, c.Name + " is left out, and has no default"})
			}
		}
	}
}

// may reports whether there is a mutation. They are for signed-in callers, whatever anonymous ones may do.
func (p *Plan) may(command string) bool {
	return !p.ReadOnly && !p.Table.IsView() && p.Access.Access(command).Who != access.Nobody && p.Table.May(catalog.Authenticated, command)
}

// SetsOwner reports whether a new row gets its owner from the program, and not by a default.
func (p *Plan) SetsOwner() bool {
	return p.Owned("insert") && p.Owner.Column.May(catalog.Authenticated, "insert")
}

// filters finds the columns that an index begins with, and those that the missing index of a foreign key would begin with.
func (p *Plan) filters() {
	for _, f := range p.Fields {
		if f.Filter == "" || f.IsKey || !f.Shown {
			continue
		}
		indexed := p.Table.Indexed(f.Column.Name) || p.Owned("select") && p.Table.Indexed(p.Owner.Column.Name, f.Column.Name)
		if indexed || slices.ContainsFunc(p.Table.ForeignKeys, func(key catalog.ForeignKey) bool {
			return key.Columns[0] == f.Column.Name && !p.Table.Indexed(key.Columns...)
		}) {
			p.Filters = append(p.Filters, f)
		}
	}
}

// orders finds the columns by which an index has the rows in order.
func (p *Plan) orders() {
	var columns []*Field
	for _, f := range p.Fields {
		ordered := f.Filter != "" && f.Foreign == nil && f.Enum == nil && f.GoType != "bool" && f.GoType != "uuid.UUID"
		if !f.Shown || !ordered || f.Column.Name != strings.ToLower(f.Column.Name) || strings.Join(words(f.Column.Name), "_") != f.Column.Name {
			continue
		}
		before := []string{f.Column.Name}
		if p.Owned("select") {
			before = []string{p.Owner.Column.Name, f.Column.Name}
		}
		if slices.ContainsFunc(p.Table.Indexes, func(index catalog.Index) bool {
			return index.Ordered && !index.Partial && len(index.Columns) >= len(before) && slices.Equal(index.Columns[:len(before)], before)
		}) {
			columns = append(columns, f)
		}
	}
	if len(p.Keys) == 1 && p.Keys[0].Column.Name == "id" && (p.Keys[0].GoType != "uuid.UUID" || len(columns) == 0) {
		columns = append(columns, p.Keys[0])
	}
	for _, f := range columns {
		up, down := "the smallest", "the greatest"
		by := "By " + phrase(words(f.Column.Name))
		if named := words(f.Column.Name); f.GoType == "rows.Date" && len(named) > 1 && named[len(named)-1] == "on" {
			by = "By " + phrase(named[:len(named)-1]) + " date"
		}
		switch f.GoType {
		case "time.Time", "rows.Date":
			up, down = "the earliest", "the latest"
		case "string":
			up, down = "A to Z", "Z to A"
		}
		nullsUp, nullsDown := "", ""
		if f.Null() {
			nullsUp, nullsDown = "; "+p.Nouns+" without one last", "; "+p.Nouns+" without one first"
		}
		if f.GoType != "string" {
			up, down = up+" first", down+" first"
		}
		name := strings.ToUpper(f.Column.Name)
		p.Orders = append(p.Orders, Order{name + "_ASC", by + ", " + up + nullsUp + "."}, Order{name + "_DESC", by + ", " + down + nullsDown + "."})
	}
}

// DefaultOrder is the order of a list that asks for none: the newest first, by the time or by a key that counts up.
func (p *Plan) DefaultOrder() string {
	var names []string
	if created := p.Table.Created(); created != nil {
		names = append(names, strings.ToUpper(created.Name)+"_DESC")
	}
	if p.Keys[0].Column.Identity || strings.HasPrefix(p.Keys[0].Column.Default, "nextval(") {
		names = append(names, "ID_DESC")
	}
	for _, name := range append(names, "ID_ASC") {
		if slices.ContainsFunc(p.Orders, func(order Order) bool { return order.Name == name }) {
			return name
		}
	}
	return p.Orders[0].Name
}

// nameForeignKeys gives columns that refer to rows the type ID, and a name that leaves theirs to the row.
func (p *Plan) nameForeignKeys() {
	for _, f := range p.Fields {
		if f.Foreign == nil || f.Column.Element != "" || !keyTypes[f.GoType] || f.IsKey && len(p.Keys) == 1 {
			continue
		}
		named := f.GraphQL + "Id"
		if !strings.HasSuffix(f.GraphQL, "Id") && !slices.ContainsFunc(p.Fields, func(f *Field) bool { return f.GraphQL == named }) {
			f.GraphQL, f.Go = named, goName(named)
		}
		f.Type, f.Filter = "ID", "IDFilter"
		old := f.sample
		f.sample = func(n int) (string, string, string) {
			sql, _, _ := old(n)
			return sql, literal(sql), literal(sql)
		}
	}
}

// hideForeignKeys hides the columns of a relation, which shows the row.
func (p *Plan) hideForeignKeys() {
	for _, f := range p.Fields {
		if slices.ContainsFunc(p.Relations, func(r Relation) bool {
			return r.Kind == BelongsTo && r.Child == p.Entity && slices.Equal(r.Columns, []string{f.Column.Name})
		}) {
			f.Shown = false
		}
	}
}
