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

// Caller is the signed-in user an operation acts as. There is one for each operation.
type Caller struct {
	database.Caller
	UserID uuid.UUID
	// Email is "" for a user without an address.
	Email string
	// AAL is how strongly the session was signed in: aal1, aal2, or "" if the token does not say.
	AAL string
	// IsAnonymous reports whether the user signed in without an identity.
	IsAnonymous bool

	appMetadata json.RawMessage
	loaded      *loaded // nil if each read must be made
}

// HasRole reports whether app_metadata, which users cannot change, gives the caller a role: as app_metadata.role, a
// text, or among app_metadata.roles, a list.
func (c *Caller) HasRole(role string) bool {
	var metadata map[string]json.RawMessage // a struct would take the names in any case
	if json.Unmarshal(c.appMetadata, &metadata) != nil {
		return false
	}
	var one string
	var many []string
	return json.Unmarshal(metadata["role"], &one) == nil && one == role ||
		json.Unmarshal(metadata["roles"], &many) == nil && slices.Contains(many, role)
}

type callerKey struct{}

// withCaller puts the caller of an operation into its context. Anonymous operations get none.
func withCaller(ctx context.Context, operation ast.Operation, lag lag) context.Context {
	claims, ok := auth.FromContext(ctx)
	if !ok {
		return ctx
	}
	caller := newCaller(claims)
	caller.ReadOnly = operation != ast.Mutation
	caller.MayLag = lag.allows(ctx, operation, caller.Subject)
	if operation == ast.Query {
		caller.loaded = new(loaded)
	}
	return context.WithValue(ctx, callerKey{}, caller)
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

// CallerOf returns the caller of an HTTP request, or ErrUnauthenticated. The caller may write. It is for a team's own
// routes; resolvers use CallerFrom.
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
	if !ok {
		return nil, ErrUnauthenticated
	}
	return caller, nil
}

// loaded holds what a query has read. What a mutation or a subscription reads may have changed since.
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

// Load reads a row once for a query, however many fields ask for it at once; in a mutation or a subscription it reads
// each time. Two reads are the same if they have the same key and the same type of value: give the key a type of its own
// where one type of value is read in two ways.
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

// read returns what was or is being read for a key.
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
