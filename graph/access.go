package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/auth"
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

// levels are the values of the claim aal, in their order.
var levels = []string{"aal1", "aal2"}

// directives are those of schema.graphqls that say who may use a field. They run before the resolver.
var directives = DirectiveRoot{
	Public: func(ctx context.Context, _ any, next graphql.Resolver) (any, error) { return next(ctx) },
	Authenticated: func(ctx context.Context, _ any, next graphql.Resolver) (any, error) {
		return allow(ctx, next, func(*auth.Claims) error { return nil })
	},
	Requires: func(ctx context.Context, _ any, next graphql.Resolver, aal Aal) (any, error) {
		return allow(ctx, next, func(claims *auth.Claims) error {
			// A token without the claim, or with another value, has no level at all.
			if slices.Index(levels, claims.AAL) < slices.Index(levels, strings.ToLower(string(aal))) {
				return ErrMFARequired
			}
			return nil
		})
	},
	DenyAnonymousUsers: func(ctx context.Context, _ any, next graphql.Resolver) (any, error) {
		return allow(ctx, next, func(claims *auth.Claims) error {
			if claims.IsAnonymous {
				return ErrAccountRequired
			}
			return nil
		})
	},
	HasRole: func(ctx context.Context, _ any, next graphql.Resolver, app string) (any, error) {
		return allow(ctx, next, func(claims *auth.Claims) error {
			if !hasRole(claims.AppMetadata, app) {
				return ErrRoleRequired
			}
			return nil
		})
	},
}

// allow goes on to a field if the caller is signed in and check finds nothing against it.
func allow(ctx context.Context, next graphql.Resolver, check func(*auth.Claims) error) (any, error) {
	claims, ok := auth.FromContext(ctx)
	if !ok {
		return nil, ErrUnauthenticated
	}
	if err := check(claims); err != nil {
		return nil, err
	}
	return next(ctx)
}

// hasRole looks for a role in app_metadata.role, a text, and app_metadata.roles, a list.
func hasRole(appMetadata json.RawMessage, role string) bool {
	var metadata map[string]json.RawMessage // a struct would take the names in any case
	if json.Unmarshal(appMetadata, &metadata) != nil {
		return false
	}
	var one string
	var many []string
	return json.Unmarshal(metadata["role"], &one) == nil && one == role ||
		json.Unmarshal(metadata["roles"], &many) == nil && slices.Contains(many, role)
}

// checkAccess refuses a schema with a root field that does not say who may use it, or says two things.
func checkAccess(schema *ast.Schema) error {
	var errs []error
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		if root == nil {
			continue
		}
		for _, field := range root.Fields {
			// gqlparser adds __schema and __type to Query; they have no position in a source of ours.
			if field.Position == nil || field.Position.Src.BuiltIn {
				continue
			}
			guarded := field.Directives.ForName("authenticated") != nil
			open := field.Directives.ForName("public") != nil
			if guarded == open {
				errs = append(errs, fmt.Errorf("%s.%s: say either @authenticated or @public", root.Name, field.Name))
			}
			if open && access(field) != "Access: everybody." {
				errs = append(errs, fmt.Errorf("%s.%s: what is @public needs nothing else", root.Name, field.Name))
			}
		}
	}
	return errors.Join(errs...)
}

// access is what the description of a field says of its directives, which introspection does not show.
func access(field *ast.FieldDefinition) string {
	needs := []string{}
	for _, directive := range field.Directives {
		argument := func(name string) any { return directive.ArgumentMap(nil)[name] }
		switch directive.Name {
		case "authenticated":
			needs = append(needs, "signed-in callers")
		case "requires":
			needs = append(needs, fmt.Sprintf("%v sessions", argument("aal")))
		case "denyAnonymousUsers":
			needs = append(needs, "no anonymous users")
		case "hasRole":
			needs = append(needs, fmt.Sprintf("role %v", argument("app")))
		}
	}
	if len(needs) == 0 {
		return "Access: everybody."
	}
	return "Access: " + strings.Join(needs, ", ") + "."
}
