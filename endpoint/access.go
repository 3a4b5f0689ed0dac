package endpoint

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

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
			if open && Access(field) != AccessEverybody {
				errs = append(errs, fmt.Errorf("%s.%s: what is @public needs nothing else", root.Name, field.Name))
			}
		}
	}
	return errors.Join(errs...)
}

// AccessEverybody is Access of a field that needs nothing.
const AccessEverybody = "Access: everybody."

// Access is what the description of a field says of its directives, which introspection does not show.
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
