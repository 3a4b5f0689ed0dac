package tablegen

import (
	"fmt"
	"slices"
	"strings"

	"usergraph/internal/access"
	"usergraph/internal/catalog"
)

// The kinds of relations.
const (
	BelongsTo = "belongs to" // a field shows the one row that the columns refer to
	HasOne    = "has one"    // the other way, where a unique index allows one row; or the newest row, by an order
	HasMany   = "has many"   // the other way: a page of the rows
)

// Relation is a field that shows rows of another table, or of the same one.
type Relation struct {
	Kind string
	// On is the type that has the field, To the type of what it shows. Child is the one whose Columns refer to the other.
	On, To, Child string
	OnNouns       string // in words
	ToNoun        string
	ToNouns       string
	Field         string // in GraphQL
	Func          string // in models
	Columns       []string
	// Order is that by which HasOne shows the first of several rows, "" where there is only one.
	Order string
	// Owner is the condition on the owner of what is shown, "" if there is none.
	Owner string
	// Public reports whether anonymous callers may read what is shown, Guarded whether only the field has to refuse them.
	Public, Guarded bool
	// Arguments are those of a list of what is shown.
	Arguments Arguments
	Column    *Field // the field of the struct that refers to the row, for BelongsTo of one column
}

// Arguments say what a list can be asked.
type Arguments struct {
	Nouns         string
	Last          bool
	Filter, Order string // the types of conditions and orders, "" if there are none
	Default       string // the order if none is asked for
}

// side is one of the two tables of a relation.
type side struct {
	name, noun, nouns string
	many              string // the field of a list
	alias, owner      string // owner is "" if reading is not restricted by it
	public            bool
	keys              []string
	lists             *Arguments // nil if the schema has no pages of it
	has               func(field string) bool
}

// own returns the side of the table that is added.
func (p *Plan) own() side {
	s := side{name: p.Entity, noun: p.Noun, nouns: p.Nouns, many: p.Many, alias: p.Alias, public: p.Public()}
	if p.Owned("select") {
		s.owner = p.Owner.Column.Name
	}
	for _, key := range p.Keys {
		s.keys = append(s.keys, key.Column.Name)
	}
	arguments := p.Arguments()
	s.lists = &arguments
	s.has = func(field string) bool {
		return slices.Contains(p.Project.Elsewhere, field) || slices.ContainsFunc(p.Fields, func(f *Field) bool { return f.GraphQL == field && (f.Shown || f.IsKey) }) ||
			slices.ContainsFunc(p.Relations, func(r Relation) bool { return r.On == p.Entity && r.Field == field })
	}
	return s
}

// Arguments returns what a list of the table can be asked.
func (p *Plan) Arguments() Arguments {
	a := Arguments{Nouns: p.Nouns, Last: p.Last}
	if len(p.Filters) > 0 {
		a.Filter = p.Entity + "Filter"
	}
	if len(p.Orders) > 0 {
		a.Order, a.Default = p.Entity+"Order", p.DefaultOrder()
	}
	return a
}

// sideOf returns the side of a model that the project has already.
func (p *Plan) sideOf(database *catalog.Catalog, model Model) (side, bool) {
	table := database.Table(model.Schema, model.Table)
	definition := p.Project.Schema.Types[model.Name]
	if table == nil || definition == nil {
		return side{}, false
	}
	one := words(model.Name)
	s := side{name: model.Name, noun: phrase(one), nouns: phrase(plural(one)), many: graphQLName(plural(one)), alias: model.Alias, keys: model.Keys}
	who := access.Of(table).Select
	s.public = who.Anonymous
	if who.Who == access.Owner && who.Column == model.Owner {
		s.owner = model.Owner
	}
	s.has = func(field string) bool {
		return definition.Fields.ForName(field) != nil || slices.ContainsFunc(p.Relations, func(r Relation) bool { return r.On == model.Name && r.Field == field })
	}
	for _, field := range p.Project.Schema.Query.Fields {
		if field.Type.Name() != model.Name+"Connection" || field.Arguments.ForName("first") == nil {
			continue
		}
		a := Arguments{Nouns: s.nouns, Last: field.Arguments.ForName("last") != nil}
		if filter := field.Arguments.ForName("filter"); filter != nil {
			a.Filter = filter.Type.Name()
		}
		if order := field.Arguments.ForName("orderBy"); order != nil {
			a.Order = order.Type.Name()
			if order.DefaultValue != nil {
				a.Default = order.DefaultValue.Raw
			}
		}
		s.many, s.lists = field.Name, &a
	}
	return s, true
}

// relations finds the foreign keys between the table and those that the project has.
func (p *Plan) relations(database *catalog.Catalog) {
	own := p.own()
	for _, key := range p.Table.ForeignKeys {
		if key.Schema == p.Table.Schema && key.Table == p.Table.Name {
			p.relate(key, p.Table, own, own)
			continue
		}
		for _, model := range p.Project.Models {
			if other, ok := p.sideOf(database, model); ok && model.Schema == key.Schema && model.Table == key.Table {
				p.relate(key, p.Table, own, other)
			}
		}
	}
	for _, reference := range database.References(p.Table) {
		for _, model := range p.Project.Models {
			if other, ok := p.sideOf(database, model); ok && reference.From != p.Table && model.Schema == reference.From.Schema && model.Table == reference.From.Name && hasAll(model.Columns, reference.Key.Columns) {
				p.relate(reference.Key, reference.From, other, own)
			}
		}
	}
	p.relateOwner(database, own)
}

// relateOwner gives the type of users the lists of what they own, where both tables refer to auth.users.
func (p *Plan) relateOwner(database *catalog.Catalog, own side) {
	if p.Owner == nil || !refersToUsers(p.Table, p.Owner.Column.Name) {
		return
	}
	for _, model := range p.Project.Models {
		table := database.Table(model.Schema, model.Table)
		if table == nil || len(model.Keys) != 1 || !refersToUsers(table, model.Keys[0]) {
			continue
		}
		user, ok := p.sideOf(database, model)
		if !ok {
			continue
		}
		if one := graphQLName(words(own.name)); p.Table.Unique(p.Owner.Column.Name) && !user.has(one) {
			p.add(Relation{Kind: HasOne, On: user.name, To: own.name, Child: own.name, Field: one, Columns: []string{p.Owner.Column.Name}, Func: goName(own.many) + "Of" + goName(user.many)}, user, own)
		} else if !user.has(own.many) {
			p.add(Relation{Kind: HasMany, On: user.name, To: own.name, Child: own.name, Field: own.many, Columns: []string{p.Owner.Column.Name}, Func: goName(own.many) + "Of" + goName(user.many)}, user, own)
		}
	}
}

func refersToUsers(table *catalog.Table, column string) bool {
	return slices.ContainsFunc(table.ForeignKeys, func(key catalog.ForeignKey) bool {
		return key.Schema == "auth" && key.Table == "users" && slices.Equal(key.Columns, []string{column})
	})
}

func hasAll(all, some []string) bool {
	return !slices.ContainsFunc(some, func(one string) bool { return !slices.Contains(all, one) })
}

// relate adds the fields of a foreign key of child's table, in both directions.
func (p *Plan) relate(key catalog.ForeignKey, from *catalog.Table, child, parent side) {
	columns, ok := inOrder(key, parent.keys)
	if !ok || from == p.Table && slices.ContainsFunc(columns, func(name string) bool {
		return !slices.ContainsFunc(p.Fields, func(f *Field) bool { return f.Column.Name == name })
	}) {
		return // it refers to something else than the key, or a column of it is left out
	}
	// Of several keys between two tables, each is named after its column.
	several := 0
	for _, other := range from.ForeignKeys {
		if other.Schema == key.Schema && other.Table == key.Table {
			several++
		}
	}
	named := words(parent.name)
	if len(key.Columns) == 1 {
		named = words(key.Columns[0])
		if n := len(named); n > 1 && (named[n-1] == "id" || named[n-1] == "uuid") {
			named = named[:n-1]
		}
	}
	field := graphQLName(named)
	parents := goName(graphQLName(plural(named)))
	down := child.many
	switch {
	case child.name == parent.name && field == "parent":
		down = "children"
	case several > 1 || child.name == parent.name:
		down = child.many + "By" + goName(field)
	}
	if field != "" && !child.has(field) {
		p.add(Relation{Kind: BelongsTo, On: child.name, To: parent.name, Child: child.name, Field: field, Columns: columns, Func: parents + "Of" + goName(child.many)}, child, parent)
	} else {
		p.LeftOut = append(p.LeftOut, LeftOut{child.name + "." + field, "it has a field of that name"})
	}
	reversed := Relation{Kind: HasMany, On: parent.name, To: child.name, Child: child.name, Field: down, Columns: columns, Func: goName(child.many) + "Of" + parents}
	if from.Unique(columns...) && child.name != parent.name {
		reversed.Kind, reversed.Field = HasOne, graphQLName(words(child.name))
		if several > 1 {
			reversed.Field += "By" + goName(field)
		}
	}
	switch {
	case parent.has(reversed.Field):
		p.LeftOut = append(p.LeftOut, LeftOut{parent.name + "." + reversed.Field, "it has a field of that name"})
	case child.lists == nil && reversed.Kind == HasMany:
		p.LeftOut = append(p.LeftOut, LeftOut{parent.name + "." + reversed.Field, "the schema has no pages of " + child.nouns})
	default:
		p.add(reversed, parent, child)
	}
}

// inOrder returns the columns of a foreign key in the order of the key that they refer to. ok is false if they refer to
// something else.
func inOrder(key catalog.ForeignKey, keys []string) (columns []string, ok bool) {
	if len(keys) != len(key.References) {
		return nil, false
	}
	for _, name := range keys {
		at := slices.Index(key.References, name)
		if at < 0 {
			return nil, false
		}
		columns = append(columns, key.Columns[at])
	}
	return columns, true
}

// newest adds the field of Options.Newest, beside the page of the same rows.
func (p *Plan) newest() error {
	if p.Newest == "" {
		return nil
	}
	on, field, _ := strings.Cut(p.Newest, ".")
	var pages []Relation
	for _, r := range p.Relations {
		if r.Kind == HasMany && r.Child == p.Entity && r.On == on {
			pages = append(pages, r)
		}
	}
	switch {
	case len(pages) == 0:
		return fmt.Errorf("--newest %s: %s has no page of %s: name a type that has one, and the new field, as in --newest User.subscription", p.Newest, on, p.Nouns)
	case len(pages) > 1:
		return fmt.Errorf("--newest %s: %s has several pages of %s, %s and %s: write the field by hand", p.Newest, on, p.Nouns, pages[0].Field, pages[1].Field)
	case field == "" || field != graphQLName(words(field)):
		return fmt.Errorf("--newest %s: %q is not the name of a field, such as subscription", p.Newest, field)
	case p.Project.Schema.Types[on].Fields.ForName(field) != nil || slices.ContainsFunc(p.Relations, func(r Relation) bool { return r.On == on && r.Field == field }):
		return fmt.Errorf("--newest %s: %s has a field of that name already", p.Newest, on)
	case len(p.Orders) == 0 || !strings.HasSuffix(p.DefaultOrder(), "_DESC"):
		return fmt.Errorf("--newest %s: no index has %s in the order in which they were made: a column such as created_at with an index, which --fix writes, or a key that counts up", p.Newest, p.Nouns)
	}
	r := pages[0]
	_, ofParents, _ := strings.Cut(r.Func, "Of")
	r.Kind, r.Field, r.Func, r.Order, r.Arguments = HasOne, field, goName(field)+"Of"+ofParents, p.DefaultOrder(), Arguments{}
	p.Relations = append(p.Relations, r)
	return nil
}

// add adds the field of a relation to on, which shows rows of to.
func (p *Plan) add(r Relation, on, to side) {
	r.OnNouns, r.ToNoun, r.ToNouns = on.nouns, to.noun, to.nouns
	r.Public = to.public
	r.Guarded = on.public && !to.public
	if to.owner != "" {
		r.Owner = to.alias + "." + catalog.Quote(to.owner) + " = ?"
	}
	if r.Kind == HasMany {
		r.Arguments = *to.lists
	}
	if r.Kind == BelongsTo && r.On == p.Entity && len(r.Columns) == 1 {
		for _, f := range p.Fields {
			if f.Column.Name == r.Columns[0] {
				r.Column = f
			}
		}
	}
	p.Relations = append(p.Relations, r)
}

// Description returns the description of a relation's field.
func (r Relation) Description() string {
	on := strings.ToLower(phrase(singular(strings.Fields(r.OnNouns))))
	switch r.Kind {
	case BelongsTo:
		if r.Column != nil && !r.Column.Null() {
			return fmt.Sprintf("The %s of the %s. Null if the caller may not see it.", phrase(words(r.Field)), on)
		}
		return fmt.Sprintf("The %s of the %s. Null if it has none, or if the caller may not see it.", phrase(words(r.Field)), on)
	case HasOne:
		if r.Order != "" {
			return fmt.Sprintf("The newest %s of the %s. Null if it has none, or if the caller may not see it.", r.ToNoun, on)
		}
		return fmt.Sprintf("The %s of the %s. Null if it has none, or if the caller may not see it.", r.ToNoun, on)
	}
	return fmt.Sprintf("The %s of the %s that the caller may see.", r.ToNouns, on)
}

// parent is the type of what the columns refer to.
func (r Relation) parent() string {
	if r.Kind == BelongsTo {
		return r.To
	}
	return r.On
}

// model returns a model of the project.
func (p Project) model(name string) (Model, bool) {
	at := slices.IndexFunc(p.Models, func(m Model) bool { return m.Name == name })
	if at < 0 {
		return Model{}, false
	}
	return p.Models[at], true
}

// Shows says what a relation shows, as part of a sentence.
func (r Relation) Shows() string {
	if r.Kind == HasMany {
		return "a page of " + r.ToNouns
	}
	if r.Order != "" {
		return "the newest " + r.ToNoun
	}
	return "the " + r.ToNoun
}
