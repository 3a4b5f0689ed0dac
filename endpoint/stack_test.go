package endpoint_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"usergraph/auth"
	"usergraph/auth/authtest"
	"usergraph/database"
	"usergraph/endpoint"
	"usergraph/internal/pgtest"
	"usergraph/internal/testapi"
)

var ada, bob = uuid.MustParse("a0000000-0000-4000-8000-000000000001"), uuid.MustParse("b0000000-0000-4000-8000-000000000002")

// stack is the endpoint as the server puts it together, over HTTP: database, tokens, cross-site guard.
type stack struct {
	t       testing.TB
	url     string
	handler http.Handler
	issuer  *authtest.Issuer
}

// optionsFor are those of a handler with a fresh database.
func optionsFor(t testing.TB, changes ...func(*endpoint.Options)) endpoint.Options {
	t.Helper()
	fresh := pgtest.New(t)
	fresh.Exec(t, pgtest.Seed)
	db, err := database.Open(database.Config{URL: fresh.URL, MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	options := endpoint.Options{DB: db, Schema: testapi.New, Log: slog.New(slog.DiscardHandler)}
	for _, change := range changes {
		change(&options)
	}
	return options
}

func newStack(t testing.TB, origins []string, changes ...func(*endpoint.Options)) *stack {
	t.Helper()
	options := optionsFor(t, changes...)
	handler, err := endpoint.NewHandler(options)
	if err != nil {
		t.Fatal(err)
	}
	issuer := authtest.New(t)
	keys, err := auth.NewStaticKeySet(issuer.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(auth.Config{Issuers: []auth.Issuer{{URL: issuer.URL(), Keys: keys}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = verifier.Close() })
	allowed, err := endpoint.ParseOrigins(origins)
	if err != nil {
		t.Fatal(err)
	}
	guarded := endpoint.CrossSite(allowed, auth.Middleware(verifier, auth.Options{})(handler))
	server := httptest.NewServer(guarded)
	t.Cleanup(server.Close)
	return &stack{t: t, url: server.URL, handler: guarded, issuer: issuer}
}

// request is what a test sends, if not told otherwise: a POST of JSON by nobody.
type request struct {
	method string // POST if ""
	query  string // after the ?
	header map[string]string
	body   string
	as     *uuid.UUID
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// code is that of the first error, or "".
func (a answer) code() string {
	var response struct {
		Errors []struct{ Extensions struct{ Code string } }
	}
	if json.Unmarshal([]byte(a.body), &response) != nil || len(response.Errors) == 0 {
		return ""
	}
	return response.Errors[0].Extensions.Code
}

func (r request) new(s *stack) *http.Request {
	s.t.Helper()
	if r.method == "" {
		r.method = http.MethodPost
	}
	var body io.Reader
	if r.body != "" {
		body = strings.NewReader(r.body)
	}
	made, err := http.NewRequest(r.method, s.url+"/graphql", body)
	if err != nil {
		s.t.Fatal(err)
	}
	made.URL.RawQuery = r.query
	if r.method == http.MethodPost {
		made.Header.Set("Content-Type", "application/json")
	}
	made.Header.Set("Accept", "application/graphql-response+json")
	if r.as != nil {
		made.Header.Set("Authorization", "Bearer "+s.issuer.Token(*r.as))
	}
	for name, value := range r.header {
		made.Header.Set(name, value)
		if value == "" {
			made.Header.Del(name)
		}
	}
	return made
}

// send sends a request over TCP.
func (s *stack) send(r request) answer {
	s.t.Helper()
	response, err := http.DefaultTransport.RoundTrip(r.new(s))
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

// jsonOf is a request body with this document, and variables if there are any.
func jsonOf(document string, variables ...string) string {
	text, err := json.Marshal(document)
	if err != nil {
		panic(err)
	}
	if len(variables) > 0 {
		return `{"query":` + string(text) + `,"variables":` + variables[0] + `}`
	}
	return `{"query":` + string(text) + `}`
}

// until waits for a condition.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(soon); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happens: %s", what)
		}
	}
}

// lockTable locks a table until the transaction ends, at the latest with the test. waiting counts the statements that wait for it.
func lockTable(t *testing.T, pg *pgtest.Database, table string) (tx pgx.Tx, waiting func() int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pg.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if tx, err = conn.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table "+table+" in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	return tx, func() (count int) {
		if err := tx.QueryRow(t.Context(), "select count(*) from pg_locks where relation = $1::regclass and not granted", table).Scan(&count); err != nil {
			t.Fatal(err)
		}
		return count
	}
}
