package endpoint

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// checkAccess rejects a schema with a root field that has neither or both of @authenticated and @public.
func checkAccess(schema *ast.Schema) error {
	var errs []error
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		if root == nil {
			continue
		}
		for _, field := range root.Fields {
			// gqlparser adds __schema and __type to Query. Their position is not in a source file of the schema.
			if field.Position == nil || field.Position.Src.BuiltIn {
				continue
			}
			guarded := field.Directives.ForName("authenticated") != nil
			open := field.Directives.ForName("public") != nil
			if guarded == open {
				errs = append(errs, fmt.Errorf("%s.%s: needs exactly one of @authenticated and @public", root.Name, field.Name))
			}
			if open && Access(field) != AccessEverybody {
				errs = append(errs, fmt.Errorf("%s.%s: @public excludes the other access directives", root.Name, field.Name))
			}
		}
	}
	return errors.Join(errs...)
}

// AccessEverybody is what Access returns for a field without requirements.
const AccessEverybody = "Access: everybody."

// Access returns the sentence that a field's description must contain. It repeats the field's directives, because
// introspection does not show directives.
func Access(field *ast.FieldDefinition) string {
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
		return AccessEverybody
	}
	return "Access: " + strings.Join(needs, ", ") + "."
}
