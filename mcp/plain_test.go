package mcp

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/auth"
	"usergraph/endpoint"
	"usergraph/internal/testapi"
)

// What is answered without the SDK is what the SDK answers, in every version of the protocol.
func TestPlainAnswersAreTheSDKs(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	run, err := endpoint.NewHandler(endpoint.Options{Log: log, Schema: func(e *endpoint.Engine) graphql.ExecutableSchema { return testapi.New(e) }})
	if err != nil {
		t.Fatal(err)
	}
	documents := []endpoint.Document{
		{File: "a", Name: "Good", Kind: ast.Query, Description: "Says <what> it is.", Text: "query Good { __typename }"},
		{File: "b", Name: "Bad", Kind: ast.Query, Description: "Fails, as there is no database.", Text: "query Bad { __typename me { id } }"},
	}
	h, err := New(Options{Endpoint: run, Log: log, Documents: documents, PublicURL: "https://api.example.com", Issuer: "https://x", Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	claims := &auth.Claims{UserID: uuid.New(), Role: "authenticated", ClientID: "x"}
	for _, version := range append(sdk.SupportedProtocolVersions(), "") {
		for _, test := range []struct{ method, name, params string }{
			{"tools/list", "", `{}`},
			{"tools/call", "Good", `{"name":"Good"}`},
			{"tools/call", "Good", `{"name":"Good","arguments":{}}`},
			{"tools/call", "Good", `{"name":"Good","arguments":{"more":1}}`},
			{"tools/call", "Bad", `{"name":"Bad","arguments":null}`},
		} {
			for _, id := range []string{`1`, `"<a>"`, `-9007199254740991`} {
				var params map[string]any
				if err := json.Unmarshal([]byte(test.params), &params); err != nil {
					t.Fatal(err)
				}
				if version >= newerSince {
					params["_meta"] = map[string]any{
						sdk.MetaKeyProtocolVersion: version, sdk.MetaKeyClientCapabilities: map[string]any{}, sdk.MetaKeyClientInfo: map[string]any{"name": "x", "version": "1"},
					}
				}
				text, _ := json.Marshal(params)
				body := `{"jsonrpc":"2.0","id":` + id + `,"method":"` + test.method + `","params":` + string(text) + `}`
				r := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(body))
				r = r.WithContext(auth.NewContext(r.Context(), claims))
				for name, value := range map[string]string{
					"Content-Type": "application/json", "Accept": "*/*", "Mcp-Protocol-Version": version, "Mcp-Method": test.method, "Mcp-Name": test.name,
				} {
					if value != "" {
						r.Header.Set(name, value)
					}
				}
				var message map[string]any
				if err := json.Unmarshal([]byte(body), &message); err != nil {
					t.Fatal(err)
				}
				arguments, _ := params["arguments"].(map[string]any)
				current := func() *call { return &call{request: r, claims: claims, arguments: arguments} }
				message["id"] = json.RawMessage(id)
				plain, ok := h.answerPlain(r, current(), message)
				status, whole := h.answer(r, current(), []byte(body))
				if !ok || status != http.StatusOK {
					t.Fatalf("%s %s: %t, %d %s", version, body, ok, status, whole)
				}
				// The SDK leaves it out of calls, where it is the default.
				whole = []byte(strings.Replace(string(whole), `"result":{"_meta"`, `"result":{"resultType":"complete","_meta"`, 1))
				if !reflect.DeepEqual(decoded(t, plain), decoded(t, whole)) {
					t.Errorf("%s %s:\n%s\nthe SDK:\n%s", version, body, plain, whole)
				}
			}
		}
	}
}

func decoded(t *testing.T, text []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return value
}
