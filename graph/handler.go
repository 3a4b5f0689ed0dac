package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"

	"usergraph/auth"
	"usergraph/database"
)

// Options are what a handler needs to know.
type Options struct {
	DB  *database.DB
	Log *slog.Logger

	// Limits are DefaultLimits unless told otherwise.
	Limits *Limits
	// Introspection is IntrospectionAuthenticated unless told otherwise.
	Introspection Introspection
	// Trust is TrustOff unless told otherwise.
	Trust Trust
	// TrustedDocuments are documents by their ids: what graphql-codegen writes into persisted-documents.json.
	TrustedDocuments map[string]string
	// RequestID, if set, returns the id under which a request is logged. Clients find it with internal errors.
	RequestID func(context.Context) string
}

// endpoint is the GraphQL endpoint: what brings operations, and what runs them.
type endpoint struct {
	exec       *executor.Executor
	transports []graphql.Transport
	presenter  presenter
}

// NewHandler returns the GraphQL endpoint. It expects CrossSite and auth.Middleware in front of it, in this order.
func NewHandler(options Options) (http.Handler, error) {
	if options.DB == nil || options.Log == nil {
		return nil, errors.New("graph: a database and a logger are required")
	}
	if options.Limits == nil {
		limits := DefaultLimits()
		options.Limits = &limits
	}
	if options.Introspection == "" {
		options.Introspection = IntrospectionAuthenticated
	}
	if options.Trust == "" {
		options.Trust = TrustOff
	}
	schema := NewExecutableSchema(Config{Resolvers: &Resolver{DB: options.DB}, Directives: directives})
	if err := checkAccess(schema.Schema()); err != nil {
		return nil, fmt.Errorf("schema.graphqls: %w", err)
	}
	costs, err := costsOf(schema.Schema())
	if err != nil {
		return nil, fmt.Errorf("schema.graphqls: %w", err)
	}
	documents, err := newDocuments(schema.Schema(), &options)
	if err != nil {
		return nil, err
	}
	e := &endpoint{
		exec:      executor.New(schema),
		presenter: presenter{log: options.Log, requestID: options.RequestID},
		// The first that supports a request answers it; the last supports all.
		transports: []graphql.Transport{
			httpTransport{limits: options.Limits},
		},
	}
	e.exec.Use(documents)
	e.exec.SetQueryCache(documents)
	e.exec.Use(&operations{limits: options.Limits, introspection: options.Introspection, costs: costs})
	e.exec.SetErrorPresenter(e.presenter.present)
	e.exec.SetRecoverFunc(e.presenter.recovered)
	return e, nil
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		// net/http means to end the connection by this one.
		if panicked := recover(); panicked == http.ErrAbortHandler {
			panic(panicked)
		} else if panicked != nil {
			_ = e.presenter.recovered(r.Context(), panicked)
			refuse(w, r, http.StatusInternalServerError, e.presenter.internal(r.Context()))
		}
	}()
	ctx := graphql.StartOperationTrace(r.Context())
	if _, signedIn := auth.FromContext(ctx); !signedIn {
		ctx = context.WithValue(ctx, addressKey{}, addressOf(r))
	}
	r = r.WithContext(ctx)
	for _, transport := range e.transports {
		if transport.Supports(r) {
			transport.Do(w, r, e.exec)
			return
		}
	}
}

// addressOf returns where a request came from, without the port.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
