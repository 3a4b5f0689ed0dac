package apitest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"usergraph/apitest"
	"usergraph/app"
	"usergraph/endpoint"
	"usergraph/internal/pgtest"
	"usergraph/internal/testapi"
)

// A team's own route is asked over HTTP, with and without a token, until the server stops.
func TestServe(t *testing.T) {
	server := apitest.Serve(t, app.API{
		Schema: testapi.New, Migrations: pgtest.Migrations, Seed: pgtest.Seed,
		Routes: func(mux *http.ServeMux, engine *endpoint.Engine) {
			mux.HandleFunc("GET /name", func(w http.ResponseWriter, r *http.Request) {
				caller, err := endpoint.CallerOf(r)
				if err != nil {
					http.Error(w, err.Error(), http.StatusUnauthorized)
					return
				}
				var name string
				if err := engine.As(caller).NewRaw("select full_name from users").Scan(r.Context(), &name); err != nil {
					t.Error(err)
				}
				_, _ = io.WriteString(w, name)
			})
		},
	}, "RATE_LIMIT=2/1h")
	ask := func(token string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/name", nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, err.Error()
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	ada := server.Token(uuid.MustParse("a0000000-0000-4000-8000-000000000001"))
	if status, _ := ask(""); status != http.StatusUnauthorized {
		t.Error("without a token:", status)
	}
	for range 2 {
		if status, name := ask(ada); status != http.StatusOK || name != "Ada Lovelace" {
			t.Error(status, name)
		}
	}
	if status, _ := ask(ada); status != http.StatusTooManyRequests {
		t.Error("the setting is not used:", status)
	}
	server.Stop()
	if status, text := ask(ada); !strings.Contains(text, "refused") {
		t.Error("after the end:", status, text)
	}
}
