package tablegen

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"usergraph/internal/access"
	"usergraph/internal/catalog"
)

// The users of seed.sql: two with a row in the table of `me`, and one who has not signed up.
const (
	adaID    = "a0000000-0000-4000-8000-000000000001"
	bobID    = "b0000000-0000-4000-8000-000000000002"
	nobodyID = "d0000000-0000-4000-8000-000000000004"
)

// Me is what to write for the table of users in a new project: `me`, and nothing else.
type Me struct {
	*Plan
	// Given are the fields that the rows of the seed have known values of.
	Given []*Field
	// Changed is the field that the tests and the document change, nil if there is none.
	Changed *Field
}

// MeTable returns the table whose key refers to auth.users. The name chooses among several; "" takes the only one.
func MeTable(database *catalog.Catalog, name string) (*catalog.Table, error) {
	var found, others []string
	var only *catalog.Table
	for _, table := range database.Tables {
		if table.Kind != "table" || table.Partition || table.Schema == "auth" {
			continue
		}
		if len(table.PrimaryKey) == 1 && refersToUsers(table, table.PrimaryKey[0]) {
			if name == table.String() || name == table.Schema+"."+table.Name {
				return table, nil
			}
			found, only = append(found, table.String()), table
			continue
		}
		for _, key := range table.ForeignKeys {
			if key.Schema == "auth" && key.Table == "users" {
				others = append(others, table.String()+" ("+strings.Join(key.Columns, ", ")+")")
			}
		}
	}
	switch {
	case name != "" && len(found) > 0:
		return nil, fmt.Errorf("the key of %s does not refer to auth.users: that of %s does", name, strings.Join(found, ", "))
	case len(found) > 1:
		return nil, fmt.Errorf("the keys of several tables refer to auth.users: say with --me which of them `me` shows: %s", strings.Join(found, ", "))
	case len(found) == 1:
		return only, nil
	}
	hint := ""
	if len(others) > 0 {
		hint = " Other columns than the key do in: " + strings.Join(others, ", ") + "."
	}
	return nil, fmt.Errorf("no table has a key that refers to auth.users, so that there is none for `me`.%s "+
		"Without --database, init writes a migration that makes public.users; then `go run . add` adds your tables", hint)
}

// NewMe decides what to write for the table of users.
func NewMe(project Project, table *catalog.Table) (*Me, error) {
	p := &Plan{Project: project, Table: table}
	if err := p.checkTable(); err != nil {
		return nil, err
	}
	if err := p.name(); err != nil {
		return nil, err
	}
	if project.Schema.Types[p.Entity] != nil || slices.Contains([]string{"Mutation", "Query", "Subscription", "UpdateMeInput"}, p.Entity) {
		return nil, fmt.Errorf("%s would be the type %s, which the schema has already: rename it, or make a view of it", table, p.Entity)
	}
	if err := p.access(); err != nil {
		return nil, err
	}
	p.Access.Select.Anonymous = false // `me` is for signed-in callers
	if err := p.fields(); err != nil {
		return nil, err
	}
	for _, field := range p.Fields {
		field.IsOwner = field.IsKey
	}
	p.Owner = p.Keys[0]
	p.operations()
	p.Create, p.Delete = false, false
	p.LeftOut = slices.DeleteFunc(p.LeftOut, func(out LeftOut) bool { return strings.HasPrefix(out.What, "create") })
	m := &Me{Plan: p}
	for _, f := range p.Fields {
		if f.Shown && f.GoType == "string" && f.Enum == nil && f.Foreign == nil {
			if isNamed(f) || f.Column.NotNull && f.Column.Default == "" {
				m.Given = append(m.Given, f)
			}
			if m.Update && f.Updated && (m.Changed == nil || isNamed(f) && !isNamed(m.Changed)) {
				m.Changed = f
			}
		}
	}
	return m, nil
}

// personal are values of people, by the last word of a column's name, or by its last two.
var personal = map[string][3]string{
	"full name": {"Ada Lovelace", "Bob Kahn", "Ada King"}, "name": {"Ada Lovelace", "Bob Kahn", "Ada King"},
	"first name": {"Ada", "Bob", "Augusta"}, "last name": {"Lovelace", "Kahn", "King"},
	"user name": {"ada_lovelace", "bob_kahn", "ada_king"}, "username": {"ada_lovelace", "bob_kahn", "ada_king"}, "nickname": {"ada_lovelace", "bob_kahn", "ada_king"}, "handle": {"ada_lovelace", "bob_kahn", "ada_king"},
	"email":      {"ada@example.com", "bob@example.com", "ada.king@example.com"},
	"avatar url": {"https://example.com/ada.png", "https://example.com/bob.png", "https://example.com/king.png"},
}

func personalOf(f *Field) (values [3]string, ok bool) {
	named := words(f.Column.Name)
	if values, ok = personal[phrase(named[max(0, len(named)-2):])]; !ok {
		values, ok = personal[named[len(named)-1]]
	}
	return values, ok
}

func isNamed(f *Field) bool {
	_, ok := personalOf(f)
	return ok
}

// value returns the n-th value of a text, from 1: Ada's, Bob's, and the one that Ada changes hers to.
func (m *Me) value(f *Field, n int) string {
	if values, ok := personalOf(f); ok {
		return values[n-1]
	}
	text := sampleOf(m.Table, f.Column, n, false)
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(text, "'"), "'"), "''", "'")
}

// Files returns the files to write, by their names in the project, with those of tests. The seed makes the users, and gets
// their rows. refusedBy returns why PostgreSQL refuses SQL, where the table is.
func (m *Me) Files(database *catalog.Catalog, seed string, refusedBy func(sql string) error) (*Tests, error) {
	t := &Tests{Files: map[string][]byte{}}
	rows := m.rows(database)
	if err := refusedBy(seed + rows); err != nil {
		m.Given = slices.DeleteFunc(m.Given, func(f *Field) bool { return !f.Column.NotNull })
		rows = m.rows(database)
		if err = refusedBy(seed + rows); err != nil {
			rows = "-- Finish by hand: PostgreSQL refuses these rows: " + strings.ReplaceAll(err.Error(), "\n", " ") + "\n/*\n" + rows + "*/\n"
			t.ByHand = append(t.ByHand, fmt.Sprintf("supabase/seed.sql: the rows of %s, since PostgreSQL refuses them: %v", m.Table, err))
		}
	}
	if m.Changed != nil {
		sql := fmt.Sprintf("update %s set %s = %s where %s = %s;", m.Table.SQL(), catalog.Quote(m.Changed.Column.Name), quoteText(m.value(m.Changed, 3)), catalog.Quote(m.Keys[0].Column.Name), quoteText(adaID))
		if refusedBy(seed+rows+sql) != nil {
			m.Changed = nil
		}
	}
	t.Files["supabase/seed.sql"] = []byte(seed + rows)
	for form, name := range map[string]string{
		"me_schema.graphqls": "schema.graphqls",
		"me_resolvers.go":    "graph/schema.resolvers.go",
		"me_model.go":        "models/" + m.ModelFile() + ".go",
		"me_model_test.go":   "models/" + m.ModelFile() + "_test.go",
		"me_read.graphql":    "documents/1_who_am_i.graphql",
		"me_watch.graphql":   "documents/3_watch_me.graphql",
	} {
		text, err := execute(form, m, m.Project)
		if err != nil {
			return nil, err
		}
		t.Files[name] = text
	}
	if m.Changed != nil {
		text, err := execute("me_change.graphql", m, m.Project)
		if err != nil {
			return nil, err
		}
		t.Files["documents/2_change_me.graphql"] = text
		t.Files["documents/2_change_me.json"] = []byte(fmt.Sprintf("{\n  \"input\": { %q: %s }\n}\n", m.Changed.GraphQL, asJSON(m.value(m.Changed, 3))))
	}
	m.documents(t)
	return t, nil
}

// rows are the rows of the two users. Where a trigger has made them in the same transaction, they get their values too; what is there
// for longer stays as it is.
func (m *Me) rows(database *catalog.Catalog) string {
	s := &seeder{database: database}
	for n, id := range []string{adaID, bobID} {
		key := m.Keys[0].Column.Name
		given := map[string]string{key: quoteText(id)}
		var changes []string
		for _, f := range m.Given {
			given[f.Column.Name] = quoteText(m.value(f, n+1))
			changes = append(changes, catalog.Quote(f.Column.Name)+" = "+given[f.Column.Name])
		}
		s.row(m.Table, n+1, id, given)
		if len(changes) > 0 {
			s.statements = append(s.statements, fmt.Sprintf("update %s set %s where %s = %s and xmin = pg_current_xact_id()::xid;",
				m.Table.SQL(), strings.Join(changes, ", "), catalog.Quote(key), quoteText(id)))
		}
	}
	return fmt.Sprintf("\n-- What %s tells about two of them, also where a trigger has just made their rows (xmin). Reruns change nothing.\n", m.Table) + strings.Join(s.statements, "\n") + "\n"
}

// documents writes the tests that are documents.
func (m *Me) documents(t *Tests) {
	const file = "graph/testdata/"
	read := "{ me { " + m.selection() + " } }"
	change := "mutation { updateMe(input: {}) { id } }"
	if m.Changed != nil {
		change = fmt.Sprintf("mutation { updateMe(input: {%s: %s}) { id %[1]s } }", m.Changed.GraphQL, asJSON(m.value(m.Changed, 3)))
	}
	changed := func(id string) string {
		if m.Changed == nil {
			return fmt.Sprintf(`{"data":{"updateMe":{"id":%q}}}`, id)
		}
		return fmt.Sprintf(`{"data":{"updateMe":{"id":%q,%q:%s}}}`, id, m.Changed.GraphQL, asJSON(m.value(m.Changed, 3)))
	}
	begin := func(sentence string) *document {
		d := &document{sentence: sentence}
		d.archive.Comment = []byte(sentence + "\n\n")
		return d
	}

	d := begin("A signed-in user reads themself.")
	if !m.readsOwn() {
		d = begin(fmt.Sprintf("Finish by hand: who sees themself? The policies say: %s.", m.Access.Select))
		t.ByHand = append(t.ByHand, file+"me.txtar: who sees themself")
	}
	d.as(adaID)
	d.ask(read, m.when(m.readsOwn(), m.answer(1, adaID)))
	t.add(file+"me", d)

	d = begin("Without a token, me is null and the code says why.")
	d.ask(read, refused(read, "me", "UNAUTHENTICATED"))
	if m.Update {
		d.ask(change, refused(change, "updateMe", "UNAUTHENTICATED"))
	}
	t.add(file+"me_anonymous", d)

	d = begin("A signed-in user without a row gets null and no error.")
	d.as(nobodyID)
	d.ask(read, `{"data":{"me":null}}`)
	if m.Update && m.Changed != nil {
		d.ask(change, refused(change, "updateMe", "NOT_FOUND"))
	}
	t.add(file+"me_without_row", d)

	d = begin("With row-level security off, the WHERE alone still keeps to the caller's row.")
	d.archive.Files = append(d.archive.Files, seedFile(fmt.Sprintf("alter table %s disable row level security;\n", m.Table.SQL())))
	d.as(bobID)
	d.ask(read, m.answer(2, bobID))
	if m.Update {
		d.ask(change, changed(bobID))
		d.as(adaID)
		d.ask(read, m.answer(1, adaID))
	}
	t.add(file+"no_row_level_security", d)

	if m.Update {
		d = begin("A signed-in user changes themself. A field left out stays.")
		if !m.changesOwn() {
			d = begin(fmt.Sprintf("Finish by hand: who changes themself? The policies say: %s.", m.Access.Update))
			t.ByHand = append(t.ByHand, file+"update_me.txtar: who changes themself")
		}
		d.as(adaID)
		d.ask(change, m.when(m.changesOwn(), changed(adaID)))
		d.ask("mutation { updateMe(input: {}) { id } }", m.when(m.readsOwn(), fmt.Sprintf(`{"data":{"updateMe":{"id":%q}}}`, adaID)))
		t.add(file+"update_me", d)
	}
}

// readsOwn reports whether each signed-in user is certain to see their row, changesOwn whether they may change it.
func (m *Me) readsOwn() bool   { return m.reachesOwn(m.Access.Select) }
func (m *Me) changesOwn() bool { return m.readsOwn() && m.reachesOwn(m.Access.Update) }

func (m *Me) reachesOwn(a access.Access) bool {
	return isPlain(a) && (a.Who == access.Everybody || a.Who == access.SignedIn || a.Who == access.Owner && a.Column == m.Keys[0].Column.Name)
}

// ChecksPolicy reports whether policies let callers read no other row than theirs, ChecksChange whether they let them
// change no other.
func (m *Me) ChecksPolicy() bool { return m.readsOwn() && m.Access.Select.Who == access.Owner }
func (m *Me) ChecksChange() bool {
	return m.Changed != nil && m.changesOwn() && m.Access.Update.Who == access.Owner
}

// when returns an answer if it is known.
func (m *Me) when(known bool, answer string) string {
	if !known {
		return ""
	}
	return answer
}

func (m *Me) selection() string {
	names := []string{"id"}
	for _, f := range m.Given {
		names = append(names, f.GraphQL)
	}
	return strings.Join(names, " ")
}

func (m *Me) answer(n int, id string) string {
	parts := []string{fmt.Sprintf(`"id":%q`, id)}
	for _, f := range m.Given {
		parts = append(parts, fmt.Sprintf("%q:%s", f.GraphQL, asJSON(m.value(f, n))))
	}
	return `{"data":{"me":{` + strings.Join(parts, ",") + `}}}`
}

func asJSON(text string) string {
	quoted, _ := json.Marshal(text) // a string is always possible
	return string(quoted)
}

// The parts of templates.

// Whose returns the words for the row in descriptions: "signed-in user", "signed-in user's profile".
func (m *Me) Whose() string {
	if m.Noun == "user" {
		return "signed-in user"
	}
	return "signed-in user's " + m.Noun
}

// AdaID and BobID are the users of the seed, Text a value that Changed takes.
func (m *Me) AdaID() string { return adaID }
func (m *Me) BobID() string { return bobID }
func (m *Me) Text() string  { return m.value(m.Changed, 3) }

// Shows are the fields that a document asks for.
func (m *Me) Shows() (names []string) {
	for _, f := range m.Fields {
		if f.Shown {
			names = append(names, f.GraphQL)
		}
	}
	return names
}

// Explain says what was understood.
func (m *Me) Explain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is %s, which me shows:\n  %-7s %s\n  %-7s %s\n", m.Table, m.Entity, "read:", m.Access.Select, "update:", m.Access.Update)
	if !m.Update {
		b.WriteString("  there is no updateMe\n")
	}
	for _, out := range m.LeftOut {
		fmt.Fprintf(&b, "  left out: %s, because %s\n", out.What, out.Why)
	}
	if len(m.Undescribed) > 0 {
		fmt.Fprintf(&b, "  no comment, so that the description is made of the name: %s\n", strings.Join(m.Undescribed, ", "))
	}
	return b.String()
}
