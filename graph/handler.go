package graph

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/database"
)

// maxTokens bounds a document: validation takes time that grows with the square of its size. The introspection query
// of GraphiQL has about 400.
const maxTokens = 1000

// Options are what a handler needs to know.
type Options struct {
	DB  *database.DB
	Log *slog.Logger

	// Introspection lets callers read the schema, and tells them what they may have meant.
	Introspection bool
}

// NewHandler returns the GraphQL endpoint. It expects auth.Middleware in front of it.
func NewHandler(options Options) (http.Handler, error) {
	if options.DB == nil || options.Log == nil {
		return nil, errors.New("graph: a database and a logger are required")
	}
	schema := NewExecutableSchema(Config{
		Resolvers:  &Resolver{DB: options.DB},
		Directives: DirectiveRoot{Authenticated: authenticated, Public: public},
	})
	if err := checkAccess(schema.Schema()); err != nil {
		return nil, fmt.Errorf("schema.graphqls: %w", err)
	}
	server := handler.New(schema)
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
	server.AroundOperations(interceptOperation)
	return server, nil
}
