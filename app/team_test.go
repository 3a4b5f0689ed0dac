package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/uptrace/bun"

	"usergraph/auth/authtest"
	"usergraph/endpoint"
	"usergraph/internal/pgtest"
)

// A team's additions work, behind the same guards as /graphql.
func TestTeamsOwn(t *testing.T) {
	api := testAPI
	api.Routes = func(mux *http.ServeMux, engine *endpoint.Engine) {
		mux.HandleFunc("GET /name", func(w http.ResponseWriter, r *http.Request) {
			caller, err := endpoint.CallerOf(r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusUnauthorized)
				return
			}
			var names []string
			if err := engine.As(caller).NewRaw("select full_name from users").Scan(r.Context(), &names); err != nil {
				t.Error(err)
			}
			fmt.Fprint(w, names)
		})
	}
	api.Middleware = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Team", "ours")
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), teamKey{}, "ours")))
		})
	}
	api.Commands = []Command{{Name: "fail", Doc: "fails", Run: func(context.Context, Env, []string) error { return Usage(errors.New("as told")) }}}

	var statements statementCounter
	api.QueryHooks = []bun.QueryHook{&statements}

	issuer, pg := authtest.New(t), pgtest.New(t)
	pg.Exec(t, pgtest.Seed)
	url := serveAPI(t, api, "DATABASE_URL", pg.URL, "SUPABASE_URL", strings.TrimSuffix(issuer.URL(), issuerPath))
	for _, test := range []struct {
		name, path, token, site string
		status                  int
		body                    string
	}{
		{"a route, as Ada", "/name", issuer.Token(ada), "", 200, "[Ada Lovelace]"},
		{"a route, signed out", "/name", "", "", 401, "sign in to use this field\n"},
		{"a route, with a bad token", "/name", "bad", "", 401, ""},
		{"a route, from another site", "/name", issuer.Token(ada), "cross-site", 403, ""},
		{"no route", "/nothing", "", "", 404, ""},
		{"the engine's own", "/livez", "", "", 200, "ok\n"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.token != "" {
			request.Header.Set("Authorization", "Bearer "+test.token)
		}
		if test.site != "" {
			request.Header.Set("Sec-Fetch-Site", test.site)
			request.Header.Set("Origin", "https://evil.example")
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != test.status || test.body != "" && string(body) != test.body {
			t.Errorf("%s: %d %s %v", test.name, answer.StatusCode, body, err)
		}
		if answer.Header.Get("X-Team") != "ours" {
			t.Errorf("%s: not through the team's middleware", test.name)
		}
	}
	if statements.Load() == 0 {
		t.Error("no query hook of the team's was called")
	}
	var usage usageError
	if err := Run(t.Context(), api, Env{Args: []string{"fail"}, Getenv: noEnvironment, Stdout: io.Discard}); !errors.As(err, &usage) {
		t.Errorf("a command of a team's own: %v", err)
	}
}

// statementCounter is a query hook that counts.
type statementCounter struct{ atomic.Int64 }

func (c *statementCounter) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context {
	c.Add(1)
	return ctx
}
func (*statementCounter) AfterQuery(context.Context, *bun.QueryEvent) {}

type teamKey struct{}

// What a team adds must not take the place of what the program has, nor be out of reach.
func TestTeamsOwnThatClashes(t *testing.T) {
	set := func(string) error { return nil }
	do := func(context.Context, Env, []string) error { return nil }
	for name, test := range map[string]struct {
		change func(*API)
		want   string // "" if it is right
	}{
		"nothing": {func(*API) {}, ""},
		"own settings": {func(a *API) {
			a.Settings = []Setting{{Name: "SHOP_KEY", Secret: true, Set: set}, {Name: "SHOP_NAME", Set: set}}
		}, ""},
		"own command":               {func(a *API) { a.Commands = []Command{{Name: "reindex", Run: do}} }, ""},
		"no schema":                 {func(a *API) { a.Schema = nil }, "Schema"},
		"a setting of the engine's": {func(a *API) { a.Settings = []Setting{{Name: "PORT", Set: set}} }, "PORT"},
		"another name of one":       {func(a *API) { a.Settings = []Setting{{Name: "SUPABASE_DB_URL", Set: set}} }, "SUPABASE_DB_URL"},
		"the file of one":           {func(a *API) { a.Settings = []Setting{{Name: "DATABASE_URL_FILE", Set: set}} }, "DATABASE_URL_FILE"},
		"two of one name":           {func(a *API) { a.Settings = []Setting{{Name: "SHOP", Set: set}, {Name: "SHOP", Set: set}} }, "SHOP"},
		"the file of an own secret": {func(a *API) {
			a.Settings = []Setting{{Name: "SHOP", Secret: true, Set: set}, {Name: "SHOP_FILE", Set: set}}
		}, "SHOP_FILE"},
		"a secret whose file is taken": {func(a *API) {
			a.Settings = []Setting{{Name: "SHOP_FILE", Set: set}, {Name: "SHOP", Secret: true, Set: set}}
		}, "SHOP"},
		"a setting without a name":        {func(a *API) { a.Settings = []Setting{{Set: set}} }, "no name"},
		"a setting without Set":           {func(a *API) { a.Settings = []Setting{{Name: "SHOP"}} }, "SHOP"},
		"a command of the engine's":       {func(a *API) { a.Commands = []Command{{Name: "serve", Run: do}} }, "serve"},
		"help":                            {func(a *API) { a.Commands = []Command{{Name: "help", Run: do}} }, "help"},
		"a command that is a flag":        {func(a *API) { a.Commands = []Command{{Name: "--version", Run: do}} }, "--version"},
		"two commands of one name":        {func(a *API) { a.Commands = []Command{{Name: "fill", Run: do}, {Name: "fill", Run: do}} }, "fill"},
		"a command that does not do much": {func(a *API) { a.Commands = []Command{{Name: "fill"}} }, "fill"},
	} {
		api := testAPI
		test.change(&api)
		err := Run(t.Context(), api, Env{Args: []string{"version"}, Getenv: noEnvironment, Stdout: io.Discard})
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A secret of a team's own is kept as the engine's are: not shown, and taken from a file.
func TestTeamsSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, env := range [][]string{{"SHOP_KEY", "hunter2"}, {"SHOP_KEY_FILE", file}} {
		api := testAPI
		var given string
		api.Settings = []Setting{{Name: "SHOP_KEY", Doc: "the key of the shop", Secret: true, Set: func(value string) error { given = value; return nil }}}
		var out strings.Builder
		getenv := environment(append(env, "DATABASE_URL", "postgres://a:b@127.0.0.1:1/c", "SUPABASE_URL", "https://abc.supabase.co")...)
		if err := Run(t.Context(), api, Env{Args: []string{"config"}, Getenv: getenv, Stdout: &out}); err != nil {
			t.Error(err)
		}
		if given != "hunter2" || strings.Contains(out.String(), "hunter2") || !strings.Contains(out.String(), "SHOP_KEY") {
			t.Errorf("%s: given %q, shown\n%s", env[0], given, out.String())
		}
	}
}

// usergraph dev has surroundings of its own in the place of the engine's settings, and none in the place of a team's.
func TestTeamsSettingInDev(t *testing.T) {
	api := testAPI
	api.Settings = []Setting{{Name: "SHOP_NAME", Set: func(value string) error { return fmt.Errorf("was given as %s", value) }}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a dev that takes no offence would go on
	defer cancel()
	err := Run(ctx, api, Env{
		Args:   []string{"dev", "--port", "0", "--auth-port", "0", "--data", t.TempDir()},
		Getenv: environment("SHOP_NAME", "corner", "PORT", "nonsense"), Stdout: io.Discard,
	})
	if err == nil || err.Error() != "SHOP_NAME was given as corner" {
		t.Error(err)
	}
}

// Without migrations there is an error for people, not a panic.
func TestTeamWithoutMigrations(t *testing.T) {
	api := API{Schema: testAPI.Schema}
	for _, args := range []string{"migrate", "doctor"} {
		err := Run(t.Context(), api, Env{Args: []string{args}, Getenv: environment("DATABASE_URL", "postgres://a:b@127.0.0.1:1/c", "SUPABASE_URL", "http://127.0.0.1:1"), Stdin: strings.NewReader(""), Stdout: io.Discard})
		if err == nil {
			t.Errorf("%s: no error", args)
		}
	}
}

// A file of the schema may do no more than extend a type, or declare a directive.
func TestSourceOfSchema(t *testing.T) {
	files := []*ast.Source{
		{Name: "schema.graphqls", Input: "type Query { a: Int }\nenum E { A }\n"},
		{Name: "schema/directive.graphqls", Input: "directive @staff on OBJECT | FIELD_DEFINITION\n"},
		{Name: "schema/enum.graphqls", Input: "extend enum E { B }\n"},
		{Name: "schema/object.graphqls", Input: "extend type Query @staff\n"},
		{Name: "schema/query.graphqls", Input: "extend type Query { b: E }\n"},
	}
	schema, err := gqlparser.LoadSchema(files...)
	if err != nil {
		t.Fatal(err)
	}
	got := sourceOf(schema)
	for _, file := range files {
		if !strings.Contains(got, file.Input) {
			t.Errorf("%s is missing in\n%s", file.Name, got)
		}
	}
	if strings.Contains(got, "@deprecated") {
		t.Errorf("GraphQL's own are in it:\n%s", got)
	}
}

// A document that cannot be tried stops the start, and names its file.
func TestDocumentsThatAreWrong(t *testing.T) {
	right := map[string]string{"a.graphql": "# Ask.\nquery Ask($x: Boolean!) { a @skip(if: $x) }\n", "a.json": `{"x": true}`}
	for name, test := range map[string]struct{ file, text, want string }{
		"right":              {"a.json", `{"x": false}`, ""},
		"no JSON":            {"a.json", `{"x": tru}`, "documents/a.json"},
		"no object":          {"a.json", `[]`, "documents/a.json"},
		"more after it":      {"a.json", `{} {}`, "documents/a.json"},
		"empty":              {"a.json", ``, "documents/a.json"},
		"no GraphQL":         {"a.graphql", `query Ask {`, "documents/a.graphql"},
		"no name":            {"a.graphql", `{ a }`, "documents/a.graphql"},
		"two operations":     {"a.graphql", `query A { a } query B { a }`, "documents/a.graphql"},
		"variables of a dir": {"b.json/x", ``, ""},
	} {
		documents := fstest.MapFS{}
		for file, text := range right {
			documents[file] = &fstest.MapFile{Data: []byte(text)}
		}
		documents[test.file] = &fstest.MapFile{Data: []byte(test.text)}
		operations, err := endpoint.ReadDocuments(documents)
		if test.want == "" && (err != nil || len(operations) != 1) || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, %v", name, operations, err)
		}
	}
}

// serveAPI runs `serve` for an API until the test ends, and returns its address.
func serveAPI(t *testing.T, api API, env ...string) (url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	env = append(env, "HOST", "127.0.0.1", "PORT", "0", "DRAIN_DELAY", "0s", "LOG_FORMAT", "json")
	go func() {
		err := Run(ctx, api, Env{Args: []string{"serve"}, Getenv: environment(env...), Stdout: in})
		in.CloseWithError(errors.Join(err, io.EOF))
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error("usergraph serve:", err)
		}
	})
	decoder := json.NewDecoder(out)
	for {
		var line struct{ Msg, URL string }
		if err := decoder.Decode(&line); err != nil {
			t.Fatal("the server does not start: ", err)
		}
		if line.Msg == "listening" {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return line.URL
		}
	}
}
