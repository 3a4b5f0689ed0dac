package endpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"usergraph/auth"
	"usergraph/database"
	"usergraph/internal/rowjson"
)

// Options configure a Handler.
type Options struct {
	DB  *database.DB
	Log *slog.Logger
	// Schema returns the schema with its resolvers. The resolvers hold the engine.
	Schema func(*Engine) graphql.ExecutableSchema

	// Errors are the team's public errors. They are matched before the engine's.
	Errors []PublicError
	// Limits bound requests and callers. Defaults to DefaultLimits.
	Limits *Limits
	// Introspection restricts who may read the schema. Defaults to IntrospectionAuthenticated.
	Introspection Introspection
	// Trust restricts which documents may run. Defaults to TrustOff.
	Trust Trust
	// TrustedDocuments are documents by their ids, as graphql-codegen writes them into persisted-documents.json.
	TrustedDocuments map[string]string
	// Admit, if set, applies the rate limit to the caller of ctx. It is called before each operation on a websocket
	// and before each operation of a batch except the first. All other operations are HTTP requests of their own,
	// which are counted before they reach the handler.
	Admit func(ctx context.Context) (retryAfter time.Duration, ok bool)
	// Observer, if set, is notified of operations.
	Observer Observer
	// AroundFields, if set, wraps the resolution of each field that has a resolver; a batch resolver once for many rows. Package
	// rowjson reads the others without it where it writes their rows.
	AroundFields graphql.FieldMiddleware
	// Verifier verifies the token in the payload of connection_init. If it is nil, a websocket has the caller of its
	// upgrade request.
	Verifier *auth.Verifier
	// CheckSession, if set, is called every few seconds for the session of each open connection. It returns
	// auth.ErrSessionRevoked if the session has ended.
	CheckSession func(context.Context, *auth.Claims) error
	// Changes announces changed rows. If it is nil, subscriptions are refused.
	Changes *database.Changes
	// Writers, if set, lets queries read from the replica of DB. Callers with a recent mutation read from the primary.
	Writers Writers
	// Origins are the sites, besides the server's own, whose pages may open websockets. Defaults to none.
	Origins *Origins
	// RequestID, if set, returns the id under which a request is logged. An internal error carries it.
	RequestID func(context.Context) string
	// RowJSON turns off how rows are written, for tests. Its type is internal.
	RowJSON rowjson.Mode
	// Debug, if set, adds extensions.debug to responses. For development only.
	Debug *Debug

	timeouts     timeouts
	sessionPause time.Duration
}

// Handler is the GraphQL endpoint: it receives operations over its transports and executes them.
type Handler struct {
	engine      *Engine
	exec        *executor
	transports  []transport
	events      *sseTransport // of transports
	watcher     *watcher
	connections *connections
}

// transport receives operations over one protocol.
type transport interface {
	Supports(*http.Request) bool
	Do(http.ResponseWriter, *http.Request, *executor)
}

// NewHandler returns the GraphQL endpoint. CrossSite and auth.Middleware must wrap it, in this order.
func NewHandler(options Options) (*Handler, error) {
	if options.Schema == nil || options.Log == nil {
		return nil, errors.New("endpoint: Options.Schema and Options.Log are required")
	}
	watcher := newWatcher(options.Changes, options.Log)
	engine := &Engine{db: options.DB, watcher: watcher}
	schema := options.Schema(engine)
	watcher.types = newAnswerTypes(schema)
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
	if options.timeouts.init == 0 {
		options.timeouts = defaultTimeouts
		options.timeouts.init = options.Limits.InitTime
	}
	if options.sessionPause == 0 {
		options.sessionPause = sessionPause
	}
	if err := errors.Join(checkSDL(schema.Schema()), checkDirectives(schema), checkAccess(schema.Schema())); err != nil {
		return nil, fmt.Errorf("the schema: %w", err)
	}
	costs, err := costsOf(schema.Schema())
	if err != nil {
		return nil, fmt.Errorf("the schema: %w", err)
	}
	documents, err := newDocuments(schema.Schema(), &options)
	if err != nil {
		return nil, err
	}
	connections := newConnections(options.Limits)
	sessions := newSessions(options.CheckSession, options.Log, options.sessionPause)
	held := newHeld(options.Limits)
	exec := &executor{
		introspecting: make(chan struct{}, maxIntrospecting),
		held:          held,
		schema:        schema,
		documents:     documents,
		limits:        options.Limits,
		costs:         costs,
		router:        replicaRouter{writers: options.Writers},
		aroundFields:  options.AroundFields,
		observer:      options.Observer,
		debug:         options.Debug,
		presenter:     presenter{known: slices.Concat(options.Errors, publicErrors), log: options.Log, requestID: options.RequestID},
	}
	if options.Writers != nil {
		exec.router.replica = options.DB.Replica()
	}
	if exec.aroundFields == nil {
		exec.aroundFields = passField
	}
	if options.Debug != nil {
		outer := exec.aroundFields
		exec.aroundFields = func(ctx context.Context, next graphql.Resolver) (any, error) {
			return outer(ctx, func(ctx context.Context) (any, error) { return options.Debug.aroundField(ctx, next) })
		}
	}
	if resolvers, ok := resolverRoot(reflect.ValueOf(schema)); ok && options.Debug == nil && options.RowJSON == rowjson.On {
		exec.rows = rowjson.New(schema, resolvers, namesOfDirectives(schema))
	}
	introspector := newIntrospector(schema.Schema())
	exec.introspect = func(ctx context.Context, next graphql.Resolver) (any, error) {
		return exec.aroundFields(ctx, func(ctx context.Context) (any, error) { return introspector.field(ctx, next) })
	}
	events := &sseTransport{log: options.Log, connections: connections, sessions: sessions, limits: options.Limits, held: held, timeouts: options.timeouts}
	handler := &Handler{
		engine:      engine,
		events:      events,
		exec:        exec,
		watcher:     watcher,
		connections: connections,
		// The first transport that supports a request answers it. The last supports every request.
		transports: []transport{
			&websocketTransport{
				verifier: options.Verifier, log: options.Log, connections: connections, sessions: sessions, admit: options.Admit,
				limits: options.Limits, timeouts: options.timeouts, origins: options.Origins,
			},
			events,
			httpTransport{limits: options.Limits, held: held, admit: options.Admit},
		},
	}
	engine.handler = handler
	return handler, nil
}

// Engine returns the engine that the resolvers hold, for a team's own routes.
func (h *Handler) Engine() *Engine { return h.engine }

// ServeHTTP answers operations and upgrades websockets.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if refusal := h.panicked(r, recover()); refusal != nil {
			refuse(w, r, http.StatusInternalServerError, refusal)
		}
	}()
	r = withAddress(r)
	for _, transport := range h.transports {
		if transport.Supports(r) {
			transport.Do(w, r, h.exec)
			return
		}
	}
}

// panicked logs what recover has returned, if anything, and returns what the client is told.
func (h *Handler) panicked(r *http.Request, value any) *gqlerror.Error {
	switch value {
	case nil:
		return nil
	case http.ErrAbortHandler: // not a fault: net/http closes the connection for it
		panic(value)
	}
	_ = h.exec.presenter.recovered(r.Context(), value)
	return h.exec.presenter.internal(r.Context())
}

// Shutdown closes the websockets and event streams: http.Server.Shutdown ignores the former and would wait for the
// latter. Queries and mutations on a websocket may finish until ctx ends. New connections are refused.
func (h *Handler) Shutdown(ctx context.Context) error { return h.connections.shutdown(ctx) }

// Connections returns the number of open websockets and event streams.
func (h *Handler) Connections() int { return h.connections.total() }
