package endpoint_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/endpoint"
	"usergraph/internal/testapi"
)

// documentOf writes a random document that is valid for the schema: queries and mutations, with aliases, fragments,
// variables and directives. The same numbers write the same document.
func documentOf(schema *ast.Schema, random *rand.Rand) (document string, variables map[string]any) {
	w := documentWriter{schema: schema, random: random}
	root, kind := schema.Query, "query"
	if random.IntN(3) == 0 {
		root, kind = schema.Mutation, "mutation"
	}
	selections := w.selections(root, 0)
	if len(w.variables) == 0 {
		return kind + " Random " + selections + w.fragments.String(), nil
	}
	variables = map[string]any{}
	var definitions []string
	for i, condition := range w.variables {
		definitions = append(definitions, fmt.Sprintf("$v%d: Boolean!", i))
		variables[fmt.Sprintf("v%d", i)] = condition
	}
	return kind + " Random(" + strings.Join(definitions, ", ") + ") " + selections + w.fragments.String(), variables
}

type documentWriter struct {
	schema    *ast.Schema
	random    *rand.Rand
	aliases   int
	variables []bool
	fragments strings.Builder
	named     int
}

// selections writes a selection set of a type, with one field at least that is not skipped.
func (w *documentWriter) selections(definition *ast.Definition, depth int) string {
	var text strings.Builder
	text.WriteString("{ __typename ")
	for range 1 + w.random.IntN(5) {
		switch w.random.IntN(6) {
		case 0:
			if depth < 4 {
				fmt.Fprintf(&text, "... on %s %s ", definition.Name, w.selections(definition, depth+1))
			}
		case 1:
			if depth < 4 {
				inner := w.selections(definition, depth+1)
				fmt.Fprintf(&w.fragments, " fragment F%d on %s %s", w.named, definition.Name, inner)
				fmt.Fprintf(&text, "...F%d ", w.named)
				w.named++
			}
		default:
			text.WriteString(w.field(definition, depth))
		}
	}
	return text.String() + "} "
}

func (w *documentWriter) field(definition *ast.Definition, depth int) string {
	var fields []*ast.FieldDefinition
	for _, field := range definition.Fields {
		// Other mutations answer with the time of day.
		if !strings.HasPrefix(field.Name, "__") && (definition != w.schema.Mutation || field.Name == "updateMe") {
			fields = append(fields, field)
		}
	}
	field := fields[w.random.IntN(len(fields))]
	text := fmt.Sprintf("a%d: %s", w.aliases, field.Name)
	w.aliases++
	if field.Arguments.ForName("input") != nil {
		text += fmt.Sprintf("(input: {fullName: %q})", []string{"Ada", "Grace", " ", strings.Repeat("x", 201)}[w.random.IntN(4)])
	}
	if field.Arguments.ForName("id") != nil {
		id := map[string]string{"sample": "00000000-0000-4000-8000-000000000001", "todoLabel": "1.31.61"}[field.Name]
		text += fmt.Sprintf("(id: %q)", cmp.Or(id, "1"))
	}
	if field.Arguments.ForName("first") != nil && w.random.IntN(2) == 0 {
		text += fmt.Sprintf("(first: %d)", w.random.IntN(30))
	}
	if w.random.IntN(4) == 0 {
		text += fmt.Sprintf(" @%s(if: $v%d)", []string{"skip", "include"}[w.random.IntN(2)], len(w.variables))
		w.variables = append(w.variables, w.random.IntN(2) == 0)
	}
	if below := w.schema.Types[field.Type.Name()]; below.Kind == ast.Object {
		text += " " + w.selections(below, depth+1)
	}
	return text + " "
}

func requestOf(t testing.TB, document string, variables map[string]any) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// With limits, a valid document is answered as without, or refused by a limit; it is never answered otherwise.
func TestLimitsChangeNoAnswer(t *testing.T) {
	unlimited := endpoint.DefaultLimits()
	for _, most := range []*int{
		&unlimited.SignedIn.DocumentBytes, &unlimited.SignedIn.Tokens, &unlimited.SignedIn.Depth, &unlimited.SignedIn.RootFields, &unlimited.SignedIn.Fields,
		&unlimited.SignedIn.Aliases, &unlimited.SignedIn.Directives, &unlimited.SignedIn.Spreads, &unlimited.SignedIn.Complexity, &unlimited.SignedIn.Errors,
	} {
		*most = math.MaxInt32
	}
	tight := endpoint.DefaultLimits()
	tight.SignedIn.Aliases, tight.SignedIn.Fields, tight.SignedIn.Depth = 14, 60, 6
	with := newStack(t, nil, func(o *endpoint.Options) { o.Limits = &tight })
	without := newStack(t, nil, func(o *endpoint.Options) { o.Limits = &unlimited })
	schema := testapi.With(nil).Schema()
	answered, refused := 0, 0
	for seed := range uint64(600) {
		document, variables := documentOf(schema, rand.New(rand.NewPCG(seed, 7)))
		r := request{body: requestOf(t, document, variables), as: &ada}
		free, limited := without.send(r), with.send(r)
		if free.status != 200 {
			t.Fatalf("seed %d is not valid: %s: %s", seed, document, free.body)
		}
		switch {
		case limited.body == free.body:
			answered++
		case limited.status == 400 && strings.HasSuffix(limited.code(), "_LIMIT_EXCEEDED"):
			refused++
			// The mutations of both must go on from the same row.
			if strings.HasPrefix(document, "mutation") {
				for _, s := range []*stack{with, without} {
					s.send(request{body: jsonOf(`mutation { updateMe(input: {fullName: "Ada"}) { id } }`), as: &ada})
				}
			}
		default:
			t.Fatalf("seed %d: %s\nwithout limits %s\nwith limits    %d %s", seed, document, free.body, limited.status, limited.body)
		}
	}
	if answered < 40 || refused < 40 {
		t.Errorf("%d answered, %d refused: the test compares too little", answered, refused)
	}
}

// FuzzHandler sends anything to the whole handler, as Bob and as nobody: it must answer JSON, of the caller only.
func FuzzHandler(f *testing.F) {
	s := newStack(f, []string{"https://app.example.com"}, func(o *endpoint.Options) { o.Introspection = endpoint.IntrospectionOn })
	schema := testapi.With(nil).Schema()
	token := s.issuer.Token(bob)
	for seed := range uint64(20) {
		document, variables := documentOf(schema, rand.New(rand.NewPCG(seed, 8)))
		f.Add(http.MethodPost, requestOf(f, document, variables), "", "application/json", "application/json", true)
	}
	for _, attack := range attacks {
		if len(attack.request.body) > 10_000 || len(attack.request.query) > 10_000 {
			continue
		}
		method := attack.request.method
		if method == "" {
			method = http.MethodPost
		}
		f.Add(method, attack.request.body, attack.request.query, "application/json", attack.request.header["Accept"], attack.request.as != nil)
	}
	f.Fuzz(func(t *testing.T, method, body, query, contentType, accept string, signedIn bool) {
		r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
		r.Method, r.URL = method, &url.URL{Path: "/graphql", RawQuery: query}
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Accept", accept)
		if signedIn {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		recorder := httptest.NewRecorder()
		s.handler.ServeHTTP(recorder, r)
		text := recorder.Body.String()
		if recorder.Code == http.StatusInternalServerError || strings.Contains(text, endpoint.CodeInternal) {
			t.Errorf("%d %s", recorder.Code, text)
		}
		if recorder.Code < 200 || recorder.Code > 599 {
			t.Errorf("status %d", recorder.Code)
		}
		streamed := strings.HasPrefix(recorder.Header().Get("Content-Type"), "text/event-stream")
		if len(text) > 0 && !streamed && !json.Valid(recorder.Body.Bytes()) {
			t.Errorf("no JSON: %q", text)
		}
		if strings.Contains(text, "Ada Lovelace") || !signedIn && strings.Contains(text, "Bob Kahn") {
			t.Errorf("somebody else's answer: %s", text)
		}
	})
}
