package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
)

// Why a caller may not use a field.
var (
	// ErrUnauthenticated says that only a signed-in caller may do this.
	ErrUnauthenticated = errors.New("sign in to use this field")
	// ErrMFARequired says that the session must be signed in with a second factor.
	ErrMFARequired = errors.New("a second factor is required")
	// ErrAccountRequired says that a user who signed in without an identity may not do this.
	ErrAccountRequired = errors.New("an account is required")
	// ErrRoleRequired says that the caller's app_metadata does not give them the role.
	ErrRoleRequired = errors.New("a role is required")
)

// AAL is the enum of the same name: how strongly a session was signed in.
type AAL string

// The levels, in their order. A token has them in lower case, in its claim aal.
const (
	AAL1 AAL = "AAL1"
	AAL2 AAL = "AAL2"
)

// levels are the names of AAL1 and AAL2 as tokens write them, in their order.
var levels = []string{"aal1", "aal2"}

// MarshalGQL implements graphql.Marshaler.
func (a AAL) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(string(a))) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (a *AAL) UnmarshalGQL(value any) error {
	text, _ := value.(string)
	if *a = AAL(text); *a != AAL1 && *a != AAL2 {
		return fmt.Errorf("%v is not a value of AAL", value)
	}
	return nil
}

// Directive is a directive without arguments that says who may use a field. It runs before the resolver.
type Directive = func(ctx context.Context, obj any, next graphql.Resolver) (any, error)

// Require returns a directive that goes on to the field if the caller is signed in and check finds nothing against it.
func Require(check func(*Caller) error) Directive {
	return func(ctx context.Context, _ any, next graphql.Resolver) (any, error) {
		caller, err := CallerFrom(ctx)
		if err != nil {
			return nil, err
		}
		if err := check(caller); err != nil {
			return nil, err
		}
		return next(ctx)
	}
}

// Public implements @public.
func Public(ctx context.Context, _ any, next graphql.Resolver) (any, error) { return next(ctx) }

// Authenticated implements @authenticated.
var Authenticated = Require(func(*Caller) error { return nil })

// DenyAnonymousUsers implements @denyAnonymousUsers.
var DenyAnonymousUsers = Require(func(c *Caller) error {
	if c.IsAnonymous {
		return ErrAccountRequired
	}
	return nil
})

// Requires implements @requires. A token without the claim aal, or with another value, has no level at all.
func Requires(ctx context.Context, obj any, next graphql.Resolver, aal AAL) (any, error) {
	return Require(func(c *Caller) error {
		if slices.Index(levels, c.AAL) < slices.Index([]AAL{AAL1, AAL2}, aal) {
			return ErrMFARequired
		}
		return nil
	})(ctx, obj, next)
}

// HasRole implements @hasRole.
func HasRole(ctx context.Context, obj any, next graphql.Resolver, app string) (any, error) {
	return Require(func(c *Caller) error {
		if !c.HasRole(app) {
			return ErrRoleRequired
		}
		return nil
	})(ctx, obj, next)
}
