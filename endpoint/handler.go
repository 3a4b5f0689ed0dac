package endpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"usergraph/auth"
	"usergraph/database"
	"usergraph/internal/address"
)

// Options are what a handler needs to know.
type Options struct {
	DB  *database.DB
	Log *slog.Logger
	// Schema returns the schema with its resolvers, which hold the engine.
	Schema func(*Engine) graphql.ExecutableSchema

	// Errors says what clients learn of the team's own errors. They come before the engine's.
	Errors []PublicError
	// Limits are DefaultLimits unless told otherwise.
	Limits *Limits
	// Introspection is IntrospectionAuthenticated unless told otherwise.
	Introspection Introspection
	// Trust is TrustOff unless told otherwise.
	Trust Trust
	// TrustedDocuments are documents by their ids: what graphql-codegen writes into persisted-documents.json.
	TrustedDocuments map[string]string
	// Admit, if set, is asked before each operation on a websocket, and before each of a batch but the first, whether the
	// caller of ctx may ask once more, and if not, when. Other operations are requests of their own, and are counted before
	// they come here.
	Admit func(ctx context.Context) (retryAfter time.Duration, ok bool)
	// Observer, if set, hears of operations.
	Observer Observer
	// AroundFields, if set, goes around the resolution of each field.
	AroundFields graphql.FieldMiddleware
	// Verifier finds the caller of a websocket, whose token comes after the request. Without one it is who the request
	// names.
	Verifier *auth.Verifier
	// CheckSession, if set, is asked every few seconds whether the session of an open connection goes on. It returns
	// auth.ErrSessionRevoked if not.
	CheckSession func(context.Context, *auth.Claims) error
	// Changes announces changed rows. Without them subscriptions are refused.
	Changes *database.Changes
	// Writers, if set, lets queries read from the replica of DB, but for callers who have just changed something.
	Writers Writers
	// Origins are the sites whose pages may open websockets besides the server's own. nil means none.
	Origins *Origins
	// RequestID, if set, returns the id under which a request is logged. Clients find it with internal errors.
	RequestID func(context.Context) string
	// Debug, if set, tells clients how answers came about. For development only.
	Debug *Debug

	patience     patience
	sessionPause time.Duration
}

// Handler is the GraphQL endpoint: what brings operations, and what runs them.
type Handler struct {
	engine      *Engine
	exec        *executor
	transports  []transport
	live        *live
	connections *connections
}

// transport brings operations over one of the protocols of GraphQL.
type transport interface {
	Supports(*http.Request) bool
	Do(http.ResponseWriter, *http.Request, *executor)
}

// NewHandler returns the GraphQL endpoint. It expects CrossSite and auth.Middleware in front of it, in this order.
func NewHandler(options Options) (*Handler, error) {
	if options.Schema == nil || options.Log == nil {
		return nil, errors.New("endpoint: a schema and a logger are required")
	}
	live := newLive(options.Changes, options.Log)
	engine := &Engine{db: options.DB, live: live}
	schema := options.Schema(engine)
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
	if options.patience.init == 0 {
		options.patience = defaultPatience
		options.patience.init = options.Limits.InitTime
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
		held:         held,
		schema:       schema,
		documents:    documents,
		limits:       options.Limits,
		costs:        costs,
		lag:          lag{writers: options.Writers},
		aroundFields: options.AroundFields,
		observer:     options.Observer,
		debug:        options.Debug,
		presenter:    presenter{known: slices.Concat(options.Errors, publicErrors), log: options.Log, requestID: options.RequestID},
	}
	if options.Writers != nil {
		exec.lag.replica = options.DB.Replica()
	}
	if exec.aroundFields == nil {
		exec.aroundFields = passField
	}
	if options.Debug != nil {
		outer := exec.aroundFields
		exec.aroundFields = func(ctx context.Context, next graphql.Resolver) (any, error) {
			return outer(ctx, func(ctx context.Context) (any, error) { return options.Debug.aroundField(ctx, options.DB, next) })
		}
	}
	introspector := newIntrospector(schema.Schema())
	exec.introspect = func(ctx context.Context, next graphql.Resolver) (any, error) {
		return exec.aroundFields(ctx, func(ctx context.Context) (any, error) { return introspector.field(ctx, next) })
	}
	return &Handler{
		engine:      engine,
		exec:        exec,
		live:        live,
		connections: connections,
		// The first that supports a request answers it; the last supports all.
		transports: []transport{
			&websocketTransport{
				verifier: options.Verifier, log: options.Log, connections: connections, sessions: sessions, admit: options.Admit,
				limits: options.Limits, patience: options.patience, origins: options.Origins,
			},
			&sseTransport{log: options.Log, connections: connections, sessions: sessions, limits: options.Limits, held: held, patience: options.patience},
			httpTransport{limits: options.Limits, held: held, admit: options.Admit},
		},
	}, nil
}

// Engine is what the resolvers hold, for a team's own routes.
func (h *Handler) Engine() *Engine { return h.engine }

// ServeHTTP answers operations, and turns requests for a websocket into one.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		// net/http means to end the connection by this one.
		if panicked := recover(); panicked == http.ErrAbortHandler {
			panic(panicked)
		} else if panicked != nil {
			_ = h.exec.presenter.recovered(r.Context(), panicked)
			refuse(w, r, http.StatusInternalServerError, h.exec.presenter.internal(r.Context()))
		}
	}()
	if _, signedIn := auth.FromContext(r.Context()); !signedIn {
		r = r.WithContext(context.WithValue(r.Context(), addressKey{}, address.Key(r.RemoteAddr)))
	}
	for _, transport := range h.transports {
		if transport.Supports(r) {
			transport.Do(w, r, h.exec)
			return
		}
	}
}

// Shutdown ends the websockets and event streams, which http.Server's Shutdown does not know or would wait for. Queries
// and mutations that run on a websocket may finish, until ctx ends. New subscribers are refused from then on.
func (h *Handler) Shutdown(ctx context.Context) error { return h.connections.shutdown(ctx) }

// Connections is how many websockets and event streams are open.
func (h *Handler) Connections() int { return h.connections.total() }
