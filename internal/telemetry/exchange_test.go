package telemetry

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"go.uber.org/goleak"

	"usergraph/endpoint"
)

func newTelemetry(t testing.TB) *Telemetry {
	told, err := New(t.Context(), Config{Log: NewLogger(io.Discard, "json", slog.LevelInfo)})
	if err != nil {
		t.Fatal(err)
	}
	return told
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRequestIDs(t *testing.T) {
	ours := regexp.MustCompile(`^[0-9a-f]{16}$`)
	seen := ""
	handler := newTelemetry(t).Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = RequestID(r.Context()) }))
	before := ""
	for given, kept := range map[string]bool{"": false, "from-a_Proxy1": true, "a b": false, "x\ny": false, string(make([]byte, 65)): false} {
		request := httptest.NewRequest("GET", "/", nil)
		request.Header["X-Request-Id"] = []string{given}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		id := answer.Header().Get("X-Request-Id")
		if id != seen || (kept && id != given) || (!kept && !ours.MatchString(id)) || id == before {
			t.Errorf("%q became %q, seen as %q", given, id, seen)
		}
		before = id
	}
}

func TestNumbersAreTakenOut(t *testing.T) {
	for statement, want := range map[string]string{
		`SELECT "u1"."id" FROM "users" AS "u1" WHERE (id = $1) LIMIT 20`: `SELECT "u1"."id" FROM "users" AS "u1" WHERE (id = $1) LIMIT ?`,
		`UPDATE t SET a = -1.5e10, b2 = 3, c=4 WHERE d IN (5,6)`:         `UPDATE t SET a = -?, b2 = ?, c=? WHERE d IN (?,?)`,
	} {
		if got := withoutNumbers(statement); got != want {
			t.Errorf("%s", got)
		}
	}
}

// A websocket is counted, but its duration is not a request's; nor is a subscription's.
func TestNoSeriesWithoutAValue(t *testing.T) {
	telemetry := newTelemetry(t)
	handler := telemetry.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := telemetry.Begin(r.Context(), endpoint.Operation{Kind: "subscription", Field: "me"})
		telemetry.Answer(ctx, nil)
		telemetry.End(ctx)
		telemetry.Refuse(ctx, []string{"REFUSED"})
		w.WriteHeader(http.StatusSwitchingProtocols)
	}))
	request := httptest.NewRequest("GET", "/graphql", nil)
	request.Header.Set("Upgrade", "websocket")
	handler.ServeHTTP(discard{http.Header{}}, request)
	families, err := telemetry.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]int{}
	for _, family := range families {
		counted[family.GetName()] = len(family.GetMetric())
	}
	for name, want := range map[string]int{
		"usergraph_http_requests_total": 1, "usergraph_http_request_duration_seconds": 0,
		"usergraph_operations_total": 2, "usergraph_operation_duration_seconds": 0,
	} {
		if counted[name] != want {
			t.Errorf("%s has %d series, want %d", name, counted[name], want)
		}
	}
}

type copyKey struct{}

// A team's middleware may serve a copy of the request, and its routes are a mux in the mux: metrics know the route.
func TestRouteOfRequest(t *testing.T) {
	telemetry := newTelemetry(t)
	ok := func(http.ResponseWriter, *http.Request) {}
	own, mux := http.NewServeMux(), http.NewServeMux()
	own.HandleFunc("GET /todos/{id}", ok)
	mux.HandleFunc("/graphql", ok)
	mux.Handle("/", Routed(own))
	routed := Routed(mux)
	handler := telemetry.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		routed.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), copyKey{}, "a copy")))
	}))
	for _, path := range []string{"/graphql", "/todos/1", "/todos/2", "/nothing"} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	families, err := telemetry.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "usergraph_http_requests_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "route" {
					got[label.GetValue()] += metric.GetCounter().GetValue()
				}
			}
		}
	}
	if want := map[string]float64{"/graphql": 1, "GET /todos/{id}": 2, "none": 1}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Every request costs this: id, log line, metrics.
func BenchmarkMiddleware(b *testing.B) {
	handler := newTelemetry(b).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }))
	request := httptest.NewRequest("POST", "/graphql", nil)
	b.ReportAllocs()
	for b.Loop() {
		handler.ServeHTTP(discard{http.Header{}}, request)
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header          { return d.header }
func (discard) Write(text []byte) (int, error) { return len(text), nil }
func (discard) WriteHeader(int)                {}
