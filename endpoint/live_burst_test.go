package endpoint_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
)

// liveCallers are users with a subscription to the newest of their todos each.
type liveCallers struct {
	*liveServer
	ids     []uuid.UUID
	clients []*client
}

const newestTodo = `subscription { todos(first: 1) { nodes { title } } }`

// subscribeCallers lets so many new users subscribe, each on a socket of its own.
func (s *liveServer) subscribeCallers(count int) *liveCallers {
	s.t.Helper()
	all := &liveCallers{liveServer: s}
	for range count {
		all.ids = append(all.ids, uuid.New())
	}
	s.pg.Exec(s.t, `insert into auth.users (id, raw_user_meta_data) select id, '{}' from unnest($1::uuid[]) id`, all.ids)
	for _, id := range all.ids {
		c := s.connect(id)
		c.ask("todos", newestTodo, `{}`)
		c.expect(`{"id":"todos","type":"next","payload":{"data":{"todos":{"nodes":[]}}}}`)
		all.clients = append(all.clients, c)
	}
	return all
}

// want waits until each caller has this title.
func (l *liveCallers) want(title string) {
	l.t.Helper()
	var all sync.WaitGroup
	for _, c := range l.clients {
		all.Go(func() { c.states(map[string]string{"todos": `{"todos":{"nodes":[{"title":"` + title + `"}]}}`}) })
	}
	all.Wait()
}

// A burst costs one read for each caller.
func TestLiveListOfManyCallers(t *testing.T) {
	const callers = 150 // more than the owners that a trigger announces by name
	all := newLiveServer(t).subscribeCallers(callers)
	if n := all.handler.Watches(); n != callers {
		t.Errorf("%d reads are watched", n)
	}
	// insert adds todos of every caller, titled by their number, in so many statements of one transaction.
	insert := func(statements int) (reads int64) {
		t.Helper()
		before := all.reads.Load()
		all.pg.Exec(t, fmt.Sprintf(`do $$ begin for i in 1..%d loop
			insert into todos (user_id, title, created_at) select id, i || ' of %[1]d', now() + interval '1 s' * (i + %[1]d) from users where id not in ('%[2]s', '%[3]s');
			end loop; end $$`, statements, ada, bob))
		all.want(fmt.Sprintf("%d of %[1]d", statements))
		return all.reads.Load() - before
	}
	if reads := insert(1); reads != callers {
		t.Errorf("%d reads after one statement", reads)
	}
	// The announcements of a transaction arrive one after the other, so the first readers may be too early.
	if reads := insert(500); reads > 10*callers {
		t.Errorf("%d reads after a transaction of 500 statements", reads)
	}
}

// However many lists must be read again, connections are left to queries.
func TestLiveReadersAreBounded(t *testing.T) {
	const callers = 20
	all := newLiveServer(t).subscribeCallers(callers)
	tx, waiting := lockTable(t, all.pg, "todos")
	all.pg.Exec(t, `select pg_notify('usergraph', '["public.todos", null, null]')`)
	all.until("two reads wait", func() bool { return waiting() == 2 })
	// The pool has four connections. A query is answered, again and again.
	for range 2 * callers {
		if err := all.tryRename(all.ids[0], "Ada"); err != nil {
			t.Fatal(err)
		}
	}
	if n := waiting(); n != 2 {
		t.Errorf("%d reads wait", n)
	}
	before := all.reads.Load()
	if _, err := tx.Exec(t.Context(), `insert into todos (user_id, title) select unnest($1::uuid[]), 'new'`, all.ids); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	all.want("new")
	// Those that were not read before the announcement are read once.
	if reads := all.reads.Load() - before; reads > 2*callers {
		t.Errorf("%d reads", reads)
	}
}
