package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/auth"
	"usergraph/database"
)

// maxTokens bounds a document: validation takes time that grows with the square of its size. The introspection query
// of GraphiQL has about 400.
const maxTokens = 1000

// Options are what a handler needs to know.
type Options struct {
	DB  *database.DB
	Log *slog.Logger

	// Observer, if set, hears of operations.
	Observer Observer

	// Introspection lets callers read the schema, and tells them what they may have meant.
	Introspection bool

	// Verifier finds the caller of a websocket, whose token comes after the request. Without one it is who the request
	// names.
	Verifier *auth.Verifier
	// Changes announces changed rows. Without them subscriptions are refused.
	Changes *database.Changes
	// Timeout ends a query or a mutation that takes longer. 0 means never.
	Timeout time.Duration
	// AllowOrigin tells whether pages of an origin besides the server's own may open websockets. nil means none.
	AllowOrigin func(origin string) bool

	patience patience
}

// Handler is the GraphQL endpoint.
type Handler struct {
	server      *handler.Server
	connections *connections
}

// ServeHTTP answers operations, and turns requests for a websocket into one.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.server.ServeHTTP(w, r) }

// Shutdown ends the websockets and event streams, which http.Server's Shutdown does not know or would wait for. Queries
// and mutations that run on a websocket may finish, until ctx ends. New subscribers are refused from then on.
func (h *Handler) Shutdown(ctx context.Context) error { return h.connections.shutdown(ctx) }

// Connections is how many websockets and event streams are open.
func (h *Handler) Connections() int { return h.connections.count() }

// NewHandler returns the GraphQL endpoint. It expects auth.Middleware in front of it.
func NewHandler(options Options) (*Handler, error) {
	if options.DB == nil || options.Log == nil {
		return nil, errors.New("graph: a database and a logger are required")
	}
	schema := NewExecutableSchema(Config{
		Resolvers:  &Resolver{DB: options.DB, live: newLive(options.Changes, options.Log)},
		Directives: DirectiveRoot{Authenticated: authenticated, Public: public},
	})
	if err := checkAccess(schema.Schema()); err != nil {
		return nil, fmt.Errorf("schema.graphqls: %w", err)
	}
	server := handler.New(schema)
	patience := options.patience
	if patience.init == 0 {
		patience = defaultPatience
	}
	connections := newConnections()
	server.AddTransport(&websocketTransport{
		verifier: options.Verifier, log: options.Log, connections: connections,
		patience: patience, allowOrigin: options.AllowOrigin,
	})
	// Before POST, which would take its requests.
	server.AddTransport(&sseTransport{log: options.Log, connections: connections, patience: patience})
	server.AddTransport(transport.GET{})
	server.AddTransport(transport.POST{})
	server.SetParserTokenLimit(maxTokens)
	server.SetDisableSuggestion(!options.Introspection)
	server.SetQueryCache(lru.New[*ast.QueryDocument](1000))
	if options.Introspection {
		server.Use(extension.Introspection{})
	}
	presenter := presenter{log: options.Log}
	server.SetErrorPresenter(presenter.present)
	server.SetRecoverFunc(presenter.recovered)
	if options.Observer != nil {
		server.AroundOperations(observe(options.Observer))
		server.AroundResponses(observeRefusals(options.Observer))
	}
	server.AroundOperations(interceptOperation)
	server.Use(refuseUnstreamed{})
	if options.Timeout > 0 {
		server.Use(limitTime(options.Timeout))
	}
	return &Handler{server: server, connections: connections}, nil
}
