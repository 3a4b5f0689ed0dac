package mcp_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/jsonschema-go/jsonschema"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/auth"
	"usergraph/endpoint"
	"usergraph/mcp"
)

var update = flag.Bool("update", false, "rewrite testdata")

// types has what a tool can be made of.
const types = `
"Seconds since the epoch."
scalar Seconds
scalar UUID
scalar DateTime

"How it looks."
enum Color {
  "Like grass."
  GREEN
  RED
}

input Point { x: Int! y: Int = 2 }

"A tree of conditions."
input Filter { all: [Filter!] color: Color at: Point }

input Choice @oneOf { id: ID name: String }

interface Named { "What it is called." name: String! }
type Cat implements Named { name: String! lives: Int! friends(first: Int = 10): [Named!]! born: DateTime at: Seconds }
type Dog implements Named { name: String! owner: ID color: Color }
union Pet = Cat | Dog

type Query {
  anything(
    "The id of what is read."
    id: ID!
    ids: [UUID!]
    since: DateTime
    at: Seconds
    size: Float
    small: Boolean! = true
    color: Color
    point: Point
  ): String @authenticated
  find(filter: Filter, choice: Choice): [Named]! @authenticated
  pet: Pet @authenticated
  open: Int! @public
  strong: Int @authenticated @requires(aal: AAL2)
  admin: Int @authenticated @hasRole(app: "admin")
  account: Int @authenticated @denyAnonymousUsers
}

type Mutation {
  unknown: Int @authenticated
  add: Int @authenticated @effect(destructive: false)
  set: Int @authenticated @effect(idempotent: true)
  put: Int @authenticated @effect(destructive: false, idempotent: true)
}

type Subscription { tick: Int @authenticated }
`

// described is an executable schema that resolves nothing.
type described struct{ schema *ast.Schema }

func (d described) Schema() *ast.Schema { return d.schema }
func (described) Complexity(context.Context, string, string, int, map[string]any) (int, bool) {
	return 0, false
}
func (described) Exec(context.Context) graphql.ResponseHandler {
	return graphql.OneShot(&graphql.Response{Data: []byte(`{}`)})
}

// newHandler makes tools of documents, each a file.
func newHandler(t testing.TB, mutations bool, documents ...string) (*mcp.Handler, error) {
	t.Helper()
	return newHandlerWithLog(t, slog.New(slog.DiscardHandler), mutations, documents...)
}

func newHandlerWithLog(t testing.TB, log *slog.Logger, mutations bool, documents ...string) (*mcp.Handler, error) {
	t.Helper()
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "engine.graphqls", Input: endpoint.SDL}, &ast.Source{Name: "types.graphqls", Input: types})
	if err != nil {
		t.Fatal(err)
	}
	run, err := endpoint.NewHandler(endpoint.Options{Log: log, Schema: func(*endpoint.Engine) graphql.ExecutableSchema { return described{schema} }})
	if err != nil {
		t.Fatal(err)
	}
	folder := fstest.MapFS{}
	for i, document := range documents {
		folder[fmt.Sprintf("%03d.graphql", i)] = &fstest.MapFile{Data: []byte(document)}
	}
	read, err := endpoint.ReadDocuments(folder)
	if err != nil {
		t.Fatal(err)
	}
	return mcp.New(mcp.Options{
		Endpoint: run, Log: log, Documents: read, Mutations: mutations,
		PublicURL: "https://api.example.com", Issuer: "https://abc.supabase.co/auth/v1", Version: "1",
	})
}

var caller = &auth.Claims{UserID: uuid.MustParse("a0000000-0000-4000-8000-000000000001"), Role: "authenticated", ClientID: "x", AAL: "aal1"}

// list returns the tools that a caller sees.
func list(t *testing.T, h *mcp.Handler, claims *auth.Claims) []map[string]any {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "*/*")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(auth.NewContext(r.Context(), claims)))
	var answer struct {
		Result struct{ Tools []map[string]any }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
		t.Fatal(w.Code, err, w.Body)
	}
	return answer.Result.Tools
}

// A tool is written out as testdata has it: its schemas are what a model reads.
func TestToolsOfDocuments(t *testing.T) {
	h, err := newHandler(t, false,
		`"Reads anything." query ReadAnything($id: ID!, "Of these." $ids: [UUID!], $since: DateTime, $at: Seconds, $size: Float = 1.5, $small: Boolean! = false, $color: Color = RED, $point: Point) {
			anything(id: $id, ids: $ids, since: $since, at: $at, size: $size, small: $small, color: $color, point: $point)
		}`,
		`"Finds pets." query FindPets($filter: Filter, $other: Filter, $choice: Choice, $deep: Boolean!) {
			find(filter: $filter, choice: $choice) { __typename name ... on Cat { lives friends { name ...Owner } } ... on Dog @include(if: $deep) { called: name } }
			other: find(filter: $other) { ...Owner }
		}
		fragment Owner on Dog { owner color }`,
		`"Finds a pet." query FindPet { pet { __typename ... on Cat { name at born friends { name } } ... on Dog { name color } ... on Named { name } } open }`,
		`# A document without a description is none.
		query NoTool { open }`,
		`"Is none either." subscription NoTool2 { tick }`,
		`"Nor this." mutation NoTool3 { add }`,
	)
	if err != nil {
		t.Fatal(err)
	}
	tools := list(t, h, caller)
	got, _ := json.MarshalIndent(tools, "", "  ")
	const file = "testdata/tools.json"
	if *update {
		if err := os.WriteFile(file, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(got)+"\n" != string(want) {
		t.Errorf("not as in %s, %v:\n%s", file, err, got)
	}
	if len(tools) != 3 {
		t.Fatal(len(tools), "tools")
	}
	for _, test := range []struct {
		tool         int
		schema, text string
		good         bool
	}{
		{0, "inputSchema", `{"id":"1"}`, true},
		{0, "inputSchema", `{"id":"1","ids":null,"since":null,"at":[1],"size":1,"color":"RED","point":{"x":1,"y":null}}`, true},
		{0, "inputSchema", `{}`, false},
		{0, "inputSchema", `{"id":"1","more":1}`, false},
		{0, "inputSchema", `{"id":"1","color":"BLUE"}`, false},
		{0, "inputSchema", `{"id":"1","point":{}}`, false},
		{0, "inputSchema", `{"id":"1","small":null}`, false},
		{1, "inputSchema", `{"deep":true,"filter":{"all":[{"color":"GREEN"},{"all":[]}]},"choice":{"id":"1"}}`, true},
		{1, "inputSchema", `{"deep":true,"filter":{"all":[{"all":[1]}]}}`, false},
		{1, "inputSchema", `{"deep":true,"choice":{}}`, false},
		{1, "inputSchema", `{"deep":true,"choice":{"id":"1","name":"x"}}`, false},
		{1, "outputSchema", `{"find":[null,{"__typename":"Dog","name":"x","called":"x"},{"__typename":"Cat","name":"x","lives":1,"friends":[{"name":"y","owner":null}]}],"other":[{}]}`, true},
		{1, "outputSchema", `{"find":[{"__typename":"Cat","name":"x","lives":1,"friends":[{"owner":null}]}],"other":[]}`, false},
		{1, "outputSchema", `{"find":null,"other":[]}`, false},
		{1, "outputSchema", `{"find":[{"__typename":"Pet","name":"x"}],"other":[]}`, false},
		{2, "outputSchema", `{"pet":null,"open":1}`, true},
		{2, "outputSchema", `{"pet":{"__typename":"Cat","name":"x","at":12,"born":"2026-01-01T00:00:00Z","friends":[]},"open":1}`, true},
		{2, "outputSchema", `{"pet":null}`, false},
	} {
		text, _ := json.Marshal(tools[test.tool][test.schema])
		var schema jsonschema.Schema
		if err := json.Unmarshal(text, &schema); err != nil {
			t.Fatal(err)
		}
		resolved, err := schema.Resolve(nil)
		if err != nil {
			t.Fatal(err)
		}
		var value any
		if err := json.Unmarshal([]byte(test.text), &value); err != nil {
			t.Fatal(err)
		}
		if err := resolved.Validate(value); (err == nil) != test.good {
			t.Errorf("%s of tool %d, %s: %v", test.schema, test.tool, test.text, err)
		}
	}
}

// A caller does not see what the directives would refuse.
func TestToolsOfCallers(t *testing.T) {
	h, err := newHandler(t, false, `"a" query All { pet { __typename } }`, `"a" query Strong { strong }`, `"a" query Admin { ...A } fragment A on Query { admin }`,
		`"a" query Account { account }`, `"a" query Both { strong admin }`)
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*auth.Claims)) *auth.Claims {
		claims := *caller
		change(&claims)
		return &claims
	}
	for name, test := range map[string]struct {
		claims *auth.Claims
		want   string
	}{
		"one factor":         {caller, "All Account"},
		"an unknown level":   {with(func(c *auth.Claims) { c.AAL = "aal3" }), "All Account"},
		"two factors":        {with(func(c *auth.Claims) { c.AAL = "aal2" }), "All Strong Account"},
		"without an account": {with(func(c *auth.Claims) { c.IsAnonymous = true }), "All"},
		"an admin":           {with(func(c *auth.Claims) { c.AppMetadata = []byte(`{"roles":["admin"]}`) }), "All Admin Account"},
		"an admin with two":  {with(func(c *auth.Claims) { c.AAL, c.AppMetadata = "aal2", []byte(`{"role":"admin"}`) }), "All Strong Admin Account Both"},
	} {
		var names []string
		for _, tool := range list(t, h, test.claims) {
			names = append(names, tool["name"].(string))
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestEffects(t *testing.T) {
	h, err := newHandler(t, true, `"a" mutation A { unknown }`, `"a" mutation B { add }`, `"a" mutation C { set }`, `"a" mutation D { put }`,
		`"a" mutation E { add put }`, `"a" mutation F { put set }`, `"a" mutation G { put unknown }`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tool := range list(t, h, caller) {
		hints := tool["annotations"].(map[string]any)
		got = append(got, fmt.Sprint(tool["name"], hints["readOnlyHint"], hints["destructiveHint"], hints["idempotentHint"]))
		said := mcp.Effect{ReadOnly: hints["readOnlyHint"] == true, Destructive: hints["destructiveHint"] == true, Idempotent: hints["idempotentHint"] == true}
		if effect, ok := h.EffectOf(tool["name"].(string)); !ok || effect != said {
			t.Errorf("%s: %+v, %t; agents are told %+v", tool["name"], effect, ok, said)
		}
	}
	if _, ok := h.EffectOf("H"); ok {
		t.Error("a tool that is not there has an effect")
	}
	if want := "Afalse true false Bfalse false false Cfalse true true Dfalse false true Efalse false false Ffalse true true Gfalse true false"; strings.Join(got, " ") != want {
		t.Errorf("%v\nwant %s", got, want)
	}
}

// A document that cannot be a tool stops the start, and names its file.
func TestDocumentsThatAreNoTools(t *testing.T) {
	for document, want := range map[string]string{
		`"a" query A { nothing }`:                                 "documents/000.graphql",
		`"a" query A($x: Int!) { open }`:                          "documents/000.graphql",
		`"a" query A { pet { ...B } } fragment C on Cat { name }`: "documents/000.graphql",
		`"a" query ` + strings.Repeat("A", 129) + ` { open }`:     "128",
		`query A { open }`:                                        "description",
	} {
		if _, err := newHandler(t, false, document); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", document, err)
		}
	}
	if _, err := newHandler(t, false); err == nil {
		t.Error("no document is a tool, and nobody says so")
	}
}
