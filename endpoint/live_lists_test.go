package endpoint_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"usergraph/endpoint"
)

// ask subscribes to a document with variables.
func (c *client) ask(id, document, variables string) {
	c.t.Helper()
	text, err := json.Marshal(document)
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(fmt.Sprintf(`{"id":%q,"type":"subscribe","payload":{"query":%s,"variables":%s}}`, id, text, variables))
}

// states reads until each id has a next message with this data, in any order; earlier states may come before.
func (c *client) states(want map[string]string) {
	c.t.Helper()
	missing := map[string]string{}
	for id, data := range want {
		missing[fmt.Sprintf(`{"id":%q,"type":"next","payload":{"data":%s}}`, id, data)] = id
	}
	var got []string
	for len(missing) > 0 {
		text, err := c.tryReceive()
		if err != nil {
			c.t.Fatalf("%v\nnever come: %v\ngot %s", err, missing, strings.Join(got, "\n"))
		}
		if strings.Contains(text, `"type":"error"`) || strings.Contains(text, `"errors"`) {
			c.t.Fatal(text)
		}
		got = append(got, text)
		delete(missing, text)
	}
}

func (s *liveServer) addTodos(user uuid.UUID, titles ...string) {
	s.t.Helper()
	for _, title := range titles {
		s.pg.Exec(s.t, "insert into todos (user_id, title, created_at) values ($1, $2, now() + (select count(*) from todos) * interval '1 s')", user, title)
	}
}

// Subscriptions of one caller on one socket that ask anything else never get each other's states.
func TestLiveSharesOnlyTheSame(t *testing.T) {
	s := newLiveServer(t)
	s.addTodos(ada, "a", "b", "c")
	c := s.connect(ada)
	c.ask("first 1", `subscription { todos(first: 1) { nodes { title } } }`, `{}`)
	c.ask("first 3", `subscription { todos(first: 3) { nodes { title } } }`, `{}`)
	c.ask("variable 1", `subscription($n: Int) { todos(first: $n) { nodes { title } } }`, `{"n":1}`)
	c.ask("variable 2", `subscription($n: Int) { todos(first: $n) { nodes { title } } }`, `{"n":2}`)
	c.ask("default", `subscription($n: Int = 2) { todos(first: $n) { nodes { title } } }`, `{}`)
	c.ask("alias", `subscription { mine: todos(first: 1) { all: nodes { name: title } } }`, `{}`)
	c.ask("order", `subscription { todos(first: 1, orderBy: CREATED_AT_ASC) { nodes { title } } }`, `{}`)
	c.ask("filter", `subscription($f: TodoFilter) { todos(filter: $f) { nodes { title } } }`, `{"f":{"dueOn":{"isNull":false}}}`)
	c.ask("no filter", `subscription($f: TodoFilter) { todos(filter: $f) { nodes { title } } }`, `{"f":{}}`)
	c.ask("skip", `subscription($s: Boolean!) { todos(first: 1) { nodes { title done @skip(if: $s) } } }`, `{"s":true}`)
	c.ask("no skip", `subscription($s: Boolean!) { todos(first: 1) { nodes { title done @skip(if: $s) } } }`, `{"s":false}`)
	titles := func(field, list, name string, titles ...string) string {
		var nodes []string
		for _, title := range titles {
			nodes = append(nodes, fmt.Sprintf(`{"%s":"%s"}`, name, title))
		}
		return fmt.Sprintf(`{"%s":{"%s":[%s]}}`, field, list, strings.Join(nodes, ","))
	}
	expect := func(newest ...string) {
		t.Helper()
		c.states(map[string]string{
			"first 1":    titles("todos", "nodes", "title", newest[:1]...),
			"first 3":    titles("todos", "nodes", "title", newest[:3]...),
			"variable 1": titles("todos", "nodes", "title", newest[:1]...),
			"variable 2": titles("todos", "nodes", "title", newest[:2]...),
			"default":    titles("todos", "nodes", "title", newest[:2]...),
			"alias":      titles("mine", "all", "name", newest[:1]...),
			"no filter":  titles("todos", "nodes", "title", newest...),
			"skip":       titles("todos", "nodes", "title", newest[:1]...),
			"no skip":    `{"todos":{"nodes":[{"title":"` + newest[0] + `","done":false}]}}`,
		})
	}
	expect("c", "b", "a")
	s.addTodos(ada, "d")
	expect("d", "c", "b", "a")
	s.pg.Exec(t, "update todos set due_on = '2026-12-01', title = 'due' where title = 'a'")
	c.states(map[string]string{
		"order":  titles("todos", "nodes", "title", "due"),
		"filter": titles("todos", "nodes", "title", "due"),
	})
}

// One change of a list costs one read for each caller, however many ask the same.
func TestLiveListReadsOncePerCaller(t *testing.T) {
	s := newLiveServer(t)
	s.addTodos(ada, "a")
	const sockets, each = 10, 100
	document := `subscription($n: Int) { todos(first: $n) { nodes { title } } }`
	token := s.issuer.Token(ada)
	var clients []*client
	all := func(title string) map[string]string {
		want := map[string]string{}
		for i := range each {
			want[fmt.Sprint(i)] = `{"todos":{"nodes":[{"title":"` + title + `"}]}}`
		}
		return want
	}
	for range sockets {
		c := s.dial(nil)
		c.init(token)
		for i := range each {
			c.ask(fmt.Sprint(i), document, `{"n":1}`)
		}
		c.states(all("a"))
		clients = append(clients, c)
	}
	if n := s.handler.Watches(); n != 1 {
		t.Errorf("%d reads are watched", n)
	}
	before := s.reads.Load()
	s.addTodos(bob, "not hers")
	s.addTodos(ada, "b")
	for _, c := range clients {
		c.states(all("b"))
	}
	if reads := s.reads.Load() - before; reads != 1 {
		t.Errorf("%d reads", reads)
	}
	// A burst is one.
	before = s.reads.Load()
	s.pg.Exec(t, "insert into todos (user_id, title, created_at) select $1, 'burst ' || i, now() + i * interval '1 h' from generate_series(1, 1000) i", ada)
	for _, c := range clients {
		c.states(all("burst 1000"))
	}
	if reads := s.reads.Load() - before; reads != 1 {
		t.Errorf("%d reads after a burst", reads)
	}
}

// An answer moves when any row in it has changed, whatever the resolver watches.
func TestLiveMovesWithAllItSelects(t *testing.T) {
	s := newLiveServer(t)
	s.pg.Exec(t, "insert into labels values ('home', 'red'), ('work', 'blue')")
	s.pg.Exec(t, "insert into projects (id, owner_id, name) values (1, $1, 'house'), (2, $1, 'garden')", ada)
	s.pg.Exec(t, "insert into todos (id, user_id, title, project_id, created_at) values (1, $1, 'paint', 1, now()), (2, $1, 'dig', 2, now() + interval '1 s')", ada)
	s.pg.Exec(t, "insert into todo_labels values (1, 'home', $1)", ada)
	c := s.connect(ada)
	c.ask("me", `subscription { me { fullName todos { nodes { title project { name } } } } }`, `{}`)
	c.ask("todo", `subscription { todo(id: "1") { title project { todos { nodes { title } } } labels { totalCount nodes { label { color } } } } }`, `{}`)
	c.ask("fragments", `subscription { me { ...F } } fragment F on User { ... on User { list: todos(first: 1) { edges { node { title } } } } }`, `{}`)
	c.ask("size", `subscription { me { todos { pageInfo { hasNextPage } } } }`, `{}`)
	label := `1.` + fmt.Sprintf("%x.%x", "1", "home")
	c.ask("label", `subscription { todoLabel(id: "`+label+`") { id label { color } } }`, `{}`)
	todo := func(title string, titles []string, color string) string {
		return fmt.Sprintf(`{"todo":{"title":%q,"project":{"todos":{"nodes":[%s]}},"labels":{"totalCount":1,"nodes":[{"label":{"color":%q}}]}}}`, title, strings.Join(titles, ","), color)
	}
	c.states(map[string]string{
		"me":        `{"me":{"fullName":"Ada","todos":{"nodes":[{"title":"paint","project":{"name":"house"}},{"title":"dig","project":{"name":"garden"}}]}}}`,
		"todo":      todo("paint", []string{`{"title":"paint"}`}, "red"),
		"fragments": `{"me":{"list":{"edges":[{"node":{"title":"paint"}}]}}}`,
		"label":     `{"todoLabel":{"id":"` + label + `","label":{"color":"red"}}}`,
	})
	for _, step := range []struct {
		change string
		want   map[string]string
	}{
		{"update todos set title = 'paint it' where id = 1", map[string]string{
			"me":        `{"me":{"fullName":"Ada","todos":{"nodes":[{"title":"paint it","project":{"name":"house"}},{"title":"dig","project":{"name":"garden"}}]}}}`,
			"todo":      todo("paint it", []string{`{"title":"paint it"}`}, "red"),
			"fragments": `{"me":{"list":{"edges":[{"node":{"title":"paint it"}}]}}}`,
		}},
		{"update projects set name = 'home' where id = 1", map[string]string{
			"me": `{"me":{"fullName":"Ada","todos":{"nodes":[{"title":"paint it","project":{"name":"home"}},{"title":"dig","project":{"name":"garden"}}]}}}`,
		}},
		{"update labels set color = 'green' where name = 'home'", map[string]string{
			"todo":  todo("paint it", []string{`{"title":"paint it"}`}, "green"),
			"label": `{"todoLabel":{"id":"` + label + `","label":{"color":"green"}}}`,
		}},
		{"update todos set project_id = 1, title = 'plant' where id = 2", map[string]string{
			"me":   `{"me":{"fullName":"Ada","todos":{"nodes":[{"title":"paint it","project":{"name":"home"}},{"title":"plant","project":{"name":"home"}}]}}}`,
			"todo": todo("paint it", []string{`{"title":"plant"}`, `{"title":"paint it"}`}, "green"),
		}},
		{"delete from todo_labels", map[string]string{"label": `{"todoLabel":null}`}},
		{"delete from todos where id = 1", map[string]string{
			"me":        `{"me":{"fullName":"Ada","todos":{"nodes":[{"title":"plant","project":{"name":"home"}}]}}}`,
			"fragments": `{"me":{"list":{"edges":[{"node":{"title":"plant"}}]}}}`,
			"todo":      `{"todo":null}`,
		}},
	} {
		s.pg.Exec(t, step.change)
		c.states(step.want)
	}
}

// The shared read of WatchPublic has no claims: what a policy shows a caller alone is not in it, for one reader or many.
func TestLivePublicHasNoClaims(t *testing.T) {
	s := newLiveServer(t)
	s.pg.Exec(t, `insert into labels values ('everybody', 'red'), ('ada', 'blue'), ('signed in', 'green');
		drop policy "everybody reads labels" on labels;
		create policy everybody on labels for select to anon, authenticated using (name = 'everybody');
		create policy one on labels for select to authenticated using (name = 'ada' and auth.uid() = '`+ada.String()+`');
		create policy metadata on labels for select to authenticated using (auth.jwt() ->> 'sub' = '`+ada.String()+`' or current_setting('request.jwt.claim.sub', true) = '`+ada.String()+`');
		create policy signed on labels for select to authenticated using (name = 'signed in')`)
	document := `subscription { labels { nodes { id color } } }`
	others := func(c jwt.MapClaims) { c["session_id"] = uuid.NewString() }
	members := []*client{s.connect(ada), s.connect(bob), s.connect(ada, others)}
	anonymous := []*client{s.dial(nil), s.dial(nil)}
	for _, c := range anonymous {
		c.send(`{"type":"connection_init"}`)
		c.expect(`{"type":"connection_ack"}`)
	}
	check := func(color string) {
		t.Helper()
		for _, c := range members {
			c.states(map[string]string{"1": `{"labels":{"nodes":[{"id":"everybody","color":"` + color + `"},{"id":"signed in","color":"green"}]}}`})
		}
		for _, c := range anonymous {
			c.states(map[string]string{"1": `{"labels":{"nodes":[{"id":"everybody","color":"` + color + `"}]}}`})
		}
	}
	for _, c := range append(members, anonymous...) {
		c.ask("1", document, `{}`)
	}
	check("red")
	if n := s.handler.Watches(); n != 2 {
		t.Errorf("%d reads are watched, one for each role", n)
	}
	before := s.reads.Load()
	s.pg.Exec(t, "update labels set color = 'pink' where name = 'everybody'")
	check("pink")
	if reads := s.reads.Load() - before; reads != 2 {
		t.Errorf("%d reads, one for each role", reads)
	}
	// The caller's own query does see it.
	c := s.connect(ada)
	c.send(`{"id":"q","type":"subscribe","payload":{"query":"{ label(id: \"ada\") { id } }"}}`)
	c.expect(`{"id":"q","type":"next","payload":{"data":{"label":{"id":"ada"}}}}`, `{"id":"q","type":"complete"}`)
}

// A subscription that reads a table without triggers is refused, rather than never to move.
func TestLiveRefusesTableWithoutTriggers(t *testing.T) {
	s := newLiveServer(t)
	s.pg.Exec(t, "drop trigger usergraph_announce_update on todos")
	two := startLiveServer(t, s.pg, s.issuer)
	c := two.connect(ada)
	c.ask("1", `subscription { me { todos { nodes { id } } } }`, `{}`)
	if got := c.receive(); !strings.Contains(got, `"type":"error"`) || !strings.Contains(got, endpoint.CodeSubscriptionsUnavailable) {
		t.Error(got)
	}
	c.subscribe("2")
	c.expect(next("2", "Ada"))
	c.ask("3", `subscription { todo(id: "x") { id } }`, `{}`)
	if got := c.receive(); !strings.Contains(got, `"type":"error"`) || !strings.Contains(got, "BAD_USER_INPUT") {
		t.Error(got)
	}
	s.until("only the second is watched", func() bool { return two.handler.Watches() == 1 })
}
