package app

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"usergraph/auth/authtest"
	"usergraph/internal/pgtest"
)

// program is `usergraph serve` inside the test.
type program struct {
	url, admin string
	issuer     *authtest.Issuer
	database   *pgtest.Database
	stop       func() error // waits until it has ended

	mu   sync.Mutex
	logs []map[string]any
	text bytes.Buffer
}

// startProgram runs the server with Ada in its database, until the test ends.
func startProgram(t *testing.T, env ...string) *program {
	t.Helper()
	pg := pgtest.New(t)
	pg.Exec(t, "insert into auth.users (id, raw_user_meta_data) values ($1, $2)", ada, `{"full_name": "Ada Lovelace"}`)
	return runProgram(t, authtest.New(t), pg, env...)
}

// runProgram runs the server until the test ends.
func runProgram(t *testing.T, issuer *authtest.Issuer, pg *pgtest.Database, env ...string) *program {
	t.Helper()
	p := &program{issuer: issuer, database: pg}
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	env = append(env, "DATABASE_URL", p.database.URL, "SUPABASE_URL", strings.TrimSuffix(p.issuer.URL(), "/auth/v1"),
		"HOST", "127.0.0.1", "PORT", "0", "LOG_FORMAT", "json", "DRAIN_DELAY", "0s", "ADMIN_ADDR", "127.0.0.1:0")
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"serve"}, environment(env...), in)
		in.CloseWithError(errors.Join(err, io.EOF))
		ended <- err
	}()
	p.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Error("usergraph serve:", err)
		}
	})
	listening := make(chan struct{})
	go p.read(t, out, sync.OnceFunc(func() { close(listening) }))
	select {
	case <-listening:
	case <-time.After(time.Minute):
		t.Fatal("the server does not start")
	}
	return p
}

// read collects the log. It signals when the program listens, or has ended.
func (p *program) read(t *testing.T, out io.Reader, listening func()) {
	defer listening()
	lines := json.NewDecoder(out)
	for {
		var line map[string]any
		err := lines.Decode(&line)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Errorf("the log is no JSON: %v", err)
			}
			return
		}
		text, _ := json.Marshal(line)
		p.mu.Lock()
		p.logs = append(p.logs, line)
		p.text.Write(append(text, '\n'))
		p.mu.Unlock()
		switch line["msg"] {
		case "listening for those who run this":
			p.admin = line["url"].(string)
		case "listening":
			p.url = line["url"].(string)
			listening()
		}
	}
}

// logged waits for a line with a message, and returns the last one.
func (p *program) logged(t *testing.T, message string) map[string]any {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		p.mu.Lock()
		for i := len(p.logs) - 1; i >= 0; i-- {
			if p.logs[i]["msg"] == message {
				defer p.mu.Unlock()
				return p.logs[i]
			}
		}
		p.mu.Unlock()
	}
	t.Fatalf("%q is not in the log:\n%s", message, p.log())
	return nil
}

func (p *program) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// fetch makes a request without a body.
func fetch(t *testing.T, method, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, request)
}

// receiver is an OTLP receiver.
type receiver struct {
	url   string
	mu    sync.Mutex
	spans []*tracepb.Span
	raw   bytes.Buffer
}

func newReceiver(t *testing.T) *receiver {
	r := new(receiver)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		var body io.Reader = request.Body
		if request.Header.Get("Content-Encoding") == "gzip" {
			unzipped, err := gzip.NewReader(body)
			if err != nil {
				t.Error(err)
				return
			}
			body = unzipped
		}
		text, err := io.ReadAll(body)
		var sent collector.ExportTraceServiceRequest
		if err := cmp.Or(err, proto.Unmarshal(text, &sent)); err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.raw.Write(text)
		for _, resource := range sent.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				r.spans = append(r.spans, scope.Spans...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// attributes formats a span as its name and its attributes.
func attributes(span *tracepb.Span) map[string]string {
	found := map[string]string{}
	for _, attribute := range span.Attributes {
		found[attribute.Key] = cmp.Or(attribute.Value.GetStringValue(), fmt.Sprint(attribute.Value.GetIntValue()))
	}
	return found
}

const (
	clientTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientSpan  = "00f067aa0ba902b7"
)

func TestTraces(t *testing.T) {
	r := newReceiver(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", r.url)
	p := startProgram(t)
	token := p.issuer.Token(ada)
	const secret = "hunter2hunter2"
	body := fmt.Sprintf(`{"query":"mutation Rename($to: String) { hidden: updateMe(input: {fullName: $to, avatarUrl: \"https://a.test/%s\"}) { id } }","variables":{"to":"%s"}}`, secret, secret)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/graphql?key="+secret, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token},
		"Cookie": {"session=" + secret}, "Traceparent": {"00-" + clientTrace + "-" + clientSpan + "-01"}}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if want := `{"data":{"hidden":{"id":"` + ada.String() + `"}}}`; string(text) != want {
		t.Fatalf("%s", text)
	}
	if line := p.logged(t, "request"); line["trace"] != clientTrace || line["operation"] != "mutation updateMe" || line["name"] != "Rename" || line["sub"] != ada.String() {
		t.Errorf("logged: %v", line)
	}
	if err := p.stop(); err != nil { // exports the last spans
		t.Fatal(err)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	ids := map[string]string{}
	for _, span := range r.spans {
		ids[span.Name] = fmt.Sprintf("%x", span.SpanId)
		if fmt.Sprintf("%x", span.TraceId) != clientTrace {
			t.Errorf("%s is not in the client's trace", span.Name)
		}
	}
	parents := map[string]string{"POST /graphql": clientSpan, "mutation updateMe": ids["POST /graphql"], "Mutation.updateMe": ids["mutation updateMe"], "UPDATE": ids["Mutation.updateMe"]}
	wants := map[string]map[string]string{
		"POST /graphql":     {"http.response.status_code": "200", "http.route": "/graphql", "enduser.id": ada.String()},
		"mutation updateMe": {"graphql.operation.name": "Rename", "graphql.operation.type": "mutation"},
		"Mutation.updateMe": {},
		"UPDATE":            {"db.system.name": "postgresql", "graphql.field": "Mutation.updateMe"},
	}
	for _, span := range r.spans {
		if parents[span.Name] == "" {
			continue
		}
		if fmt.Sprintf("%x", span.ParentSpanId) != parents[span.Name] {
			t.Errorf("%s has the parent %x", span.Name, span.ParentSpanId)
		}
		found := attributes(span)
		for key, want := range wants[span.Name] {
			if found[key] != want {
				t.Errorf("%s: %s is %q", span.Name, key, found[key])
			}
		}
		delete(wants, span.Name)
	}
	if len(wants) > 0 {
		t.Errorf("missing: %v", wants)
	}
	for _, hidden := range []string{secret, token, token[len(token)-20:], "user@example.com", "authenticator:"} {
		if bytes.Contains(r.raw.Bytes(), []byte(hidden)) {
			t.Errorf("%q is in a trace", hidden)
		}
		if strings.Contains(p.log(), hidden) {
			t.Errorf("%q is in the log", hidden)
		}
	}
}

func TestNoTracesWithoutAReceiver(t *testing.T) {
	for name, test := range map[string]struct{ variable, value, want string }{
		"grpc":    {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"},
		"console": {"OTEL_TRACES_EXPORTER", "console", "not one of otlp, none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			t.Setenv(test.variable, test.value)
			err := run(t.Context(), []string{"serve"}, environment("DATABASE_URL", "postgres://127.0.0.1:1/postgres", "SUPABASE_URL", "https://abc.supabase.co", "PORT", "0"), io.Discard)
			var usage usageError
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), test.want) {
				t.Error(err)
			}
		})
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_SDK_DISABLED", "true")
	p := startProgram(t)
	if status, body := ask(t, p.url, p.issuer.Token(ada), "{ me { fullName } }"); status != 200 {
		t.Error(status, body)
	}
	if line := p.logged(t, "request"); line["trace"] != nil || line["request"] == "" {
		t.Errorf("logged: %v", line)
	}
}

func TestMetrics(t *testing.T) {
	p := startProgram(t, "SLOW_OPERATION", "1ns")
	fetch(t, http.MethodGet, p.url+"/readyz") // which asks the database for its tables
	statements := func() (count int) {
		_, metrics := fetch(t, http.MethodGet, p.admin+"/metrics")
		_, rest, _ := strings.Cut(metrics, `usergraph_statement_duration_seconds_count{outcome="ok"} `)
		_, _ = fmt.Sscan(rest, &count)
		return count
	}
	before := statements()
	token := p.issuer.Token(ada)
	for range 3 {
		ask(t, p.url, token, "query NameOfTheClientsChoice { me { fullName } }")
	}
	ask(t, p.url, "", "{ me { fullName } }")
	ask(t, p.url, "", "{ a: me { fullName } ...{ b: __typename } }")
	ask(t, p.url, "", "{ nothing }")
	ask(t, p.url, "not.a.token", "{ me { id } }")
	fetch(t, http.MethodGet, p.url+"/chosen-by-a-client")

	_, metrics := fetch(t, http.MethodGet, p.admin+"/metrics")
	for _, want := range []string{
		`usergraph_operations_total{code="OK",field="me",kind="query"} 3`,
		`usergraph_operations_total{code="UNAUTHENTICATED",field="me",kind="query"} 1`,
		`usergraph_operations_total{code="UNAUTHENTICATED",field="several",kind="query"} 1`,
		`usergraph_operations_total{code="GRAPHQL_VALIDATION_FAILED",field="none",kind="none"} 1`,
		`usergraph_operation_duration_seconds_count{field="me",kind="query"} 4`,
		`usergraph_http_requests_total{route="/graphql",status="401"} 1`,
		`usergraph_http_requests_total{route="/",status="404"} 1`,
		`usergraph_tokens_verified_total{algorithm="ES256",cache="miss"} 1`,
		`usergraph_tokens_verified_total{algorithm="ES256",cache="hit"} 2`,
		`usergraph_tokens_refused_total{code="TOKEN_INVALID"} 1`,
		`usergraph_jwks_fetches_total{outcome="ok",url="` + p.issuer.JWKSURL() + `"} 1`,
		`usergraph_jwks_keys{url="` + p.issuer.JWKSURL() + `"} 1`,
		`usergraph_schema_missing 0`,
		`usergraph_pool_connections_max 16`,
		`usergraph_connections_open 0`,
		`usergraph_subscriptions_open 0`,
		`go_goroutines `, `usergraph_build_info{`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("%s is not in the metrics", want)
		}
	}
	if n := statements() - before; n != 3 {
		t.Errorf("%d statements", n)
	}
	for _, hidden := range []string{"ClientsChoice", "chosen-by", ada.String()} {
		if strings.Contains(metrics, hidden) {
			t.Errorf("%s is in the metrics", hidden)
		}
	}
	slow := p.logged(t, "slow operation")
	if hash, _ := slow["hash"].(string); len(hash) != 64 || slow["request"] == nil {
		t.Errorf("logged: %v", slow)
	}
}

func TestMetricsOfSubscriptions(t *testing.T) {
	p := startProgram(t)
	// When notifications begin to arrive, every watched row is read once more.
	waitFor(t, "changes to be heard of", func() bool {
		_, body := fetch(t, http.MethodGet, p.url+"/readyz")
		return strings.Contains(body, `"subscriptions":"ok"`)
	})
	conn, _, err := websocket.Dial(t.Context(), p.url+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	exchange := func(sent, want string) {
		t.Helper()
		if sent != "" {
			if err := conn.Write(t.Context(), websocket.MessageText, []byte(sent)); err != nil {
				t.Fatal(err)
			}
		}
		if _, got, err := conn.Read(t.Context()); err != nil || !strings.Contains(string(got), want) {
			t.Fatalf("%s: %s %v", sent, got, err)
		}
	}
	exchange(`{"type":"connection_init","payload":{"Authorization":"Bearer `+p.issuer.Token(ada)+`"}}`, "connection_ack")
	exchange(`{"id":"1","type":"subscribe","payload":{"query":"subscription Watch { me { fullName } }"}}`, "Ada Lovelace")
	exchange(`{"id":"2","type":"subscribe","payload":{"query":"query Once { me { id } }"}}`, ada.String())
	exchange("", "complete")
	line := p.logged(t, "operation")
	if line["operation"] != "query me" || line["name"] != "Once" || line["sub"] != ada.String() || line["statements"] != 1.0 {
		t.Errorf("logged: %v", line)
	}
	_, metrics := fetch(t, http.MethodGet, p.admin+"/metrics")
	for _, want := range []string{"usergraph_connections_open 1", "usergraph_subscriptions_open 1", "usergraph_subscription_events_total 1"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("%s is not in the metrics", want)
		}
	}
	conn.CloseNow()
	waitFor(t, "the subscription to end", func() bool {
		_, metrics = fetch(t, http.MethodGet, p.admin+"/metrics")
		return strings.Contains(metrics, "usergraph_connections_open 0") && strings.Contains(metrics, "usergraph_subscriptions_open 0") &&
			strings.Contains(metrics, `usergraph_operations_total{code="OK",field="me",kind="subscription"} 1`)
	})
}

func TestAdminListener(t *testing.T) {
	p := startProgram(t)
	for _, path := range []string{"/metrics", "/debug/pprof/"} {
		if status, _ := fetch(t, http.MethodGet, p.url+path); status != http.StatusNotFound {
			t.Errorf("%s is open to the public: %d", path, status)
		}
	}
	for _, path := range []string{"/metrics", "/debug/pprof/heap", "/livez", "/readyz"} {
		if status, body := fetch(t, http.MethodGet, p.admin+path); status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	token := p.issuer.Token(ada)
	ask(t, p.url, token, "{ me { id } }")
	before := p.issuer.Fetches()
	if status, body := fetch(t, http.MethodPost, p.admin+"/purge"); status != 200 {
		t.Fatal(status, body)
	}
	if status, body := ask(t, p.url, token, "{ me { id } }"); status != 200 || p.issuer.Fetches() != before+1 {
		t.Errorf("%d %s, %d fetches", status, body, p.issuer.Fetches()-before)
	}
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, p.admin+"/purge", nil)
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another site purged: %d", answer.StatusCode)
	}
}

func TestRateLimit(t *testing.T) {
	p := startProgram(t, "RATE_LIMIT", "2/1h", "RATE_LIMIT_ANONYMOUS", "1/1h", "TRUSTED_PROXIES", "127.0.0.1")
	token := p.issuer.Token(ada)
	for i, want := range []int{200, 200, 429} {
		if status, body := ask(t, p.url, token, "{ me { id } }"); status != want || (status == 429 && !strings.Contains(body, `"RATE_LIMITED"`)) {
			t.Errorf("request %d: %d %s", i, status, body)
		}
	}
	for i, want := range []int{200, 429} {
		if status, _ := ask(t, p.url, "", "{ __typename }"); status != want {
			t.Errorf("anonymous request %d: %d", i, status)
		}
	}
	// A websocket does not bypass the limit.
	conn, _, err := websocket.Dial(t.Context(), p.url+"/graphql", &websocket.DialOptions{
		Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{"X-Forwarded-For": {"198.51.100.1"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	for _, turn := range []struct{ send, want string }{
		{`{"type":"connection_init","payload":{"Authorization":"Bearer ` + token + `"}}`, "connection_ack"},
		{`{"id":"1","type":"subscribe","payload":{"query":"{ me { id } }"}}`, `"RATE_LIMITED"`},
	} {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(turn.send)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.Read(t.Context()); err != nil || !strings.Contains(string(got), turn.want) {
			t.Errorf("%s: %s %v", turn.send, got, err)
		}
	}
	_, metrics := fetch(t, http.MethodGet, p.admin+"/metrics")
	for _, want := range []string{`usergraph_limits_hit_total{limit="rate_caller"} 2`, `usergraph_limits_hit_total{limit="rate_anonymous"} 1`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("%s is not in the metrics", want)
		}
	}
}

// The dashboard queries only metrics that the server has.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("../deploy/grafana/usergraph.json")
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(text) {
		t.Fatal("the dashboard is no JSON")
	}
	var source string
	for _, name := range []string{"metrics.go", "replica.go"} {
		text, err := os.ReadFile("../internal/telemetry/" + name)
		if err != nil {
			t.Fatal(err)
		}
		source += string(text)
	}
	p := startProgram(t)
	ask(t, p.url, p.issuer.Token(ada), "{ me { id } }")
	_, metrics := fetch(t, http.MethodGet, p.admin+"/metrics")
	names := regexp.MustCompile(`\b(?:usergraph|process|go)_[a-z_]+`).FindAllString(string(text), -1)
	if len(names) < 30 {
		t.Fatalf("only %d metrics are shown", len(names))
	}
	for _, name := range names {
		// Counters of events that have not happened yet are absent.
		known := strings.Contains(metrics, "\n"+name+"{") || strings.Contains(metrics, "\n"+name+" ") || strings.Contains(source, `"`+strings.TrimPrefix(name, "usergraph_")+`"`)
		if !known {
			t.Errorf("%s is shown, but never told", name)
		}
	}
}
