package testapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/auth"
	"usergraph/database"
	"usergraph/endpoint"
	"usergraph/internal/pgtest"
	"usergraph/internal/testapi"
)

var ada = uuid.MustParse("a0000000-0000-4000-8000-00000000000a")

// statements counts what bun sends.
type statements struct {
	mu    sync.Mutex
	texts []string
}

func (*statements) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

func (s *statements) AfterQuery(_ context.Context, event *bun.QueryEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts = append(s.texts, strings.ReplaceAll(event.Query, "\x01", ""))
}

// newAPI serves the API over a new database with some projects, todos and labels of Ada's and Bob's.
func newAPI(t *testing.T) (http.Handler, *statements) {
	t.Helper()
	pg := pgtest.New(t)
	pg.Exec(t, fmt.Sprintf(`insert into auth.users (id) values ('%[1]s'), ('b0000000-0000-4000-8000-00000000000b');
		insert into projects (owner_id, name) select '%[1]s', 'p' || i from generate_series(1, 10) i;
		insert into projects (owner_id, name) select 'b0000000-0000-4000-8000-00000000000b', 'q' || i from generate_series(1, 10) i;
		insert into todos (user_id, project_id, title, due_on) select '%[1]s', case when i %% 7 > 0 then 1 + i %% 13 end, 't' || i, case when i %% 3 > 0 then date '2026-01-01' + i end from generate_series(1, 100) i;
		insert into labels select 'l' || i, null from generate_series(1, 5) i;
		insert into todo_labels (todo_id, label_name, user_id) select t, 'l' || l, '%[1]s' from generate_series(1, 100) t, generate_series(1, 5) l where (t + l) %% 3 = 0`, ada))
	sent := new(statements)
	db, err := database.Open(database.Config{URL: pg.URL, QueryHooks: []bun.QueryHook{sent}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	limits := endpoint.DefaultLimits()
	limits.SignedIn.Complexity = 1e9
	handler, err := endpoint.NewHandler(endpoint.Options{Schema: testapi.New, DB: db, Limits: &limits, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return handler, sent
}

// ask returns the response to a query of Ada's.
func ask(t *testing.T, handler http.Handler, query string) string {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r = r.WithContext(auth.NewContext(r.Context(), &auth.Claims{
		UserID: ada, Role: "authenticated", Payload: fmt.Appendf(nil, `{"sub":%q,"role":"authenticated"}`, ada),
	}))
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, r)
	if strings.Contains(answer.Body.String(), `"errors"`) {
		t.Fatalf("%s: %s", query, answer.Body)
	}
	return answer.Body.String()
}

// A relation is one statement for each field and set of arguments of a level, whatever lists its rows are in.
func TestStatementsOfRelations(t *testing.T) {
	handler, sent := newAPI(t)
	for _, test := range []struct {
		query string
		want  int
	}{
		{"{ todos { nodes { id } } }", 1},
		{"{ todos { nodes { project { name } } } }", 2},
		{"{ todos { edges { node { project { name } } } } }", 2},
		{"{ todos { nodes { project { name } } edges { node { project { id } } } } }", 2},
		{"{ todos { nodes { project { name todos { nodes { id } } } } } }", 3},
		{"{ projects { nodes { todos { nodes { id } } } } }", 2},
		{"{ projects { nodes { todos { nodes { project { name } } } } } }", 3},
		{"{ projects { nodes { todos { edges { node { project { name } } } } } } }", 3},
		{"{ projects { nodes { todos { nodes { project { todos { nodes { labels { nodes { label { id } todo { id } } } } } } } } } } }", 7},
		{"{ projects { nodes { a: todos(first: 1) { nodes { id } } b: todos(first: 2) { nodes { id } } c: todos(first: 2) { nodes { title } } } } }", 3},
		{"{ projects { nodes { a: todos(first: 1) { nodes { project { id } } } b: todos(first: 2) { nodes { project { id } } } } } }", 5},
		{"{ todos(first: 5) { nodes { labels { totalCount nodes { id } } } } }", 3},
		{"{ projects { totalCount } }", 2},
		{"{ todo(id: 1) { project { todos { nodes { labels { nodes { label { id } } } } } } } }", 5},
		{"{ todos(filter: {projectId: {isNull: true}}) { nodes { project { name } } } }", 1},
		{"{ todoLabel(id: \"1.31.6c32\") { todo { labels { nodes { id } } } label { id } } }", 4},
		{`mutation { a: createTodo(input: {title: "a", projectId: 1}) { project { id } } b: createTodo(input: {title: "b", projectId: 1}) { project { id } } }`, 4},
	} {
		sent.texts = nil
		ask(t, handler, test.query)
		if len(sent.texts) != test.want {
			t.Errorf("%s: %d statements, want %d:\n%s", test.query, len(sent.texts), test.want, strings.Join(sent.texts, "\n"))
		}
	}
}

// Lists in lists are what each list is alone, with every order, filter and cursor.
func TestListsInLists(t *testing.T) {
	handler, _ := newAPI(t)
	type list struct {
		Nodes    []struct{ ID string }
		PageInfo struct {
			HasNextPage, HasPreviousPage bool
			EndCursor                    *string
		}
	}
	type todos struct{ Data struct{ Todos list } }
	for _, order := range []string{"CREATED_AT_ASC", "CREATED_AT_DESC", "DUE_ON_ASC", "DUE_ON_DESC"} {
		for _, filter := range []string{"", `dueOn: {isNull: true}`, `dueOn: {gte: "2026-02-01"}`} {
			after := ""
			for range 3 {
				arguments := func(project string) string {
					return fmt.Sprintf(`(first: 3, orderBy: %s, filter: {%s %s}%s)`, order, project, filter, after)
				}
				const fields = "{ nodes { id } pageInfo { hasNextPage hasPreviousPage endCursor } }"
				var nested struct {
					Data struct {
						Projects struct {
							Nodes []struct {
								ID    string
								Todos list
							}
						}
					}
				}
				decode(t, ask(t, handler, "{ projects { nodes { id todos"+arguments("")+fields+" } } }"), &nested)
				if len(nested.Data.Projects.Nodes) != 10 {
					t.Fatal(nested)
				}
				cursors := map[string]bool{}
				for _, project := range nested.Data.Projects.Nodes {
					var alone todos
					decode(t, ask(t, handler, "{ todos"+arguments(fmt.Sprintf("projectId: {eq: %q}", project.ID))+fields+" }"), &alone)
					if fmt.Sprint(alone.Data.Todos.Nodes) != fmt.Sprint(project.Todos.Nodes) || alone.Data.Todos.PageInfo.HasNextPage != project.Todos.PageInfo.HasNextPage {
						t.Errorf("project %s, %s:\nalone  %v\nnested %v", project.ID, arguments(""), alone.Data.Todos, project.Todos)
					}
					if cursor := project.Todos.PageInfo.EndCursor; cursor != nil {
						cursors[*cursor] = true
					}
				}
				if len(cursors) == 0 {
					break
				}
				sorted := make([]string, 0, len(cursors))
				for cursor := range cursors {
					sorted = append(sorted, cursor)
				}
				slices.Sort(sorted)
				after = fmt.Sprintf(", after: %q", sorted[0])
			}
		}
	}
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}
