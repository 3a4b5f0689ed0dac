package endpoint_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"

	"usergraph/auth"
	"usergraph/database"
	"usergraph/endpoint"
	"usergraph/internal/pgtest"
	"usergraph/internal/testapi"
)

// discard is a response writer that costs nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header            { return d.header }
func (d *discard) Write(text []byte) (int, error) { return len(text), nil }
func (d *discard) WriteHeader(int)                {}

// BenchmarkRequest is the whole handler in process, without TCP and token: what GraphQL costs, and what it costs to
// refuse.
func BenchmarkRequest(b *testing.B) {
	fresh := pgtest.New(b)
	fresh.Exec(b, pgtest.Seed)
	db, err := database.Open(database.Config{URL: fresh.URL, MaxConns: 4})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	handler, err := endpoint.NewHandler(endpoint.Options{DB: db, Schema: testapi.New, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	guarded := endpoint.CrossSite(nil, handler)
	const id = "a0000000-0000-4000-8000-000000000001"
	claims := &auth.Claims{UserID: uuid.MustParse(id), Role: "authenticated", Payload: []byte(`{"role":"authenticated","sub":"` + id + `"}`)}
	for name, body := range map[string]string{
		"typename": `{"query":"{ __typename }"}`,
		"me":       `{"query":"{ me { fullName } }"}`,
		"variables": `{"query":"mutation M($input: UpdateMeInput!) { updateMe(input: $input) { id } }",` +
			`"variables":{"input":{"fullName":" "}},"operationName":"M"}`,
		"malformed": `{"query":`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			reader := bytes.NewReader(nil)
			request := httptest.NewRequest(http.MethodPost, "/graphql", nil)
			request.Header.Set("Content-Type", "application/json")
			request = request.WithContext(auth.NewContext(request.Context(), claims))
			request.ContentLength = int64(len(body))
			for b.Loop() {
				reader.Reset([]byte(body))
				request.Body = io.NopCloser(reader)
				guarded.ServeHTTP(&discard{http.Header{}}, request)
			}
		})
	}
}
