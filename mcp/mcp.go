// Package mcp answers one question: how do agents ask?
//
// It serves the Model Context Protocol over streamable HTTP, without sessions: any replica answers any request. The tools
// are the team's documents whose operation has a description. A tool runs its operation as the caller of the request, in
// process, by the executor of /graphql. Nothing else can be asked: no document, no resource, no prompt.
//
//	mcp.go       Options, New, and the road of a request
//	wire.go      JSON-RPC: what is refused before the SDK reads it, and what of the SDK's errors a client sees
//	plain.go     the answers to requests of tools, without the SDK where nothing needs it
//	tools.go     a tool of a document, who may use it, and its call
//	local.go     the same tools for a model that the team's own code asks
//	schema.go    JSON Schema of variables and selections
//	resource.go  the protected resource (RFC 9728): routes, metadata, challenge, Host and Origin
//
// https://modelcontextprotocol.io/specification/2026-07-28
package mcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"usergraph/auth"
	"usergraph/endpoint"
)

// resourcePath is the path of the resource below the public URL.
const resourcePath = "/mcp"

// Options configure a Handler. All but Origins, RequestID and Mutations are required.
type Options struct {
	// Endpoint runs the operations.
	Endpoint *endpoint.Handler
	Log      *slog.Logger
	// Documents are the team's. Those with a description become tools; subscriptions do not.
	Documents []endpoint.Document
	// Mutations makes tools of mutations too.
	Mutations bool
	// PublicURL is the origin under which agents reach the server: https://api.example.com.
	PublicURL string
	// Issuer is the authorization server: https://<ref>.supabase.co/auth/v1.
	Issuer string
	// Version is the program's, for clients to show.
	Version string
	// Origins are the sites, besides the server's own, whose pages may send requests.
	Origins *endpoint.Origins
	// RequestID, if set, returns the id under which a request is logged.
	RequestID func(context.Context) string
}

// Handler is the resource /mcp. It needs the claims of auth.Middleware, whose refusals Refuse writes.
type Handler struct {
	Options
	origin *url.URL
	tools  tools
	meta   []byte // _meta of results, in newer versions of the protocol
	sdk    *sdk.StreamableHTTPHandler
}

// errNoTools means that no document has become a tool.
var errNoTools = errors.New("no document has a description, so there is no tool: write one above its operation, in quotation marks")

// New validates the documents and returns the resource.
func New(options Options) (*Handler, error) {
	if options.Endpoint == nil || options.Log == nil || options.Issuer == "" || options.Version == "" {
		return nil, errors.New("mcp: Options.Endpoint, Log, Issuer and Version are required")
	}
	h := &Handler{Options: options}
	var err error
	if h.origin, err = parseOrigin(options.PublicURL); err != nil {
		return nil, fmt.Errorf("mcp: Options.PublicURL %w", err)
	}
	if h.tools, err = newTools(options.Endpoint, options.Documents, options.Mutations); err != nil {
		return nil, err
	}
	self := &sdk.Implementation{Name: "usergraph", Title: h.origin.Host, Version: options.Version}
	h.meta = encodeJSON(sdk.Meta{sdk.MetaKeyServerInfo: self})
	server := sdk.NewServer(self, &sdk.ServerOptions{
		// The tools never change while the server runs.
		Capabilities: &sdk.ServerCapabilities{Tools: &sdk.ToolCapabilities{}},
		SetCacheable: func(_ context.Context, _ sdk.Request, c *sdk.Cacheable) { c.CacheScope = "private" },
	})
	server.AddReceivingMiddleware(h.receive)
	h.sdk = sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, &sdk.StreamableHTTPOptions{
		Stateless: true, JSONResponse: true, PropagateRequestCancellation: true,
		DisableLocalhostProtection: true, // checkSite checks the host.
		MaxRequestBodyBytes:        -1,   // The endpoint has read the body within its bounds.
	})
	return h, nil
}

// Tools returns the names of the tools, in the order of their files.
func (h *Handler) Tools() (names []string) {
	for _, tool := range h.tools.all {
		names = append(names, tool.listed.Name)
	}
	return names
}

// Effect is what a call of a tool does, as its annotations say it to agents.
type Effect struct {
	ReadOnly, Destructive, Idempotent bool
}

// EffectOf returns the effect of the tool with this name, or false if there is none.
func (h *Handler) EffectOf(name string) (Effect, bool) {
	t, ok := h.tools.byName[name]
	if !ok {
		return Effect{}, false
	}
	said := t.listed.Annotations
	return Effect{said.ReadOnlyHint, said.DestructiveHint != nil && *said.DestructiveHint, said.IdempotentHint}, true
}

// call is one request, for the functions that the SDK calls. It is in their context.
type call struct {
	request   *http.Request
	claims    *auth.Claims
	arguments map[string]any // of tools/call
	own       *jsonrpc.Error // the error of this package, whose text a client may see
	writes    bool           // a mutation has begun
}

type callKey struct{}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	claims, ok := auth.FromContext(r.Context())
	if !ok {
		h.Refuse(w, r, auth.ErrUnauthenticated)
		return
	}
	h.Endpoint.Serve(w, r, endpoint.Exchange{
		Refuse: h.refuse,
		Answer: func(r *http.Request, message map[string]any, body []byte) (int, []byte, bool) {
			if status, refusal := checkMessage(r, message); refusal != nil {
				return status, refusal, true
			}
			params, _ := message["params"].(map[string]any)
			arguments, _ := params["arguments"].(map[string]any)
			current := &call{request: r, claims: claims, arguments: arguments}
			if response, ok := h.answerPlain(r, current, message); ok {
				return http.StatusOK, response, !current.writes
			}
			status, response := h.answer(r, current, body)
			return status, response, !current.writes
		},
	})
}

// receive answers the methods of tools. It is called on a goroutine of the SDK's, so it returns even after a panic.
func (h *Handler) receive(next sdk.MethodHandler) sdk.MethodHandler {
	return func(ctx context.Context, method string, request sdk.Request) (result sdk.Result, err error) {
		current, ok := ctx.Value(callKey{}).(*call)
		if !ok {
			return nil, errors.New("mcp: a request without its call")
		}
		defer func() {
			if panicked := recover(); panicked != nil {
				h.Log.ErrorContext(ctx, "panic", "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
				result, err = nil, current.refuse(jsonrpc.CodeInternalError, "internal error")
			}
		}()
		switch params := request.GetParams().(type) {
		case *sdk.ListToolsParams:
			if params != nil && params.Cursor != "" {
				return nil, current.refuse(jsonrpc.CodeInvalidParams, "the list has one page: leave out the cursor")
			}
			return &sdk.ListToolsResult{Cacheable: sdk.Cacheable{CacheScope: "private"}, Tools: h.tools.of(current.claims)}, nil
		case *sdk.CallToolParamsRaw:
			tool := h.tools.byName[params.Name]
			if tool == nil {
				return nil, current.refuse(jsonrpc.CodeInvalidParams, "there is no tool of this name: tools/list has the names")
			}
			// The context of the request, since that of the SDK outlives its client in older versions of the protocol.
			return h.tools.run(current.request.Context(), tool, current).ofSDK(), nil
		}
		return next(ctx, method, request)
	}
}

// refuse returns an error whose text the client sees.
func (c *call) refuse(code int64, text string) error {
	c.own = &jsonrpc.Error{Code: code, Message: text}
	return c.own
}
