package apitest

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/tools/txtar"

	"usergraph/app"
	"usergraph/auth"
	"usergraph/endpoint"
	"usergraph/internal/rowjson"
)

var update = flag.Bool("update", false, "write the answers into testdata")

// Documents runs the requests of the documents, and compares the responses. A document is a txtar file: a sentence,
// then
//
//	-- seed.sql --        SQL that the superuser runs, after the API's seed
//	-- caller --          the id of the user who sends the next requests; empty for anonymous
//	-- claims.json --     more claims of the caller's token, such as {"aal": "aal2"}
//	-- 1.graphql --       the operation
//	-- 1.variables.json --  its variables
//	-- 1.json --          the response
//
// A subscription is asked in the same way. Its response is the first state, and two files follow:
//
//	-- 1.sql --           SQL that the superuser runs then
//	-- 1.next.json --     the next state
//
// go test -update writes the responses. It never stores an INTERNAL_SERVER_ERROR, and a FORBIDDEN only if the sentence
// mentions one.
func Documents(t *testing.T, api app.API, pattern string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents at %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			document, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			changed := false
			for _, mode := range []rowjson.Mode{rowjson.On, rowjson.Off} {
				changed = run(t, api, document, mode) || changed
			}
			if changed {
				if err := os.WriteFile(file, txtar.Format(document), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// run runs one document on a database of its own. It reports whether responses in it were rewritten.
func run(t *testing.T, api app.API, document *txtar.Archive, mode rowjson.Mode) (changed bool) {
	t.Helper()
	needs, err := endpoint.Needs(api.Schema(new(endpoint.Engine)))
	if err != nil {
		t.Fatal(err)
	}
	d := postgres(t, api.Migrations, needs.Announced...)
	d.Exec(t, api.Seed)
	options := endpoint.Options{
		Schema: api.Schema, Errors: api.Errors, DB: d.db, Log: slog.New(slog.DiscardHandler), Introspection: endpoint.IntrospectionOn,
		RowJSON: mode,
	}
	if slices.ContainsFunc(document.Files, func(f txtar.File) bool { return f.Name != "seed.sql" && strings.HasSuffix(f.Name, ".sql") }) {
		options.Changes = listen(t, d)
	}
	handler, err := endpoint.NewHandler(options)
	if err != nil {
		t.Fatal(err)
	}
	var asked question
	answers := 0
	// answered compares a response with the file after the present one, and counts it.
	answered := func(i *int, name, got string) {
		answers++
		if *i+1 == len(document.Files) || document.Files[*i+1].Name != name {
			document.Files = slices.Insert(document.Files, *i+1, txtar.File{Name: name})
		}
		*i++
		want := &document.Files[*i]
		if got == string(want.Data) {
			return
		}
		if !*update || !storable(t, string(document.Comment), got) {
			t.Errorf("%s:\ngot  %swant %s", name, got, want.Data)
			return
		}
		want.Data, changed = []byte(got), true
	}
	for i := 0; i < len(document.Files); i++ {
		part := document.Files[i]
		text := strings.TrimSpace(string(part.Data))
		name, isQuestion := strings.CutSuffix(part.Name, ".graphql")
		switch {
		case part.Name == "seed.sql":
			d.Exec(t, text)
		case part.Name == "caller":
			asked.caller = text
		case part.Name == "claims.json":
			asked.claims = text
		case isQuestion:
			asked.query, asked.variables = text, ""
			if i+1 < len(document.Files) && document.Files[i+1].Name == name+".variables.json" {
				i++
				asked.variables = string(document.Files[i].Data)
			}
			change := slices.IndexFunc(document.Files, func(f txtar.File) bool { return f.Name == name+".sql" })
			if change < 0 {
				answered(&i, name+".json", ask(t, handler, asked))
				continue
			}
			next := states(t, handler, asked)
			first := next()
			answered(&i, name+".json", first)
			if i++; i == len(document.Files) || document.Files[i].Name != name+".sql" {
				t.Fatalf("%s.sql does not follow %s.json", name, name)
			}
			d.Exec(t, string(document.Files[i].Data))
			state := next()
			for state == first { // what announces the rows of the seed may come late
				state = next()
			}
			answered(&i, name+".next.json", state)
		}
	}
	if answers == 0 {
		t.Error("the document asks nothing")
	}
	return changed
}

// storable reports whether -update may store a response.
func storable(t *testing.T, sentence, answer string) bool {
	t.Helper()
	switch {
	case strings.Contains(answer, endpoint.CodeInternal):
		t.Error("an internal error is no answer to store")
	case strings.Contains(answer, endpoint.CodeForbidden) && !strings.Contains(strings.ToLower(sentence), "forbidden"):
		t.Error("the answer is FORBIDDEN, and the document's sentence does not speak of it")
	default:
		return true
	}
	return false
}

// question is a caller's request.
type question struct{ caller, claims, query, variables string }

// body is what a client sends.
func (q question) body(t *testing.T) []byte {
	t.Helper()
	request := map[string]any{"query": q.query}
	if q.variables != "" {
		request["variables"] = json.RawMessage(q.variables)
	}
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// ask returns the response, indented.
func ask(t *testing.T, handler http.Handler, q question) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(q.body(t)))
	r.Header.Set("Content-Type", "application/json")
	if q.caller != "" {
		r = r.WithContext(auth.NewContext(r.Context(), claimsOf(t, q)))
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, r)
	return indented(t, answer.Body.Bytes())
}

// claimsOf returns the claims of the caller's token.
func claimsOf(t *testing.T, q question) *auth.Claims {
	t.Helper()
	id, err := uuid.Parse(q.caller)
	if err != nil {
		t.Fatalf("caller %q: %v", q.caller, err)
	}
	payload := map[string]any{"role": "authenticated", "sub": id, "email": "caller@example.com"}
	if q.claims != "" {
		if err := json.Unmarshal([]byte(q.claims), &payload); err != nil {
			t.Fatalf("claims.json: %v", err)
		}
	}
	text, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	claims := &auth.Claims{UserID: id, Role: "authenticated", Email: fmt.Sprint(payload["email"]), Payload: text, ExpiresAt: time.Now().Add(time.Hour)}
	claims.AAL, _ = payload["aal"].(string)
	claims.IsAnonymous, _ = payload["is_anonymous"].(bool)
	claims.AppMetadata, _ = json.Marshal(payload["app_metadata"])
	return claims
}
