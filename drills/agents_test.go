//go:build services

package drills_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"usergraph/auth/authtest"
)

// publicHost is what agents call the servers. nginx passes it on, from this machine.
const publicHost = "api.example.com"

// asAgent sends requests for a host with a token, and counts the servers that answer.
type asAgent struct {
	host, token string
	servers     *sync.Map
}

func (a asAgent) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = a.host
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	response, err := client.Transport.RoundTrip(r)
	if err == nil {
		a.servers.Store(response.Header.Get("X-Upstream"), true)
	}
	return response, err
}

// send posts a body.
func (a asAgent) send(t *testing.T, address, body string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	response, err := a.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(read)
}

const callWhoAmI = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"WhoAmI"}}`

// Two users with two agents each call tools of three replicas, through nginx without affinity and PgBouncer: each answer is the right
// user's. Each replica has two doors, and refuses a host that is not public. A revoked agent is refused by all of them from its next call.
func TestAgentsBehindABalancer(t *testing.T) {
	around, _, three, b := replicas(t, 2, "MCP=on", "PUBLIC_URL=https://"+publicHost, "SESSION_CHECK=always")
	servers := new(sync.Map)
	// begin begins a session, of the user or of an OAuth app for the user.
	begin := func(user caller, change ...func(jwt.MapClaims)) (session uuid.UUID, with asAgent) {
		session = uuid.New()
		around.admin.Exec(t, "insert into auth.sessions (id, user_id) values ($1, $2)", session, user.id)
		token := around.issuer.Token(user.id, append(change, func(claims jwt.MapClaims) { claims["session_id"] = session.String() })...)
		return session, asAgent{publicHost, token, servers}
	}
	of := func(client string) func(jwt.MapClaims) {
		return func(claims jwt.MapClaims) { claims["client_id"] = client }
	}

	var all sync.WaitGroup
	for _, user := range around.callers {
		for i := range 2 {
			_, agent := begin(user, of(fmt.Sprint("agent ", i)))
			session, err := sdk.NewClient(&sdk.Implementation{Name: "drill", Version: "1"}, nil).Connect(t.Context(), &sdk.StreamableClientTransport{
				Endpoint: b.url + "/mcp", DisableStandaloneSSE: true, HTTPClient: &http.Client{Timeout: timeout, Transport: agent},
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = session.Close() })
			for range 4 {
				all.Go(func() {
					for range 25 {
						result, err := session.CallTool(context.WithoutCancel(t.Context()), &sdk.CallToolParams{Name: "WhoAmI"})
						if err != nil || result.IsError || len(result.Content) != 1 || !strings.Contains(result.Content[0].(*sdk.TextContent).Text, fmt.Sprintf(`"fullName":%q`, user.name)) {
							t.Errorf("%s: %+v, %v", user.name, result, err)
							return
						}
					}
				})
			}
		}
	}
	all.Wait()
	asked := 0
	servers.Range(func(any, any) bool { asked++; return true })
	if asked != len(three) {
		t.Errorf("%d of %d replicas have answered", asked, len(three))
	}

	ada := around.callers[0]
	revoked, agent := begin(ada, of("an agent"))
	_, browser := begin(ada)
	_, expired := begin(ada, of("an agent"), func(claims jwt.MapClaims) {
		claims["iat"], claims["exp"] = time.Now().Unix()-7200, time.Now().Unix()-3600
	})
	stranger := asAgent{publicHost, authtest.New(t).Token(ada.id, of("an agent")), servers}
	const whoAmI = `{"query":"{ me { fullName } }"}`
	for _, test := range []struct {
		name       string
		with       asAgent
		path, body string
		status     int
		says       string
	}{
		{"an agent", agent, "/mcp", callWhoAmI, 200, ada.name},
		{"an agent at the door of users", agent, "/graphql", whoAmI, 401, "TOKEN_INVALID"},
		{"a user", browser, "/graphql", whoAmI, 200, ada.name},
		{"a user at the door of agents", browser, "/mcp", callWhoAmI, 401, "TOKEN_INVALID"},
		{"expired", expired, "/mcp", callWhoAmI, 401, "TOKEN_EXPIRED"},
		{"another project's", stranger, "/mcp", callWhoAmI, 401, "TOKEN_INVALID"},
		{"another project's at the door of users", stranger, "/graphql", whoAmI, 401, "TOKEN_INVALID"},
		{"nobody", asAgent{publicHost, "", servers}, "/mcp", callWhoAmI, 401, "UNAUTHENTICATED"},
		{"a name of its own", asAgent{"evil.example.com", agent.token, servers}, "/mcp", callWhoAmI, 421, "PUBLIC_URL"},
		{"the address of this machine", asAgent{"127.0.0.1", agent.token, servers}, "/mcp", callWhoAmI, 421, "PUBLIC_URL"},
	} {
		for _, address := range []string{b.url, b.url, b.url, three[0].url} {
			if status, text := test.with.send(t, address+test.path, test.body); status != test.status || !strings.Contains(text, test.says) {
				t.Errorf("%s, at %s: %d %s, want %d %s", test.name, address, status, text, test.status, test.says)
			}
		}
	}

	around.admin.Exec(t, "delete from auth.sessions where id = $1", revoked)
	for range len(three) {
		if status, text := agent.send(t, b.url+"/mcp", callWhoAmI); status != 401 || !strings.Contains(text, "SESSION_REVOKED") {
			t.Errorf("revoked: %d %s", status, text)
		}
	}
	if status, text := browser.send(t, b.url+"/graphql", whoAmI); status != 200 {
		t.Errorf("the user's own session: %d %s", status, text)
	}
}
