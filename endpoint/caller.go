package endpoint

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/auth"
	"usergraph/database"
)

// Caller is the signed-in user an operation acts as. Each operation has its own.
type Caller struct {
	database.Caller
	UserID uuid.UUID
	// Email is empty if the user has no address.
	Email string
	// AAL is the authenticator assurance level of the session: aal1, aal2, or empty if the token has no such claim.
	AAL string
	// IsAnonymous reports whether the user signed in without an identity.
	IsAnonymous bool

	appMetadata json.RawMessage
	loaded      *loaded // nil in mutations and subscriptions: each Load reads
}

// HasRole reports whether app_metadata gives the caller a role: as the text app_metadata.role, or in the list
// app_metadata.roles. Users cannot change app_metadata.
func (c *Caller) HasRole(role string) bool {
	var metadata map[string]json.RawMessage // a struct would match names in any case
	if json.Unmarshal(c.appMetadata, &metadata) != nil {
		return false
	}
	var one string
	var many []string
	return json.Unmarshal(metadata["role"], &one) == nil && one == role ||
		json.Unmarshal(metadata["roles"], &many) == nil && slices.Contains(many, role)
}

type callerKey struct{}

// withCaller adds the caller of an operation to its context.
func withCaller(ctx context.Context, operation ast.Operation, router replicaRouter) context.Context {
	caller := newAnonymous()
	if claims, ok := auth.FromContext(ctx); ok {
		caller = newCaller(claims)
	}
	caller.ReadOnly = operation != ast.Mutation
	caller.MayLag = router.allows(ctx, operation, caller.Subject)
	if operation == ast.Query {
		caller.loaded = new(loaded)
	}
	return context.WithValue(ctx, callerKey{}, caller)
}

// newAnonymous returns the caller of a request without a token.
func newAnonymous() *Caller {
	return &Caller{Caller: database.Caller{Role: "anon", Claims: []byte(`{"role":"anon"}`)}}
}

func newCaller(claims *auth.Claims) *Caller {
	return &Caller{
		Caller:      database.Caller{Role: claims.Role, Subject: claims.UserID.String(), Claims: claims.Payload},
		UserID:      claims.UserID,
		Email:       claims.Email,
		AAL:         claims.AAL,
		IsAnonymous: claims.IsAnonymous,
		appMetadata: claims.AppMetadata,
	}
}

// CallerOf returns the caller of an HTTP request, or ErrUnauthenticated. It is for a team's own routes; resolvers use
// CallerFrom. The caller may write.
func CallerOf(r *http.Request) (*Caller, error) {
	claims, ok := auth.FromContext(r.Context())
	if !ok {
		return nil, ErrUnauthenticated
	}
	return newCaller(claims), nil
}

// CallerFrom returns the caller of the operation, or ErrUnauthenticated.
func CallerFrom(ctx context.Context) (*Caller, error) {
	caller, ok := ctx.Value(callerKey{}).(*Caller)
	if !ok || caller.Subject == "" {
		return nil, ErrUnauthenticated
	}
	return caller, nil
}

// AnyCaller returns the caller of the operation. Without a token it has the role anon and no user id. It is for the
// resolvers of @public fields that read tables.
func AnyCaller(ctx context.Context) *Caller {
	caller, ok := ctx.Value(callerKey{}).(*Caller)
	if !ok {
		caller = newAnonymous()
		caller.ReadOnly = true
	}
	return caller
}

// loaded holds the results of a query's reads. Mutations and subscriptions have none: a row may change between their
// reads.
type loaded struct {
	mu    sync.Mutex
	reads map[any]any // a *read[V] by a loadKey[K, V]
}

type loadKey[K comparable, V any] struct{ key K }

type read[V any] struct {
	mu    sync.Mutex
	done  bool
	value V
	err   error
}

// Load reads a row once per query, even if several fields ask for it concurrently. In a mutation or a subscription it
// reads each time. Two reads are the same if their keys and the types of their values are equal. If one type of value
// is read in two ways, give each key a type of its own.
func Load[K comparable, V any](ctx context.Context, caller *Caller, key K, load func(context.Context) (V, error)) (V, error) {
	if caller.loaded == nil {
		return load(ctx)
	}
	known := caller.loaded.read(loadKey[K, V]{key}, func() any { return new(read[V]) }).(*read[V])
	known.mu.Lock()
	defer known.mu.Unlock()
	if known.done {
		return known.value, known.err
	}
	value, err := load(ctx)
	// A read that panicked or whose field had no time left says nothing to the other fields: the next one reads again.
	if err == nil || ctx.Err() == nil {
		known.done, known.value, known.err = true, value, err
	}
	return value, err
}

// read returns the read for a key, and creates it if there is none.
func (l *loaded) read(key any, begin func() any) any {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.reads[key]
	if !ok {
		if l.reads == nil {
			l.reads = map[any]any{}
		}
		known = begin()
		l.reads[key] = known
	}
	return known
}
