package endpoint_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"usergraph/auth"
	"usergraph/database"
	"usergraph/endpoint"
	"usergraph/internal/pgtest"
	"usergraph/internal/rowjson"
	"usergraph/internal/testapi"
)

// newRoads returns two handlers over one database with some rows of each table: one has package rowjson write rows, the other
// has gqlgen's generated code answer everything.
func newRoads(t *testing.T, changes ...func(*endpoint.Options)) (written, generated func(document string, variables map[string]any) string) {
	t.Helper()
	options := optionsFor(t, changes...)
	claims := &auth.Claims{UserID: ada, Role: "authenticated", Payload: fmt.Appendf(nil, `{"role":"authenticated","sub":%q}`, ada)}
	handlers := map[rowjson.Mode]*endpoint.Handler{}
	for _, mode := range []rowjson.Mode{rowjson.On, rowjson.Off} {
		options.RowJSON = mode
		handler, err := endpoint.NewHandler(options)
		if err != nil {
			t.Fatal(err)
		}
		handlers[mode] = handler
	}
	ask := func(mode rowjson.Mode) func(string, map[string]any) string {
		return func(document string, variables map[string]any) string {
			answer := handlers[mode].Ask(claims, requestOf(t, document, variables))
			return fmt.Sprint(answer.Code, answer.Body)
		}
	}
	return ask(rowjson.On), ask(rowjson.Off)
}

// rowsOfAda are rows of each table, with nulls and texts that JSON escapes.
const rowsOfAda = `
insert into projects (owner_id, name) select '%[1]s', 'p' || i || E'"\\\n<>' from generate_series(1, 5) i;
insert into todos (user_id, project_id, title, due_on)
	select '%[1]s', case when i %% 7 > 0 then 1 + i %% 5 end, 't' || i, case when i %% 3 > 0 then date '2026-01-01' + i end from generate_series(1, 40) i;
insert into labels select 'l' || i, case when i > 2 then 'red' end from generate_series(1, 5) i;
insert into todo_labels (todo_id, label_name, user_id) select t, 'l' || l, '%[1]s' from generate_series(1, 40) t, generate_series(1, 5) l where (t + l) %% 3 = 0;
insert into samples (id, user_id) values ('00000000-0000-4000-8000-000000000001', '%[1]s');
insert into samples (user_id, mood, words, numbers, moods, big, small, whole, exact, ratio, flag, ref, at, local, day, payload, raw)
	values ('%[1]s', 'so_so', '{a,"<b>"}', '{1,-2}', '{happy,sad}', 9007199254740993, -3, 4, -1.50, 1e21, true, '%[1]s', 'infinity', '2026-11-29 10:24', '2026-11-29', '{"a": ["<>", null]}', '[ 1 ]')`

// withRows has a handler answer from a new database, which has these rows.
func withRows(t *testing.T, fresh *pgtest.Database) func(*endpoint.Options) {
	return func(o *endpoint.Options) {
		fresh.Exec(t, pgtest.Seed+fmt.Sprintf(rowsOfAda, ada))
		db, err := database.Open(database.Config{URL: fresh.URL, MaxConns: 4})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		o.DB = db
		limits := endpoint.DefaultLimits()
		limits.SignedIn.Complexity, limits.SignedIn.Errors = math.MaxInt32, math.MaxInt32
		o.Limits = &limits
	}
}

// Random documents have the same answer, to the last byte, whoever writes the rows. The second answer to a document is
// written by the plan that the first one has left.
func TestWrittenRows(t *testing.T) {
	written, generated := newRoads(t, withRows(t, pgtest.New(t)))
	schema := testapi.With(nil).Schema()
	compared := 0
	for seed := range uint64(400) {
		document, variables := documentOf(schema, rand.New(rand.NewPCG(seed, 19)))
		if strings.HasPrefix(document, "mutation") {
			continue
		}
		compared++
		for range 2 {
			if got, want := written(document, variables), generated(document, variables); got != want {
				t.Fatalf("seed %d: %s %v\nwritten   %s\ngenerated %s", seed, document, variables, got, want)
			}
			for name, value := range variables { // the same document with other fields
				variables[name] = value == false
			}
		}
	}
	if compared < 200 {
		t.Errorf("only %d documents were compared", compared)
	}
}

// A list that is too large is refused, not written to its end.
func TestWrittenRowsHaveLimits(t *testing.T) {
	written, generated := newRoads(t, withRows(t, pgtest.New(t)), func(o *endpoint.Options) { o.Limits.SignedIn.ResponseBytes = 1000 })
	for document, fits := range map[string]bool{
		"{ todos(first: 5) { nodes { id } } }":                               true,
		"{ todos(first: 40) { nodes { id title project { name } } } }":       false,
		"{ projects { nodes { todos(first: 40) { nodes { id title } } } } }": false,
	} {
		got, want := written(document, nil), generated(document, nil)
		if got != want || strings.Contains(got, endpoint.CodeResponseLimit) == fits {
			t.Errorf("%s\nwritten   %s\ngenerated %s", document, got, want)
		}
	}
}

// Rows that wait for a relation are not waited for, nor asked for, when their caller leaves.
func TestWrittenRowsEndWithTheirCaller(t *testing.T) {
	pg := pgtest.New(t)
	handler, err := endpoint.NewHandler(optionsFor(t, withRows(t, pg)))
	if err != nil {
		t.Fatal(err)
	}
	_, waiting := lockTable(t, pg, "projects")
	ctx, leave := context.WithCancel(auth.NewContext(t.Context(), &auth.Claims{UserID: ada, Role: "authenticated", Payload: fmt.Appendf(nil, `{"role":"authenticated","sub":%q}`, ada)}))
	defer leave()
	request := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(requestOf(t, "{ todos { nodes { title project { name } } } }", nil)))
	request.Header.Set("Content-Type", "application/json")
	answered := make(chan struct{})
	go func() {
		handler.ServeHTTP(httptest.NewRecorder(), request.WithContext(ctx))
		close(answered)
	}()
	until(t, "a statement waits", func() bool { return waiting() == 1 })
	leave()
	<-answered
	until(t, "none waits", func() bool { return waiting() == 0 })
}

// The plans of a document take no more memory than is counted for them.
func TestPlansWeighWhatTheyTake(t *testing.T) {
	handler, err := endpoint.NewHandler(optionsFor(t))
	if err != nil {
		t.Fatal(err)
	}
	each := make([]map[string]any, 8) // of three variables
	for i := range each {
		each[i] = map[string]any{"a": i&1 > 0, "b": i&2 > 0, "c": i&4 > 0}
	}
	nothing := []map[string]any{nil}
	numbered := func(n int, format string) (text string) {
		for i := range n {
			text += fmt.Sprintf(format, i)
		}
		return text
	}
	for name, test := range map[string]struct {
		text   string
		values []map[string]any
	}{
		"a small one": {"{ todos { nodes { id } } }", nothing},
		"columns":     {"{ todos { nodes { " + numbered(29, "a%d: title ") + "} } }", nothing},
		"relations":   {"{ todos { nodes { " + numbered(20, "a%d: project { id } ") + "} } }", nothing},
		"nested":      {"{ todos { nodes { project { todos { nodes { project { todos { nodes { title } } } } } } } } }", nothing},
		"fragments":   {"{ todos { nodes { " + numbered(20, "a%d: project { ...f } ") + "} } } fragment f on Project { id name todos { nodes { id title } } }", nothing},
		"conditions":  {"query($a: Boolean!, $b: Boolean!, $c: Boolean!) { todos { nodes { id @include(if: $a) title @skip(if: $b) project @include(if: $c) { id name } } } }", each},
		"many":        {"query($a: Boolean!, $b: Boolean!, $c: Boolean!) { todos { nodes { id @include(if: $a) " + numbered(20, "p%d: project { id name @skip(if: $c) } ") + "title @skip(if: $b) } } }", each},
	} {
		takes, counted, err := handler.PlansTake(test.text, test.values)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if takes > counted {
			t.Errorf("%s: %d bytes, and %d are counted", name, takes, counted)
		} else {
			t.Logf("%s: %d bytes, and %d are counted", name, takes, counted)
		}
	}
}
