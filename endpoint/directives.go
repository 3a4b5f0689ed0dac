package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// The errors of the access directives.
var (
	// ErrUnauthenticated means that the field requires a signed-in caller.
	ErrUnauthenticated = errors.New("sign in to use this field")
	// ErrMFARequired means that the session needs a second factor.
	ErrMFARequired = errors.New("a second factor is required")
	// ErrAccountRequired means that the field refuses users without an identity.
	ErrAccountRequired = errors.New("an account is required")
	// ErrRoleRequired means that the caller's app_metadata lacks the required role.
	ErrRoleRequired = errors.New("a role is required")
)

// AAL is the authenticator assurance level of a session, the enum AAL of the schema.
type AAL string

// The assurance levels in ascending order. The claim aal of a token has them in lower case.
const (
	AAL1 AAL = "AAL1"
	AAL2 AAL = "AAL2"
)

// levels are the values of the claim aal, in ascending order.
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

// Directive implements a directive without arguments that restricts a field. It runs before the resolver.
type Directive = func(ctx context.Context, obj any, next graphql.Resolver) (any, error)

// Require returns a directive that resolves the field if the caller is signed in and check returns nil.
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
var DenyAnonymousUsers = Require((*Caller).checkAccount)

// Requires implements @requires. A token without the claim aal, or with an unknown value, is below every level.
func Requires(ctx context.Context, obj any, next graphql.Resolver, aal AAL) (any, error) {
	return Require(func(c *Caller) error { return c.checkLevel(aal) })(ctx, obj, next)
}

// HasRole implements @hasRole.
func HasRole(ctx context.Context, obj any, next graphql.Resolver, app string) (any, error) {
	return Require(func(c *Caller) error { return c.checkRole(app) })(ctx, obj, next)
}

func (c *Caller) checkAccount() error {
	if c.IsAnonymous {
		return ErrAccountRequired
	}
	return nil
}

func (c *Caller) checkLevel(least AAL) error {
	if slices.Index(levels, c.AAL) < slices.Index([]AAL{AAL1, AAL2}, least) {
		return ErrMFARequired
	}
	return nil
}

func (c *Caller) checkRole(role string) error {
	if !c.HasRole(role) {
		return ErrRoleRequired
	}
	return nil
}

// mayUse returns the error with which the engine's directives would refuse a field to the caller, or nil.
func (c *Caller) mayUse(field *ast.FieldDefinition) error {
	for _, directive := range field.Directives {
		argument := func(name string) string { text, _ := directive.ArgumentMap(nil)[name].(string); return text }
		var err error
		switch directive.Name {
		case "denyAnonymousUsers":
			err = c.checkAccount()
		case "requires":
			err = c.checkLevel(AAL(argument("aal")))
		case "hasRole":
			err = c.checkRole(argument("app"))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
