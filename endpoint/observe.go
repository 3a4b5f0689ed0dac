package endpoint

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Operation is what a client asks for.
type Operation struct {
	Kind     string // query, mutation or subscription
	Field    string // its root field, or "several"
	Name     string // what the client calls it, or ""
	Document string // as the client wrote it, literals included
}

// Observer hears of operations. Answer and End get the context that Begin returned.
type Observer interface {
	// Begin is told of an operation before it runs. The context that it returns is that of the operation.
	Begin(ctx context.Context, operation Operation) context.Context
	// Answer is told the codes of the errors in an answer. A subscription has an answer for each event.
	Answer(ctx context.Context, codes []string)
	// End is told that an operation is over.
	End(ctx context.Context)
	// Refuse is told why a document never became an operation.
	Refuse(ctx context.Context, codes []string)
}

// describe tells an observer what is asked for.
func describe(operation *graphql.OperationContext) Operation {
	return Operation{
		Kind:     string(operation.Operation.Operation),
		Field:    rootField(operation.Operation.SelectionSet),
		Name:     operation.Operation.Name,
		Document: operation.RawQuery,
	}
}

// rootField returns the only root field that is selected, in fragments too, or "several".
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
