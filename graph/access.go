package graph

import (
	"context"
	"errors"
	"fmt"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// ErrUnauthenticated says that only a signed-in caller may do this.
var ErrUnauthenticated = errors.New("sign in to use this field")

// authenticated is the directive @authenticated.
func authenticated(ctx context.Context, _ any, next graphql.Resolver) (any, error) {
	if _, err := callerFrom(ctx); err != nil {
		return nil, err
	}
	return next(ctx)
}

// public is the directive @public.
func public(ctx context.Context, _ any, next graphql.Resolver) (any, error) {
	return next(ctx)
}

// checkAccess refuses a schema with a root field that does not say who may use it.
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
		}
	}
	return errors.Join(errs...)
}
