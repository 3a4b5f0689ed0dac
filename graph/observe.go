package graph

import (
	"context"
	"sync"

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

type observedKey struct{}

// observe is a graphql.OperationMiddleware.
func observe(observer Observer) graphql.OperationMiddleware {
	return func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
		asked := graphql.GetOperationContext(ctx)
		kind := asked.Operation.Operation
		begun := observer.Begin(ctx, Operation{
			Kind:     string(kind),
			Field:    rootField(asked.Operation.SelectionSet),
			Name:     asked.Operation.Name,
			Document: asked.RawQuery,
		})
		end := sync.OnceFunc(func() { observer.End(begun) })
		if kind == ast.Subscription {
			// Nobody asks for the next event of a subscriber who has left.
			context.AfterFunc(begun, end)
		}
		answers := next(context.WithValue(begun, observedKey{}, true))
		return func(ctx context.Context) *graphql.Response {
			answer := answers(ctx)
			if answer != nil {
				observer.Answer(begun, errorCodes(answer.Errors))
			}
			if answer == nil || kind != ast.Subscription {
				end()
			}
			return answer
		}
	}
}

// observeRefusals is a graphql.ResponseMiddleware.
func observeRefusals(observer Observer) graphql.ResponseMiddleware {
	return func(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
		answer := next(ctx)
		if ctx.Value(observedKey{}) == nil && answer != nil {
			observer.Refuse(ctx, errorCodes(answer.Errors))
		}
		return answer
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
