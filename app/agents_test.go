package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"usergraph/auth/authtest"
	"usergraph/internal/pgtest"
	"usergraph/internal/testapi"
)

// ofAgent makes a token one that an OAuth app has got.
func ofAgent(claims jwt.MapClaims) { claims["client_id"] = "0198c0de-0000-7000-8000-000000000001" }

// serveAgents serves agents, with Ada and Bob in the database.
func serveAgents(t *testing.T, env ...string) *program {
	t.Helper()
	pg := pgtest.New(t)
	pg.Exec(t, pgtest.Seed)
	return runProgram(t, authtest.New(t), pg, append([]string{"MCP", "on"}, env...)...)
}

// bearer sends a token with each request.
type bearer struct{ token string }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return http.DefaultTransport.RoundTrip(r)
}

// connect returns a session of the SDK's client.
func (p *program) connect(t *testing.T, token string) *sdk.ClientSession {
	t.Helper()
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &sdk.StreamableClientTransport{
		Endpoint: p.url + "/mcp", HTTPClient: &http.Client{Transport: bearer{token}}, DisableStandaloneSSE: true,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func textOf(result *sdk.CallToolResult) (text string) {
	for _, content := range result.Content {
		text += content.(*sdk.TextContent).Text
	}
	return text
}

func TestAgentAsksAsItsUser(t *testing.T) {
	p := serveAgents(t, "MCP_MUTATIONS", "on")
	session := p.connect(t, p.issuer.Token(ada, ofAgent))
	listed, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var tools []string
	for _, tool := range listed.Tools {
		text, _ := json.Marshal(tool)
		tools = append(tools, string(text))
	}
	if len(tools) != 2 || listed.CacheScope != "private" {
		t.Fatalf("%d tools, %q:\n%s", len(tools), listed.CacheScope, strings.Join(tools, "\n"))
	}
	for i, part := range []string{
		`"name":"WhoAmI"`, `"name":"ChangeMyName"`,
	} {
		if !strings.Contains(tools[i], part) {
			t.Errorf("no %s in %s", part, tools[i])
		}
	}
	if a := listed.Tools[0].Annotations; !a.ReadOnlyHint || *a.OpenWorldHint {
		t.Errorf("the query: %+v", a)
	}
	if a := listed.Tools[1].Annotations; a.ReadOnlyHint || !*a.DestructiveHint || !a.IdempotentHint {
		t.Errorf("the mutation: %+v", a)
	}

	call := func(name string, arguments any) *sdk.CallToolResult {
		t.Helper()
		result, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: name, Arguments: arguments})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	if result := call("WhoAmI", nil); result.IsError || !strings.Contains(textOf(result), `"fullName":"Ada Lovelace"`) {
		t.Errorf("WhoAmI: %s", textOf(result))
	}
	structured, _ := json.Marshal(call("ChangeMyName", map[string]any{"input": map[string]any{"fullName": "Ada King"}}).StructuredContent)
	if string(structured) != `{"updateMe":{"fullName":"Ada King"}}` {
		t.Errorf("ChangeMyName: %s", structured)
	}
	for _, wrong := range []struct {
		arguments any
		want      string
	}{
		{map[string]any{"input": map[string]any{"fullName": strings.Repeat("x", 201)}}, "BAD_USER_INPUT at updateMe: fullName has 1 to 200 characters"},
		{map[string]any{"input": map[string]any{"fullName": 1}}, `String cannot represent a non string value: 1`},
		{map[string]any{"input": map[string]any{"name": "x"}}, `Field "name" is not defined by type "UpdateMeInput"`},
		{map[string]any{"input": map[string]any{}, "as": "bob"}, "there is an argument that the tool does not have. It has: input."},
		{nil, `Variable "$input" of required type "UpdateMeInput!" was not provided.`},
	} {
		if result := call("ChangeMyName", wrong.arguments); !result.IsError || !strings.Contains(textOf(result), wrong.want) {
			t.Errorf("%v: %t, %s", wrong.arguments, result.IsError, textOf(result))
		}
	}
	line := p.logged(t, "request")
	if line["client"] != "0198c0de-0000-7000-8000-000000000001" || line["operation"] == nil && line["path"] != "/mcp" {
		t.Errorf("the log: %v", line)
	}
}

// A tool that would not work stops the start, and `usergraph config` tells.
func TestToolsAreChecked(t *testing.T) {
	env := []string{"DATABASE_URL", "postgres://authenticator:x@db/postgres", "SUPABASE_URL", "https://abc.supabase.co", "MCP", "on", "PUBLIC_URL", "https://api.example.com"}
	for text, want := range map[string]string{
		`"Reads." query A { me { id } }`:         "",
		`"Reads." query A { nothing }`:           "documents/a.graphql",
		`"Reads." query A { me { id }`:           "documents/a.graphql",
		`query A { me { id } }`:                  "no document has a description",
		`"W." mutation A { updateMe(input:{}) }`: "no document has a description",
	} {
		p := &application{API: API{Schema: testapi.New, Documents: fstest.MapFS{"a.graphql": {Data: []byte(text)}}}}
		_, err := p.readConfig(environment(env...))
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Several agents of several users ask at once, by both kinds of protocol: each answer is its user's.
func TestAgentsAtOnce(t *testing.T) {
	p := serveAgents(t)
	names := map[uuid.UUID]string{ada: "Ada Lovelace", uuid.MustParse(bobID): "Bob Kahn"}
	var all sync.WaitGroup
	for user, name := range names {
		for agent := range 2 {
			token := p.issuer.Token(user, func(claims jwt.MapClaims) { claims["client_id"] = fmt.Sprint("agent-", agent) })
			session := p.connect(t, token)
			for range 4 {
				all.Go(func() {
					for range 25 {
						result, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "WhoAmI"})
						if err != nil || result.IsError || !strings.Contains(textOf(result), name) {
							t.Errorf("%s: %v, %+v", name, err, result)
							return
						}
						answer := p.ask(t, token, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"WhoAmI"}}`)
						if answer.status != http.StatusOK || !strings.Contains(answer.body, name) {
							t.Errorf("%s: %+v", name, answer)
							return
						}
					}
				})
			}
		}
	}
	all.Wait()
}

// inTurn sends each request to the next replica.
type inTurn struct {
	next     *atomic.Int64
	replicas []string
	token    string
}

func (b inTurn) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Host = strings.TrimPrefix(b.replicas[int(b.next.Add(1))%len(b.replicas)], "http://")
	r.Header.Set("Authorization", "Bearer "+b.token)
	return http.DefaultTransport.RoundTrip(r)
}

// Any replica answers any request: there are no sessions.
func TestAgentAsksReplicas(t *testing.T) {
	first := serveAgents(t)
	replicas := []string{first.url}
	for range 2 {
		replicas = append(replicas, runProgram(t, first.issuer, first.database, "MCP", "on", "PUBLIC_URL", first.url).url)
	}
	asked := new(atomic.Int64)
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), &sdk.StreamableClientTransport{
		Endpoint: first.url + "/mcp", DisableStandaloneSSE: true,
		HTTPClient: &http.Client{Transport: inTurn{asked, replicas, first.issuer.Token(ada, ofAgent)}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	for range 9 {
		if _, err := session.ListTools(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if result, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "WhoAmI"}); err != nil || !strings.Contains(textOf(result), "Ada Lovelace") {
			t.Errorf("%+v, %v", result, err)
		}
	}
	if asked.Load() < 18 {
		t.Errorf("only %d requests", asked.Load())
	}
}

type rawAnswer struct {
	status int
	header http.Header
	body   string
}

// ask posts a body to /mcp. Changes apply to the request.
func (p *program) ask(t *testing.T, token, body string, changes ...func(*http.Request)) rawAnswer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/mcp", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for _, change := range changes {
		change(r)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return rawAnswer{response.StatusCode, response.Header, string(text)}
}

const listTools = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`

func TestAgentsAndUsersHaveDoorsOfTheirOwn(t *testing.T) {
	p := serveAgents(t)
	stranger := authtest.New(t)
	expired := func(claims jwt.MapClaims) {
		claims["iat"], claims["exp"] = time.Now().Unix()-7200, time.Now().Unix()-3600
	}
	audience := func(aud ...string) func(jwt.MapClaims) {
		return func(claims jwt.MapClaims) { claims["aud"] = aud }
	}
	for _, test := range []struct {
		name, token string
		mcp         string // the code of the refusal, or ""
		graphql     string
	}{
		{"a user's", p.issuer.Token(ada), "TOKEN_INVALID", ""},
		{"an agent's", p.issuer.Token(ada, ofAgent), "", "TOKEN_INVALID"},
		{"an agent's for this resource", p.issuer.Token(ada, ofAgent, audience(p.url+"/mcp")), "", "TOKEN_INVALID"},
		{"an agent's for this resource too", p.issuer.Token(ada, ofAgent, audience("authenticated", p.url+"/mcp")), "", "TOKEN_INVALID"},
		{"an agent's for another resource", p.issuer.Token(ada, ofAgent, audience("https://other.example.com/mcp")), "TOKEN_INVALID", "TOKEN_INVALID"},
		{"a user's for this resource", p.issuer.Token(ada, audience(p.url+"/mcp")), "TOKEN_INVALID", "TOKEN_INVALID"},
		{"an agent's that has expired", p.issuer.Token(ada, ofAgent, expired), "TOKEN_EXPIRED", "TOKEN_INVALID"},
		{"another project's", stranger.Token(ada, ofAgent), "TOKEN_INVALID", "TOKEN_INVALID"},
		{"no token", "", "UNAUTHENTICATED", ""},
		{"a publishable key", "sb_publishable_x", "UNAUTHENTICATED", ""},
		{"garbage", "garbage", "TOKEN_INVALID", "TOKEN_INVALID"},
	} {
		for range 2 { // the second time from the cache
			answer := p.ask(t, test.token, listTools)
			want := http.StatusUnauthorized
			if test.mcp == "" {
				want = http.StatusOK
			}
			challenge := answer.header.Get("WWW-Authenticate")
			if answer.status != want || !strings.Contains(answer.body, test.mcp) ||
				(want == 401) != strings.Contains(challenge, `resource_metadata="`+p.url+`/.well-known/oauth-protected-resource/mcp"`) {
				t.Errorf("%s at /mcp: %d %s %q", test.name, answer.status, answer.body, challenge)
			}
			answer = p.ask(t, test.token, `{"query":"{ __typename }"}`, func(r *http.Request) { r.URL.Path = "/graphql" })
			if (answer.status == http.StatusOK) != (test.graphql == "") || !strings.Contains(answer.body, test.graphql) {
				t.Errorf("%s at /graphql: %+v", test.name, answer)
			}
		}
	}
	for _, path := range []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"} {
		answer := p.ask(t, "", "", func(r *http.Request) { r.Method, r.Body, r.ContentLength, r.URL.Path = "GET", nil, 0, path })
		var metadata map[string]any
		if err := json.Unmarshal([]byte(answer.body), &metadata); err != nil || metadata["resource"] != p.url+"/mcp" ||
			fmt.Sprint(metadata["authorization_servers"]) != "["+p.issuer.URL()+"]" || answer.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %+v", path, answer)
		}
	}
}

func TestAgentIsRevoked(t *testing.T) {
	p := serveAgents(t, "SESSION_CHECK", "always", "API_KEY_REQUIRED", "on", "SUPABASE_PUBLISHABLE_KEYS", "sb_publishable_x") // agents have no key
	session := uuid.New()
	p.database.Exec(t, "insert into auth.sessions (id, user_id) values ($1, $2)", session, ada)
	token := p.issuer.Token(ada, ofAgent, func(claims jwt.MapClaims) { claims["session_id"] = session.String() })
	if answer := p.ask(t, token, listTools); answer.status != http.StatusOK {
		t.Fatalf("%+v", answer)
	}
	p.database.Exec(t, "delete from auth.sessions where id = $1", session)
	answer := p.ask(t, token, listTools)
	if answer.status != http.StatusUnauthorized || !strings.Contains(answer.body, "SESSION_REVOKED") || answer.header.Get("WWW-Authenticate") == "" {
		t.Errorf("%+v", answer)
	}
}

// What is no request of an agent's is refused in this server's own words: nothing of Go, SQL or the request comes back.
func TestAgentsAreRefused(t *testing.T) {
	p := serveAgents(t, "LIMIT_BODY_BYTES", "20000", "PUBLIC_URL", "https://api.example.com", "ALLOWED_ORIGINS", "https://app.example.com")
	token := p.issuer.Token(ada, ofAgent)
	public := func(r *http.Request) { r.Host = "api.example.com" }
	header := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
	}
	method := func(name string) func(*http.Request) { return func(r *http.Request) { r.Method = name } }
	newer := func(r *http.Request) { r.Header.Set("MCP-Protocol-Version", "2026-07-28") }
	for _, test := range []struct {
		name, body string
		change     func(*http.Request)
		status     int
		want       string
	}{
		{"good", listTools, nil, 200, `"tools":[{`},
		{"good, by the port", listTools, func(r *http.Request) { r.Host = "API.example.com:443" }, 200, `"tools":[{`},
		{"a listed site", listTools, header("Origin", "https://app.example.com"), 200, `"tools":[{`},
		{"its own site", listTools, header("Origin", "https://api.example.com"), 200, `"tools":[{`},
		{"ping", `{"jsonrpc":"2.0","id":"a","method":"ping"}`, nil, 200, `"result":{}`},
		{"a notification", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, nil, 202, ``},
		{"a response", `{"jsonrpc":"2.0","id":1,"result":{}}`, nil, 202, ``},

		{"another host", listTools, func(r *http.Request) { r.Host = "evil.example.com" }, 421, `PUBLIC_URL`},
		{"this machine, which is not public", listTools, func(r *http.Request) { r.Host = "127.0.0.1" }, 421, `PUBLIC_URL`},
		{"another port", listTools, func(r *http.Request) { r.Host = "api.example.com:8443" }, 421, `PUBLIC_URL`},
		{"another site", listTools, header("Origin", "https://evil.example.com"), 403, `CROSS_SITE_REQUEST`},
		{"a site by http", listTools, header("Origin", "http://api.example.com"), 403, `CROSS_SITE_REQUEST`},
		{"no site", listTools, header("Origin", "null"), 403, `CROSS_SITE_REQUEST`},
		{"two sites", listTools, header("Origin", "https://app.example.com", "https://evil.example.com"), 403, `CROSS_SITE_REQUEST`},

		{"GET", "", method("GET"), 405, `send POST`},
		{"DELETE", "", method("DELETE"), 405, `send POST`},
		{"no JSON type", listTools, header("Content-Type", "text/plain"), 415, `Content-Type`},
		{"compressed", listTools, header("Content-Encoding", "gzip"), 415, `not compressed`},
		{"no stream", listTools, header("Accept", "application/json"), 406, `text/event-stream`},
		{"too large", `{"jsonrpc":"2.0","id":1,"method":"` + strings.Repeat("x", 20000) + `"}`, nil, 413, `BODY_LIMIT_EXCEEDED`},
		{"a batch", `[` + listTools + `]`, nil, 400, `BATCH_LIMIT_EXCEEDED`},
		{"an empty batch", `[]`, nil, 400, `BATCH_LIMIT_EXCEEDED`},
		{"nothing", ``, nil, 400, `-32700`},
		{"half", `{"jsonrpc":"2.0"`, nil, 400, `-32700`},
		{"two", listTools + listTools, nil, 400, `-32700`},
		{"a text", `"secret"`, nil, 400, `-32700`},
		{"twice the same", `{"jsonrpc":"2.0","id":1,"method":"ping","method":"secret"}`, nil, 400, `-32700`},
		{"no UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"secret\xff\"}", nil, 400, `-32700`},
		{"half a character", `{"jsonrpc":"2.0","id":1,"method":"secret\ud800"}`, nil, 400, `-32700`},
		{"deep", `{"jsonrpc":"2.0","id":1,"params":` + strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40) + `}`, nil, 400, `JSON_DEPTH_LIMIT_EXCEEDED`},
		{"a long list", `{"jsonrpc":"2.0","id":1,"params":[` + strings.Repeat(`1,`, 1001) + `1]}`, nil, 400, `LIST_LIMIT_EXCEEDED`},
		{"a number that is too large", `{"jsonrpc":"2.0","id":1e999,"method":"ping"}`, nil, 400, `out of range`},

		{"no version", `{"id":1,"method":"tools/list"}`, nil, 400, `\"jsonrpc\"`},
		{"another version", `{"jsonrpc":"1.0","id":1,"method":"tools/list"}`, nil, 400, `\"jsonrpc\"`},
		{"method in another case", `{"jsonrpc":"2.0","id":1,"Method":"tools/list"}`, nil, 202, ``},
		{"method is a number", `{"jsonrpc":"2.0","id":1,"method":1}`, nil, 400, `\"method\"`},
		{"no id", `{"jsonrpc":"2.0","method":"tools/list"}`, nil, 400, `\"id\"`},
		{"id is null", `{"jsonrpc":"2.0","id":null,"method":"tools/list"}`, nil, 400, `\"id\"`},
		{"id is an object", `{"jsonrpc":"2.0","id":{},"method":"tools/list"}`, nil, 400, `\"id\"`},
		{"id is no whole number", `{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}`, nil, 400, `\"id\"`},
		{"params is a list", `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[]}`, nil, 400, `\"params\"`},
		{"arguments is a text", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"WhoAmI","arguments":"secret"}}`, nil, 400, `\"arguments\"`},
		{"another method", `{"jsonrpc":"2.0","id":1,"method":"secret"}`, nil, 200, `-32601`},
		{"another method, newer", `{"jsonrpc":"2.0","id":1,"method":"secret"}`, newer, 404, `-32601`},
		{"prompts", `{"jsonrpc":"2.0","id":1,"method":"prompts/list"}`, nil, 200, `-32601`},
		{"a stream", `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{}}`, nil, 200, `-32601`},
		{"another tool", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"secret"}}`, nil, 200, `tools/list has the names`},
		{"a mutation", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ChangeMyName"}}`, nil, 200, `tools/list has the names`},
		{"a subscription", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"WatchMyName"}}`, nil, 200, `tools/list has the names`},
		{"no tool", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}`, nil, 200, `tools/list has the names`},
		{"no params", `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`, nil, 400, `-32600`},
		{"name is a number", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":5}}`, nil, 200, `error`},
		{"a cursor", `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"secret"}}`, nil, 200, `leave out the cursor`},
		{"no version of this protocol", listTools, header("MCP-Protocol-Version", "secret"), 400, `-32`},
		{"an old version", listTools, header("MCP-Protocol-Version", "1999-01-01"), 400, `-32600`},
		{"newer, without its members", listTools, newer, 400, `-32602`},
	} {
		t.Run(test.name, func(t *testing.T) {
			changes := []func(*http.Request){public}
			if test.change != nil {
				changes = append(changes, test.change)
			}
			answer := p.ask(t, token, test.body, changes...)
			if answer.status != test.status || !strings.Contains(answer.body, test.want) {
				t.Errorf("%d %s", answer.status, answer.body)
			}
			for _, leak := range []string{"secret", "json:", "Go ", "struct", "unmarshal", "jsonrpc2", "goroutine", "sdk", "panic"} {
				if strings.Contains(answer.body, leak) {
					t.Errorf("it says %q: %s", leak, answer.body)
				}
			}
			if answer.status >= 400 && !json.Valid([]byte(answer.body)) {
				t.Errorf("no JSON: %s", answer.body)
			}
			if bytes.Contains([]byte(answer.body), []byte("<nil>")) {
				t.Error(answer.body)
			}
		})
	}
}

// A tool that fails in PostgreSQL tells an agent nothing of it but the request's id, by which the log has it all.
func TestAgentSeesNoSQL(t *testing.T) {
	p := serveAgents(t, "MCP_MUTATIONS", "on")
	p.database.Exec(t, "alter table public.users rename to people")
	session := p.connect(t, p.issuer.Token(ada, ofAgent))
	for name, arguments := range map[string]map[string]any{
		"WhoAmI":       nil,
		"ChangeMyName": {"input": map[string]any{"fullName": "Ada King"}},
	} {
		result, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: name, Arguments: arguments})
		if err != nil {
			t.Fatal(err)
		}
		text := textOf(result)
		if !result.IsError || !strings.HasPrefix(text, "INTERNAL_SERVER_ERROR at ") || !strings.Contains(text, ": internal error (request ") {
			t.Errorf("%s: %t, %s", name, result.IsError, text)
		}
		for _, leak := range []string{"users", "relation", "SQLSTATE", "42P01", "select", "SELECT", "King", ".go"} {
			if strings.Contains(text, leak) {
				t.Errorf("%s: it says %q: %s", name, leak, text)
			}
		}
	}
	if !strings.Contains(p.log(), "42P01") {
		t.Error("the log does not have the cause")
	}
}

// Arguments that do not fit are refused before a statement reaches PostgreSQL, where each would fail.
func TestAgentsArgumentsAreCheckedFirst(t *testing.T) {
	p := serveAgents(t, "MCP_MUTATIONS", "on")
	p.database.Exec(t, "alter table public.users rename to people")
	token := p.issuer.Token(ada, ofAgent)
	call := func(tool, arguments string) rawAnswer {
		t.Helper()
		return p.ask(t, token, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+tool+`","arguments":`+arguments+`}}`)
	}
	if good := call("ChangeMyName", `{"input":{"fullName":"Ada King"}}`); !strings.Contains(good.body, "INTERNAL_SERVER_ERROR") {
		t.Fatalf("nothing has run: %+v", good)
	}
	for _, wrong := range [][2]string{
		{"WhoAmI", `{"as":"bob"}`},
		{"ChangeMyName", `{}`},
		{"ChangeMyName", `{"input":null}`},
		{"ChangeMyName", `{"input":[]}`},
		{"ChangeMyName", `{"input":{"fullName":1}}`},
		{"ChangeMyName", `{"input":{"fullName":"x","id":"1"}}`},
		{"ChangeMyName", `{"input":{"fullName":"x"},"more":1}`},
	} {
		if answer := call(wrong[0], wrong[1]); answer.status != http.StatusOK || !strings.Contains(answer.body, `"isError":true`) || strings.Contains(answer.body, "INTERNAL_SERVER_ERROR") {
			t.Errorf("%s: %+v", wrong, answer)
		}
	}
}

// Clients that begin sessions, ask for streams and say no more leave nothing behind: no session, no stream, no goroutine.
func TestAgentsKeepNothing(t *testing.T) {
	p := serveAgents(t)
	token := p.issuer.Token(ada, ofAgent)
	for i := range 100 {
		begun := p.ask(t, token, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`)
		if begun.status != http.StatusOK || begun.header.Get("Mcp-Session-Id") != "" || !strings.HasPrefix(begun.header.Get("Content-Type"), "application/json") {
			t.Fatalf("%+v", begun)
		}
		inSession := func(r *http.Request) { r.Header.Set("Mcp-Session-Id", fmt.Sprint(i)) }
		stream := p.ask(t, token, "", inSession, func(r *http.Request) { r.Method, r.Body, r.ContentLength = http.MethodGet, nil, 0 })
		if stream.status != http.StatusMethodNotAllowed {
			t.Fatalf("%+v", stream)
		}
		if listen := p.ask(t, token, `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true}}}`, inSession); !strings.Contains(listen.body, "-32601") {
			t.Fatalf("%+v", listen)
		}
	}
	var stacks bytes.Buffer
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		stacks.Reset()
		if err := pprof.Lookup("goroutine").WriteTo(&stacks, 1); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(stacks.String(), "modelcontextprotocol/go-sdk") {
			return
		}
	}
	t.Errorf("goroutines of the SDK are left:\n%s", stacks.String())
}
