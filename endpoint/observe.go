package endpoint

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Operation describes an operation of a client.
type Operation struct {
	Kind     string // query, mutation or subscription
	Field    string // the root field, or "several"
	Name     string // the name in the document, or ""
	Document string // the text of the document, literals included
}

// Observer is notified of operations. Answer and End receive the context that Begin returned.
type Observer interface {
	// Begin is called before an operation runs. The operation runs with the returned context.
	Begin(ctx context.Context, operation Operation) context.Context
	// Answer receives the error codes of a response. A subscription has a response for each event.
	Answer(ctx context.Context, codes []string)
	// End is called when the operation has ended.
	End(ctx context.Context)
	// Refuse receives the error codes of a request that did not become an operation.
	Refuse(ctx context.Context, codes []string)
}

// describe returns the Operation for an observer.
func describe(operation *graphql.OperationContext) Operation {
	return Operation{
		Kind:     string(operation.Operation.Operation),
		Field:    rootField(operation.Operation.SelectionSet),
		Name:     operation.Operation.Name,
		Document: operation.RawQuery,
	}
}

// rootField returns the name of the selected root field, fragments included, or "several" if there are more.
func rootField(selections ast.SelectionSet) string {
	found := ""
	for _, selection := range selections {
		var name string
		switch selection := selection.(type) {
		case *ast.Field:
			name = selection.Name
		case *ast.InlineFragment:
			name = rootField(selection.SelectionSet)
		case *ast.FragmentSpread:
			name = rootField(selection.Definition.SelectionSet)
		}
		if found != "" && found != name {
			return "several"
		}
		found = name
	}
	return found
}

func errorCodes(errors gqlerror.List) []string {
	var codes []string
	for _, err := range errors {
		code, _ := err.Extensions["code"].(string)
		codes = append(codes, code)
	}
	return codes
}
