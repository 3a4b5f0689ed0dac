package graph_test

import (
	"bytes"
	"encoding/json"
	"flag"
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

	"usergraph/auth"
	"usergraph/database"
	"usergraph/graph"
	"usergraph/internal/pgtest"
	"usergraph/supabase"
)

var update = flag.Bool("update", false, "write the answers into testdata")

// Each document of testdata is one behaviour: a sentence, then seed.sql, who calls, what they ask, what they get.
func TestDocuments(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			document, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			fresh := pgtest.New(t)
			fresh.Exec(t, supabase.Seed)
			db, err := database.Open(database.Config{URL: fresh.URL, MaxConns: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			handler, err := graph.NewHandler(graph.Options{DB: db, Log: slog.New(slog.DiscardHandler), Introspection: graph.IntrospectionOn})
			if err != nil {
				t.Fatal(err)
			}
			caller, changed, answers := "", false, 0
			for i := 0; i < len(document.Files); i++ {
				part := document.Files[i]
				text := strings.TrimSpace(string(part.Data))
				switch name, query := strings.CutSuffix(part.Name, ".graphql"); {
				case part.Name == "seed.sql":
					fresh.Exec(t, text)
				case part.Name == "caller":
					caller = text
				case query:
					if i+1 == len(document.Files) || document.Files[i+1].Name != name+".json" {
						document.Files = slices.Insert(document.Files, i+1, txtar.File{Name: name + ".json"})
					}
					got := ask(t, handler, caller, text)
					want := &document.Files[i+1]
					answers++
					if got != string(want.Data) {
						if !*update {
							t.Errorf("%s:\ngot  %swant %s", part.Name, got, want.Data)
						}
						want.Data, changed = []byte(got), true
					}
				}
			}
			if answers == 0 {
				t.Error("the document asks nothing")
			}
			if *update && changed {
				if err := os.WriteFile(file, txtar.Format(document), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// ask sends a query as the user with this id, or as nobody, and returns the answer, indented.
func ask(t *testing.T, handler http.Handler, caller, query string) string {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	if caller != "" {
		claims := &auth.Claims{UserID: uuid.MustParse(caller), Role: "authenticated", Email: "caller@example.com",
			Payload: []byte(`{"role":"authenticated","sub":"` + caller + `"}`)}
		request = request.WithContext(auth.NewContext(request.Context(), claims))
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	var indented bytes.Buffer
	if err := json.Indent(&indented, answer.Body.Bytes(), "", "  "); err != nil {
		t.Fatalf("%v: %s", err, answer.Body)
	}
	return indented.String() + "\n"
}
