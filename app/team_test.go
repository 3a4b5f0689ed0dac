package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

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
			next.ServeHTTP(w, r)
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
