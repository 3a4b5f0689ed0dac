package mcp_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"usergraph/auth"
	"usergraph/database"
	"usergraph/endpoint"
	"usergraph/internal/pgtest"
	"usergraph/internal/testapi"
	"usergraph/mcp"
)

// discard is a response writer that costs nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header            { return d.header }
func (d *discard) Write(text []byte) (int, error) { return len(text), nil }
func (d *discard) WriteHeader(int)                {}

// BenchmarkAgent compares a call of a tool, and the list of 200, with the same operation over /graphql: the handlers in process, without
// TCP and token. The bars are 2 and 3 times the first.
func BenchmarkAgent(b *testing.B) {
	fresh := pgtest.New(b)
	fresh.Exec(b, pgtest.Seed)
	db, err := database.Open(database.Config{URL: fresh.URL, MaxConns: 4})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	log := slog.New(slog.DiscardHandler)
	handler, err := endpoint.NewHandler(endpoint.Options{DB: db, Schema: testapi.New, Log: log})
	if err != nil {
		b.Fatal(err)
	}
	folder := fstest.MapFS{}
	for i := range 200 {
		folder[fmt.Sprintf("%d.graphql", i)] = &fstest.MapFile{Data: fmt.Appendf(nil,
			`"Returns the signed-in user: id, display name, picture and email address." query WhoAmI%d { me { id fullName avatarUrl email } }`, i)}
	}
	documents, err := endpoint.ReadDocuments(folder)
	if err != nil {
		b.Fatal(err)
	}
	agents, err := mcp.New(mcp.Options{
		Endpoint: handler, Log: log, Documents: documents, PublicURL: "https://api.example.com", Issuer: "https://abc.supabase.co/auth/v1", Version: "1",
	})
	if err != nil {
		b.Fatal(err)
	}
	claims := *caller
	claims.Payload = []byte(`{"role":"authenticated","sub":"` + caller.UserID.String() + `"}`)
	for _, test := range []struct {
		name    string
		handler http.Handler
		body    string
	}{
		{"graphql", handler, `{"query":"query WhoAmI { me { id fullName avatarUrl email } }"}`},
		{"call", agents, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"WhoAmI0","arguments":{}}}`},
		{"list", agents, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			reader := bytes.NewReader(nil)
			request := httptest.NewRequest(http.MethodPost, "/", nil)
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("Accept", "application/json, text/event-stream")
			request.Header.Set("Mcp-Protocol-Version", "2025-11-25")
			request = request.WithContext(auth.NewContext(request.Context(), &claims))
			request.ContentLength = int64(len(test.body))
			for b.Loop() {
				reader.Reset([]byte(test.body))
				request.Body = io.NopCloser(reader)
				test.handler.ServeHTTP(&discard{http.Header{}}, request)
			}
		})
	}
}
