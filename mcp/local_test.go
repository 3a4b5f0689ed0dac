package mcp_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"usergraph/auth"
	"usergraph/database"
	"usergraph/endpoint"
	"usergraph/internal/pgtest"
	"usergraph/internal/testapi"
	"usergraph/mcp"
)

// A team's own code lists and calls the tools, as the caller of a request.
func TestLocalTools(t *testing.T) {
	pg := pgtest.New(t)
	pg.Exec(t, pgtest.Seed)
	db, err := database.Open(database.Config{URL: pg.URL, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	handler, err := endpoint.NewHandler(endpoint.Options{Log: slog.New(slog.DiscardHandler), DB: db, Schema: func(e *endpoint.Engine) graphql.ExecutableSchema { return testapi.New(e) }})
	if err != nil {
		t.Fatal(err)
	}
	documents := []endpoint.Document{
		{File: "1.graphql", Name: "WhoAmI", Kind: "query", Description: "Who.", Text: `query WhoAmI { me { fullName } }`},
		{File: "2.graphql", Name: "Todo", Kind: "query", Description: "One.", Text: `query Todo($id: ID!) { todo(id: $id) { title } }`},
		{File: "3.graphql", Name: "Rename", Kind: "mutation", Description: "Renames.", Text: `mutation Rename($name: String) { updateMe(input: {fullName: $name}) { fullName } }`},
		{File: "4.graphql", Name: "Undescribed", Kind: "query", Text: `query Undescribed { me { id } }`},
	}
	tools, err := mcp.NewTools(handler, documents, false)
	if err != nil {
		t.Fatal(err)
	}
	request := func(user string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		if user == "" {
			return r
		}
		payload := []byte(`{"role":"authenticated","sub":"` + user + `"}`)
		return r.WithContext(auth.NewContext(r.Context(), &auth.Claims{UserID: uuid.MustParse(user), Role: "authenticated", Payload: payload}))
	}
	const ada, bob = "a0000000-0000-4000-8000-000000000001", "b0000000-0000-4000-8000-000000000002"
	var listed []string
	for _, tool := range tools.Of(request(ada)) {
		listed = append(listed, tool.Name+" "+tool.Description+" "+string(tool.InputSchema))
	}
	want := `WhoAmI Who. {"type":"object","properties":{},"additionalProperties":false}
Todo One. {"type":"object","properties":{"id":{"type":"string"`
	if got := strings.Join(listed, "\n"); !strings.HasPrefix(got, want) || len(listed) != 2 {
		t.Errorf("got  %s\nwant %s…", got, want)
	}
	if of := tools.Of(request("")); of != nil {
		t.Error("anonymous callers have tools:", of)
	}
	for _, test := range []struct {
		user, name, arguments, want string
		ok                          bool
	}{
		{ada, "WhoAmI", `{}`, `{"me":{"fullName":"Ada Lovelace"}}`, true},
		{bob, "WhoAmI", ``, `{"me":{"fullName":"Bob Kahn"}}`, true},
		{ada, "WhoAmI", `{"id":1}`, "BAD_USER_INPUT: there is an argument that the tool does not have", false},
		{ada, "WhoAmI", `[]`, "BAD_USER_INPUT: the arguments are not a JSON object", false},
		{ada, "WhoAmI", `{"id":`, "BAD_USER_INPUT: the arguments are not a JSON object", false},
		{ada, "Todo", `{}`, "GRAPHQL_VALIDATION_FAILED", false},
		{ada, "Rename", `{"name":"Eve"}`, "BAD_USER_INPUT: there is no tool of this name", false},
		{ada, "Undescribed", `{}`, "BAD_USER_INPUT: there is no tool of this name", false},
		{"", "WhoAmI", `{}`, "UNAUTHENTICATED", false},
	} {
		if got, ok := tools.Call(request(test.user), test.name, []byte(test.arguments)); ok != test.ok || !strings.HasPrefix(got, test.want) {
			t.Errorf("%s(%s): %v %s", test.name, test.arguments, ok, got)
		}
	}
	writing, err := mcp.NewTools(handler, documents, true)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := writing.Call(request(ada), "Rename", []byte(`{"name":"Ada King"}`)); !ok || got != `{"updateMe":{"fullName":"Ada King"}}` {
		t.Error(ok, got)
	}
}
