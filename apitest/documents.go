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

	"github.com/google/uuid"
	"golang.org/x/tools/txtar"

	"usergraph/app"
	"usergraph/auth"
	"usergraph/endpoint"
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
			if changed := run(t, api, document); changed {
				if err := os.WriteFile(file, txtar.Format(document), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// run runs one document. It reports whether responses in it were rewritten.
func run(t *testing.T, api app.API, document *txtar.Archive) (changed bool) {
	t.Helper()
	needs, err := endpoint.Needs(api.Schema(new(endpoint.Engine)))
	if err != nil {
		t.Fatal(err)
	}
	d := postgres(t, api.Migrations, needs.Announced...)
	d.Exec(t, api.Seed)
	handler, err := endpoint.NewHandler(endpoint.Options{
		Schema: api.Schema, Errors: api.Errors, DB: d.db, Log: slog.New(slog.DiscardHandler), Introspection: endpoint.IntrospectionOn,
	})
	if err != nil {
		t.Fatal(err)
	}
	var asked question
	answers := 0
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
			answers++
			asked.query, asked.variables = text, ""
			if i+1 < len(document.Files) && document.Files[i+1].Name == name+".variables.json" {
				i++
				asked.variables = string(document.Files[i].Data)
			}
			if i+1 == len(document.Files) || document.Files[i+1].Name != name+".json" {
				document.Files = slices.Insert(document.Files, i+1, txtar.File{Name: name + ".json"})
			}
			want := &document.Files[i+1]
			got := ask(t, handler, asked)
			if got == string(want.Data) {
				continue
			}
			if !*update || !storable(t, string(document.Comment), got) {
				t.Errorf("%s:\ngot  %swant %s", part.Name, got, want.Data)
				continue
			}
			want.Data, changed = []byte(got), true
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

// ask returns the response, indented.
func ask(t *testing.T, handler http.Handler, q question) string {
	t.Helper()
	request := map[string]any{"query": q.query}
	if q.variables != "" {
		request["variables"] = json.RawMessage(q.variables)
	}
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if q.caller != "" {
		r = r.WithContext(auth.NewContext(r.Context(), claimsOf(t, q)))
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, r)
	var indented bytes.Buffer
	if err := json.Indent(&indented, answer.Body.Bytes(), "", "  "); err != nil {
		t.Fatalf("%v: %s", err, answer.Body)
	}
	return indented.String() + "\n"
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
	claims := &auth.Claims{UserID: id, Role: "authenticated", Email: fmt.Sprint(payload["email"]), Payload: text}
	claims.AAL, _ = payload["aal"].(string)
	claims.IsAnonymous, _ = payload["is_anonymous"].(bool)
	claims.AppMetadata, _ = json.Marshal(payload["app_metadata"])
	return claims
}
