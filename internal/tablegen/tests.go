package tablegen

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"

	"usergraph/internal/access"
	"usergraph/internal/catalog"
)

// The tests of a table are documents, whose answers follow from what the policies say and are not copied from the server.
// A file of models has what documents cannot say: row-level security without a WHERE, and pages one after the other.

// Tests are the files that test a table.
type Tests struct {
	Files map[string][]byte
	// ByHand says what must be finished by hand, and why. Its documents fail until then.
	ByHand []string
}

// fixture is the rows that tests work on.
type fixture struct {
	plan       *Plan
	statements []string
	// own are the rows of the first user, or of what they are a member of; other is somebody else's.
	own   []map[string]string
	other map[string]string
	given []*Field // the fields that rows have known values of
	// creator is who creates a row: a user who has none, if each may have only one.
	creator string
	// next are what a row that is created refers to, where the key is made of nothing else: the others have rows already.
	next map[string]string
}

// fixture inserts two rows of one user and one of another, or fewer if unique indexes allow no more. With parents, they refer
// to a row of each table that they can refer to.
func (p *Plan) fixture(database *catalog.Catalog, withParents bool) *fixture {
	s := newSeeder(database)
	if p.Table.Kind == "table" { // without the rows of the team's seed and migrations
		s.statements = append(s.statements, "truncate "+p.Table.SQL()+" restart identity cascade;")
	}
	f := &fixture{plan: p, creator: ownerID}
	for _, field := range p.Fields {
		if _, _, json := field.known(p.Table, 1); json != "" && field.Shown && !field.IsOwner && field.Foreign == nil && len(f.given) < 3 && (p.only == nil || p.only == field) {
			f.given = append(f.given, field)
		}
	}
	row := func(n int, user string) map[string]string {
		given := map[string]string{}
		for _, field := range f.given {
			given[field.Column.Name], _, _ = field.known(p.Table, n)
		}
		if p.Owner != nil {
			given[p.Owner.Column.Name] = quoteText(user)
		}
		if a := p.Access.Select; a.Who == access.Member {
			number := 1
			if user == otherID {
				number = 3
			}
			given[a.Column] = s.member(a.Of, number, user)
		}
		if withParents {
			p.referTo(s, given, user)
		}
		return s.row(p.Table, n, user, given)
	}
	f.own = append(f.own, row(1, ownerID))
	before := len(s.statements)
	if second := row(2, ownerID); !p.collide(f.own[0], second) {
		f.own = append(f.own, second)
	} else {
		s.statements = s.statements[:before]
		if p.Owned("insert") {
			f.creator = newcomerID
			p.ownedBy(s, newcomerID)
		}
	}
	before = len(s.statements)
	if third := row(3, otherID); !p.collide(f.own[0], third) {
		f.other = third
	} else {
		s.statements = s.statements[:before]
	}
	p.referToNext(s, f)
	f.statements = s.statements
	return f
}

// referToNext inserts rows that only the row that is created refers to, if its key is made of references.
func (p *Plan) referToNext(s *seeder, f *fixture) {
	f.next = map[string]string{}
	if !p.Create || slices.ContainsFunc(p.Keys, func(key *Field) bool { return key.Foreign == nil && !key.IsOwner }) {
		return
	}
	for _, key := range p.Table.ForeignKeys {
		parent := s.database.Table(key.Schema, key.Table)
		isFixed := func(name string) bool {
			field := slices.IndexFunc(p.Keys, func(f *Field) bool { return f.Column.Name == name })
			return field < 0 || p.Keys[field].IsOwner || p.Access.Insert.Who == access.Member && p.Access.Insert.Column == name
		}
		if parent == nil || parent == p.Table || key.Schema == "auth" || slices.ContainsFunc(key.Columns, isFixed) {
			continue
		}
		referenced := s.parent(parent, 4, f.creator)
		for i, name := range key.Columns {
			f.next[name] = referenced[key.References[i]]
		}
	}
}

// ownedBy inserts what the owner's column of a user's row refers to.
func (p *Plan) ownedBy(s *seeder, user string) {
	values := map[string]string{p.Owner.Column.Name: quoteText(user)}
	for _, key := range p.Table.ForeignKeys {
		s.referenced(p.Table, key, values, 4, user)
	}
}

// referTo inserts the rows that a row of a user can refer to, and gives it their keys.
func (p *Plan) referTo(s *seeder, given map[string]string, user string) {
	n := 1
	if user == otherID {
		n = 3
	}
	for _, r := range p.Relations {
		model, ok := p.Project.model(r.parent())
		if r.Child != p.Entity || r.parent() == p.Entity || !ok {
			continue
		}
		parent := s.parent(s.database.Table(model.Schema, model.Table), n, user)
		for i, column := range r.Columns {
			if given[column] == "" {
				given[column] = parent[model.Keys[i]]
			}
		}
	}
}

// collide reports whether a unique index refuses the second row beside the first.
func (p *Plan) collide(a, b map[string]string) bool {
	return slices.ContainsFunc(p.Table.Indexes, func(index catalog.Index) bool {
		return index.Unique && !index.Partial && !slices.ContainsFunc(index.Columns, func(name string) bool { return a[name] == "" || a[name] != b[name] })
	})
}

// known returns the n-th value of a field: in SQL, in GraphQL and in an answer, "" if an answer may show it in another way.
func (f *Field) known(table *catalog.Table, n int) (sql, graphQL, json string) {
	if f.IsKey || f.sample == nil {
		return "", "", ""
	}
	sql, graphQL, json = f.sample(n)
	if seeded := sampleOf(table, f.Column, n, false); f.GoType == "string" && f.Enum == nil && seeded != sql {
		return seeded, literal(seeded), literal(seeded)
	}
	return sql, graphQL, json
}

// graphQL returns a value of SQL as inputs take it.
func (f *Field) graphQL(sql string) string {
	if f.Enum != nil && f.Type == f.Enum.Name {
		for _, value := range f.Enum.Values {
			if quoteText(value.Label) == sql {
				return value.Name
			}
		}
	}
	if f.Type == "Int" || f.Type == "Boolean" {
		return sql
	}
	return literal(sql)
}

// id returns the id of a row, as an answer shows it.
func (f *fixture) id(row map[string]string) string {
	values := make([]string, len(f.plan.Keys))
	for i, key := range f.plan.Keys {
		values[i] = row[key.Column.Name]
	}
	return idOf(values)
}

// idOf returns the id of a row with this key in SQL, as an answer shows it.
func idOf(key []string) string {
	if len(key) == 1 {
		return literal(key[0])
	}
	parts := []string{"1"}
	for _, value := range key {
		text, err := jsonText(literal(value))
		if err != nil {
			text = ""
		}
		parts = append(parts, hex.EncodeToString([]byte(text)))
	}
	return `"` + strings.Join(parts, ".") + `"`
}

func jsonText(quoted string) (text string, err error) {
	err = json.Unmarshal([]byte(quoted), &text)
	return text, err
}

// selection is what the tests ask of a row.
func (f *fixture) selection() string {
	names := []string{"id"}
	for _, field := range f.given {
		names = append(names, field.GraphQL)
	}
	return strings.Join(names, " ")
}

// answer is what the selection shows of a row.
func (f *fixture) answer(row map[string]string) string {
	parts := []string{`"id":` + f.id(row)}
	for n, other := range append(slices.Clone(f.own), f.other) {
		if other == nil || !f.same(row, other) {
			continue
		}
		number := n + 1
		if n == len(f.own) {
			number = 3
		}
		for _, field := range f.given {
			_, _, shown := field.known(f.plan.Table, number)
			parts = append(parts, fmt.Sprintf("%q:%s", field.GraphQL, shown))
		}
		break
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func (f *fixture) same(a, b map[string]string) bool { return f.id(a) == f.id(b) }

// list is the answer of a list, in its default order.
func (f *fixture) list(rows []map[string]string) string {
	rows = slices.Clone(rows)
	if len(f.plan.Orders) > 0 && strings.HasSuffix(f.plan.DefaultOrder(), "_DESC") {
		slices.Reverse(rows)
	}
	nodes := make([]string, len(rows))
	for i, row := range rows {
		nodes[i] = f.answer(row)
	}
	return fmt.Sprintf(`{"data":{%q:{"nodes":[%s]}}}`, f.plan.Many, strings.Join(nodes, ","))
}

// document is a txtar file of requests.
type document struct {
	sentence string
	archive  txtar.Archive
	caller   string
	number   int
}

func (f *fixture) document(sentence string, extra ...string) *document {
	d := &document{sentence: sentence}
	seed := strings.Join(append(slices.Clone(f.statements), extra...), "\n")
	d.archive.Comment = []byte(sentence + "\n\n")
	d.archive.Files = append(d.archive.Files, txtar.File{Name: "seed.sql", Data: []byte(seed + "\n")})
	return d
}

// as says who sends the next requests, "" for nobody.
func (d *document) as(caller string) {
	if caller != d.caller {
		d.archive.Files = append(d.archive.Files, txtar.File{Name: "caller", Data: []byte(strings.TrimPrefix(caller+"\n", "\n"))})
		d.caller = caller
	}
}

// ask adds a request and its answer. Without an answer the document fails.
func (d *document) ask(query, answer string) {
	d.number++
	d.add(".graphql", query)
	if answer != "" {
		d.add(".json", indentJSON(answer))
	}
}

// change adds what changes the last answer, and the next one.
func (d *document) change(sql, answer string) {
	d.add(".sql", sql)
	d.add(".next.json", indentJSON(answer))
}

func (d *document) add(ending, text string) {
	d.archive.Files = append(d.archive.Files, txtar.File{Name: fmt.Sprint(d.number) + ending, Data: []byte(text + "\n")})
}

func indentJSON(text string) string {
	var indented bytes.Buffer
	if json.Indent(&indented, []byte(text), "", "  ") != nil {
		return text
	}
	return indented.String()
}

// refused is the answer of a request whose only field is refused.
func refused(query, field, code string) string {
	message := map[string]string{"UNAUTHENTICATED": "sign in to use this field", "NOT_FOUND": "not found", "FORBIDDEN": "this is not allowed"}[code]
	return fmt.Sprintf(`{"errors":[{"message":%q,"path":[%[2]q],"locations":[{"line":1,"column":%[3]d}],"extensions":{"code":%[4]q}}],"data":{%[2]q:null}}`, message, field, strings.Index(query, field)+1, code)
}

// Tests writes the tests of the table. refusedBy returns why PostgreSQL refuses the rows of the tests, if it was asked.
func (p *Plan) Tests(database *catalog.Catalog, refusedBy func(sql string) error) (*Tests, error) {
	f := p.fixture(database, false)
	t := &Tests{Files: map[string][]byte{}}
	if err := refusedBy(strings.Join(f.statements, "\n")); err != nil {
		f.statements = append([]string{"-- Finish by hand: PostgreSQL refuses these rows: " + strings.ReplaceAll(err.Error(), "\n", " ")}, f.statements...)
		t.ByHand = append(t.ByHand, fmt.Sprintf("the rows of the tests, since PostgreSQL refuses them: %v", err))
	}
	file := "graph/testdata/" + p.File()
	p.testReads(t, f, file)
	p.testChanges(t, f, file)
	if p.Owned("select") {
		p.testWithoutPolicies(t, f, file)
	}
	p.testLive(t, f, file, refusedBy)
	p.testRelations(t, p.fixture(database, true), database, file, refusedBy)
	text, err := p.renderTest(f)
	if err != nil {
		return nil, err
	}
	t.Files["models/"+p.ModelFile()+"_test.go"] = text
	return t, nil
}

func (t *Tests) add(name string, d *document) { t.Files[name+".txtar"] = txtar.Format(&d.archive) }

// isPlain reports whether what a command may reach is known without its condition.
func isPlain(a access.Access) bool { return a.Who != access.Custom && a.Condition == "" }

func (p *Plan) testReads(t *Tests, f *fixture, file string) {
	list := fmt.Sprintf("{ %s { nodes { %s } } }", p.Many, f.selection())
	one := fmt.Sprintf("{ %s(id: %s) { %s } }", p.One, f.id(f.own[0]), f.selection())
	oneIs := func(answer string) string { return fmt.Sprintf(`{"data":{%q:%s}}`, p.One, answer) }
	all := slices.Clone(f.own)
	var others []map[string]string
	if f.other != nil {
		all, others = append(all, f.other), []map[string]string{f.other}
	}
	a := p.Access.Select
	if !isPlain(a) {
		d := f.document(fmt.Sprintf("Finish by hand: who sees which %s? The policies say: %s. Add rows that they show and hide, and write the answers.", p.Nouns, a))
		for _, caller := range []string{ownerID, otherID, ""} {
			d.as(caller)
			d.ask(list, "")
		}
		t.add(file, d)
		t.ByHand = append(t.ByHand, file+".txtar: who sees which "+p.Nouns)
		return
	}
	var d *document
	switch a.Who {
	case access.Owner:
		d = f.document(p.NounsUpper() + " are their owner's: somebody else and anonymous callers see none of them.")
	case access.Member:
		d = f.document(p.NounsUpper() + " are for members: members of something else and anonymous callers see none of them.")
	case access.SignedIn:
		d = f.document("Signed-in users see all " + p.Nouns + ", and anonymous callers none.")
	default:
		d = f.document("Everybody sees all " + p.Nouns + ".")
	}
	d.as(ownerID)
	if a.Who == access.Owner || a.Who == access.Member {
		d.ask(list, f.list(f.own))
		d.ask(one, oneIs(f.answer(f.own[0])))
		d.as(otherID)
		d.ask(list, f.list(others))
		d.ask(one, oneIs("null"))
	} else {
		d.ask(list, f.list(all))
		d.ask(one, oneIs(f.answer(f.own[0])))
	}
	d.as("")
	if p.Public() {
		d.ask(list, f.list(all))
		d.ask(one, oneIs(f.answer(f.own[0])))
	} else {
		d.ask(list, refused(list, p.Many, "UNAUTHENTICATED"))
		d.ask(one, refused(one, p.One, "UNAUTHENTICATED"))
	}
	t.add(file, d)
}

// change is a mutation of the tests: what it asks, and what it answers.
type change struct{ field, query, answer string }

func (f *fixture) create() change {
	p := f.plan
	field := "create" + p.Entity
	var given []string
	shown, answers := "id", []string{}
	for _, input := range p.CreateFields() {
		_, value, answer := input.known(p.Table, 4)
		if input.IsKey {
			value = input.graphQL(sampleOf(p.Table, input.Column, 4, true))
		}
		if refers := cmp.Or(f.next[input.Column.Name], f.own[0][input.Column.Name]); input.Foreign != nil && refers != "" {
			value, answer = input.graphQL(refers), ""
		}
		if input.HasDefault() && (answer == "" || input.Foreign != nil || !slices.Contains(f.given, input)) {
			continue
		}
		given = append(given, input.GraphQL+": "+value)
		if answer != "" && input.Shown {
			if shown == "id" {
				shown = ""
			}
			shown, answers = strings.TrimSpace(shown+" "+input.GraphQL), append(answers, fmt.Sprintf("%q:%s", input.GraphQL, answer))
		}
	}
	if len(answers) == 0 {
		shown, answers = "__typename", []string{fmt.Sprintf(`"__typename":%q`, p.Entity)}
	}
	query := fmt.Sprintf("mutation { %s(input: {%s}) { %s } }", field, strings.Join(given, ", "), shown)
	return change{field, query, fmt.Sprintf(`{"data":{%q:{%s}}}`, field, strings.Join(answers, ","))}
}

func (f *fixture) update() change {
	p, row := f.plan, f.own[0]
	field := "update" + p.Entity
	same := "" // the first field whose answer is not known, with the value that the row has
	for _, input := range p.UpdateFields() {
		if p.only != nil && p.only != input {
			continue
		}
		n := 4
		if p.isUnique(input) {
			n = 5 // the row that was created has the other
		}
		if _, value, answer := input.known(p.Table, n); answer != "" && input.Shown && input.Foreign == nil {
			query := fmt.Sprintf("mutation { %s(id: %s, input: {%s: %s}) { id %[3]s } }", field, f.id(row), input.GraphQL, value)
			return change{field, query, fmt.Sprintf(`{"data":{%q:{"id":%s,%q:%s}}}`, field, f.id(row), input.GraphQL, answer)}
		}
		_, value, _ := input.known(p.Table, 1)
		if present := row[input.Column.Name]; input.Foreign != nil {
			if value = ""; present != "" {
				value = input.graphQL(present)
			}
		}
		if same == "" && value != "" {
			same = input.GraphQL + ": " + value
		}
	}
	query := fmt.Sprintf("mutation { %s(id: %s, input: {%s}) { id } }", field, f.id(row), same)
	return change{field, query, fmt.Sprintf(`{"data":{%q:{"id":%s}}}`, field, f.id(row))}
}

// isUnique reports whether a unique index has the column.
func (p *Plan) isUnique(f *Field) bool {
	return slices.ContainsFunc(p.Table.Indexes, func(index catalog.Index) bool {
		return index.Unique && slices.Contains(index.Columns, f.Column.Name)
	})
}

func (f *fixture) delete() change {
	field := "delete" + f.plan.Entity
	query := fmt.Sprintf("mutation { %s(id: %s) { id } }", field, f.id(f.own[0]))
	return change{field, query, fmt.Sprintf(`{"data":{%q:{"id":%s}}}`, field, f.id(f.own[0]))}
}

// changes returns the mutations that the table has, by their commands.
func (f *fixture) changes() map[string]change {
	all := map[string]change{}
	if f.plan.Create {
		all["insert"] = f.create()
	}
	if f.plan.Update {
		all["update"] = f.update()
	}
	if f.plan.Delete {
		all["delete"] = f.delete()
	}
	return all
}

func (p *Plan) testChanges(t *Tests, f *fixture, file string) {
	changes := f.changes()
	if len(changes) == 0 {
		return
	}
	d := f.document(fmt.Sprintf("%s are changed by those who may, and by nobody else.", p.NounsUpper()))
	hand := f.document("")
	for _, command := range []string{"insert", "update", "delete"} {
		c, ok := changes[command]
		if !ok {
			continue
		}
		a := p.Access.Access(command)
		if !isPlain(a) || !isPlain(p.Access.Select) {
			hand.as(ownerID)
			hand.ask(c.query, "")
			hand.sentence += fmt.Sprintf(" %s: %s.", c.field, a)
		} else {
			if command != "insert" && (a.Who == access.Owner || a.Who == access.Member) {
				d.as(otherID)
				d.ask(c.query, refused(c.query, c.field, "NOT_FOUND"))
			}
			d.as(ownerID)
			if command == "insert" {
				d.as(f.creator)
			}
			d.ask(c.query, c.answer)
		}
		d.as("")
		d.ask(c.query, refused(c.query, c.field, "UNAUTHENTICATED"))
	}
	t.add(file+"_changes", d)
	p.testAgents(t, f, file, changes)
	if hand.sentence != "" {
		hand.archive.Comment = []byte("Finish by hand: who may change which " + p.Nouns + "?" + hand.sentence + "\n\n")
		t.add(file+"_by_hand", hand)
		t.ByHand = append(t.ByHand, file+"_by_hand.txtar: who may change which "+p.Nouns)
	}
}

// testAgents tests that the token of an agent changes nothing, where policies say so.
func (p *Plan) testAgents(t *Tests, f *fixture, file string, changes map[string]change) {
	d := f.document("An agent of the owner's changes nothing: a new row is forbidden, and rows to change or delete are not found.")
	d.as(ownerID)
	d.archive.Files = append(d.archive.Files, txtar.File{Name: "claims.json", Data: []byte("{\"client_id\": \"an agent\"}\n")})
	asked := false
	for _, command := range []string{"insert", "update", "delete"} {
		c, ok := changes[command]
		if !ok || access.AgentsMay(p.Table, command) || !isPlain(p.Access.Access(command)) || command == "insert" && f.creator != ownerID {
			continue
		}
		asked = true
		d.ask(c.query, refused(c.query, c.field, map[string]string{"insert": "FORBIDDEN", "update": "NOT_FOUND", "delete": "NOT_FOUND"}[command]))
	}
	if asked {
		t.add(file+"_agents", d)
	}
}

// testWithoutPolicies tests that the WHERE alone keeps to the caller's rows.
func (p *Plan) testWithoutPolicies(t *Tests, f *fixture, file string) {
	if !isPlain(p.Access.Select) || f.other == nil {
		return
	}
	d := f.document("With row-level security off, the WHERE alone still keeps to the caller's rows.",
		fmt.Sprintf("alter table %s disable row level security;", p.Table.SQL()))
	d.as(otherID)
	list := fmt.Sprintf("{ %s { nodes { %s } } }", p.Many, f.selection())
	one := fmt.Sprintf("{ %s(id: %s) { %s } }", p.One, f.id(f.own[0]), f.selection())
	d.ask(list, f.list([]map[string]string{f.other}))
	d.ask(one, fmt.Sprintf(`{"data":{%q:null}}`, p.One))
	changes := f.changes()
	for _, command := range []string{"update", "delete"} {
		if c, ok := changes[command]; ok && p.Owned(command) {
			d.ask(c.query, refused(c.query, c.field, "NOT_FOUND"))
		}
	}
	t.add(file+"_no_row_level_security", d)
}

// testLive tests that a list moves when a row is deleted.
func (p *Plan) testLive(t *Tests, f *fixture, file string, refusedBy func(string) error) {
	row := f.own[0]
	var same []string
	for _, key := range p.Keys {
		same = append(same, catalog.Quote(key.Column.Name)+" = "+row[key.Column.Name])
	}
	change := fmt.Sprintf("delete from %s where %s;", p.Table.SQL(), strings.Join(same, " and "))
	if !p.Live() || !isPlain(p.Access.Select) || refusedBy(strings.Join(append(slices.Clone(f.statements), change), "\n")) != nil {
		return
	}
	rows := slices.Clone(f.own)
	if a := p.Access.Select; a.Who != access.Owner && a.Who != access.Member && f.other != nil {
		rows = append(rows, f.other)
	}
	d := f.document("A list of " + p.Nouns + " that is subscribed to has a new state when a row is gone.")
	d.as(ownerID)
	d.ask(fmt.Sprintf("subscription { %s { nodes { %s } } }", p.Many, f.selection()), f.list(rows))
	d.change(change, f.list(rows[1:]))
	t.add(file+"_live", d)
}

// testRelations asks for the rows that rows refer to, and the other way.
func (p *Plan) testRelations(t *Tests, f *fixture, database *catalog.Catalog, file string, refusedBy func(string) error) {
	if !isPlain(p.Access.Select) || refusedBy(strings.Join(f.statements, "\n")) != nil {
		return
	}
	d := f.document("Relations show the rows that the caller may see.")
	d.as(ownerID)
	asked := false
	for _, r := range p.Relations {
		model, ok := p.Project.model(r.parent())
		if r.Child != p.Entity || r.parent() == p.Entity || !ok {
			continue
		}
		parents := database.Table(model.Schema, model.Table)
		if parents == nil || !sees(access.Of(parents).Select, model) {
			continue
		}
		row := f.own[0]
		key := make([]string, len(r.Columns))
		for i, column := range r.Columns {
			key[i] = row[column]
		}
		parent := idOf(key)
		if r.Kind == BelongsTo {
			d.ask(fmt.Sprintf("{ %s(id: %s) { %s { id } } }", p.One, f.id(row), r.Field), fmt.Sprintf(`{"data":{%q:{%q:{"id":%s}}}}`, p.One, r.Field, parent))
			asked = true
			continue
		}
		root, query := p.rootField(r.On, parent)
		if root == "" {
			continue
		}
		if r.Order != "" {
			row = f.own[len(f.own)-1]
		}
		inner, answer := "{ id }", fmt.Sprintf(`{"id":%s}`, f.id(row))
		if r.Kind == HasMany {
			rows := slices.Clone(f.own)
			if strings.HasSuffix(r.Arguments.Default, "_DESC") {
				slices.Reverse(rows)
			}
			nodes := make([]string, len(rows))
			for i, row := range rows {
				nodes[i] = fmt.Sprintf(`{"id":%s}`, f.id(row))
			}
			inner, answer = "{ nodes { id } }", fmt.Sprintf(`{"nodes":[%s]}`, strings.Join(nodes, ","))
		}
		d.ask(fmt.Sprintf("{ %s { %s %s } }", query, r.Field, inner), fmt.Sprintf(`{"data":{%q:{%q:%s}}}`, root, r.Field, answer))
		asked = true
	}
	if asked {
		t.add(file+"_relations", d)
	}
}

// sees reports whether the tests' user sees the rows of a model that are their own.
func sees(a access.Access, model Model) bool {
	return isPlain(a) && (a.Who == access.Everybody || a.Who == access.SignedIn || a.Who == access.Owner && a.Column == model.Owner)
}

// rootField returns a field of Query that shows one row of a type, and how to ask for it.
func (p *Plan) rootField(typeName, id string) (name, query string) {
	for _, field := range p.Project.Schema.Query.Fields {
		if field.Type.Name() != typeName {
			continue
		}
		if field.Arguments.ForName("id") != nil {
			return field.Name, fmt.Sprintf("%s(id: %s)", field.Name, id)
		}
		if len(field.Arguments) == 0 {
			return field.Name, field.Name
		}
	}
	return "", ""
}

// testForm is what the test in Go is made of.
type testForm struct {
	*Plan
	Seed         string
	OwnerID      string
	OtherID      string
	Own, Others  int
	ChecksPolicy bool
}

func (p *Plan) renderTest(f *fixture) ([]byte, error) {
	form := testForm{Plan: p, Seed: strings.Join(f.statements, "\n"), OwnerID: ownerID, OtherID: otherID, Own: len(f.own)}
	if f.other != nil {
		form.Others = 1
	}
	form.ChecksPolicy = p.Owned("select") && isPlain(p.Access.Select)
	if who := p.Access.Select.Who; who != access.Owner && who != access.Member {
		form.Own += form.Others
	}
	return execute("model_test.go", form, p.Project)
}

// seedFile is the SQL that a document begins with.
func seedFile(sql string) txtar.File { return txtar.File{Name: "seed.sql", Data: []byte(sql)} }
