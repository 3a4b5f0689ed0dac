package endpoint

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/core"
)

// A nullable variable can have a non-null position if there is a default (GraphQL, section 5.8.5). If the client gives
// it null, the argument is invalid, and the field is null with an error. gqlgen's code does not check for that. So it
// executes a copy of the document in which such an argument has a value that the code cannot parse. The code panics
// and recovers, and RecoverFunc converts the panic into the error.

// neverNull returns the nullable variables in non-null positions of a valid document.
func neverNull(schema *ast.Schema, document *ast.QueryDocument) map[string]bool {
	var names map[string]bool
	for _, operation := range document.Operations {
		for _, variable := range operation.VariableDefinitions {
			if !variable.Type.NonNull {
				names = map[string]bool{}
			}
		}
	}
	if names == nil {
		return nil
	}
	var observers core.Events
	observers.OnValue(func(_ *core.Walker, value *ast.Value) {
		if value.Kind == ast.Variable && value.ExpectedType != nil && value.ExpectedType.NonNull {
			names[value.Raw] = true
		}
	})
	core.Walk(schema, document, &observers)
	return names
}

// nulls are the arguments of an operation that are null in a non-null position.
type nulls struct {
	variables map[string]any
	// failures maps the raw value of each replaced argument to its error.
	failures map[string]*gqlerror.Error
}

// findNulls replaces the document of an operation by the copy. It returns nil if no argument is invalid, as for almost
// every operation.
func findNulls(operation *graphql.OperationContext, neverNull map[string]bool) *nulls {
	found := false
	for name := range neverNull {
		value, given := operation.Variables[name]
		found = found || given && value == nil
	}
	if !found {
		return nil
	}
	n := &nulls{variables: operation.Variables, failures: map[string]*gqlerror.Error{}}
	asked := *operation.Operation
	asked.Directives = n.directives(asked.Directives)
	asked.SelectionSet = n.selections(asked.SelectionSet)
	document := *operation.Doc
	document.Operations = ast.OperationList{&asked}
	document.Fragments = nil
	for _, fragment := range operation.Doc.Fragments {
		copied := *fragment
		copied.SelectionSet = n.selections(fragment.SelectionSet)
		document.Fragments = append(document.Fragments, &copied)
	}
	operation.Operation, operation.Doc = &asked, &document
	recovered := operation.RecoverFunc
	operation.RecoverFunc = func(ctx context.Context, panicked any) error {
		if failure := n.failure(panicked); failure != nil {
			return failure
		}
		return recovered(ctx, panicked)
	}
	return n
}

func (n *nulls) selections(set ast.SelectionSet) ast.SelectionSet {
	var copied ast.SelectionSet
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			field := *s
			field.Arguments = n.arguments(s.Arguments)
			field.Directives = n.directives(s.Directives)
			field.SelectionSet = n.selections(s.SelectionSet)
			copied = append(copied, &field)
		case *ast.InlineFragment:
			fragment := *s
			fragment.Directives = n.directives(s.Directives)
			fragment.SelectionSet = n.selections(s.SelectionSet)
			copied = append(copied, &fragment)
		case *ast.FragmentSpread:
			spread := *s
			spread.Directives = n.directives(s.Directives)
			copied = append(copied, &spread)
		}
	}
	return copied
}

func (n *nulls) directives(list ast.DirectiveList) ast.DirectiveList {
	var copied ast.DirectiveList
	skipped := false
	if skip := list.ForName("skip"); skip != nil {
		skipped, _ = skip.ArgumentMap(n.variables)["if"].(bool)
	}
	for _, directive := range list {
		if skipped && directive.Name == "include" { // a true @skip ends the evaluation
			continue
		}
		one := *directive
		one.Arguments = n.arguments(directive.Arguments)
		copied = append(copied, &one)
	}
	return copied
}

func (n *nulls) arguments(list ast.ArgumentList) ast.ArgumentList {
	var copied ast.ArgumentList
	for _, argument := range list {
		one := *argument
		switch value := argument.Value; {
		case !n.isWrong(value):
		case value.Kind == ast.Variable:
			one.Value = n.fail(value, `Argument "%s" of non-null type "%s" must not be null.`, argument.Name, value.ExpectedType)
		default:
			one.Value = n.fail(value, `Argument "%s" has invalid value %s.`, argument.Name, printValue(value))
		}
		copied = append(copied, &one)
	}
	return copied
}

// isWrong reports whether a value, or a value in it, is null in a non-null position.
func (n *nulls) isWrong(value *ast.Value) bool {
	if value.Kind == ast.Variable && value.ExpectedType != nil && value.ExpectedType.NonNull {
		given, ok := n.variables[value.Raw]
		return ok && given == nil
	}
	for _, child := range value.Children {
		if n.isWrong(child.Value) {
			return true
		}
	}
	return false
}

// fail returns the replacement of an invalid value: an integer that does not parse.
func (n *nulls) fail(value *ast.Value, format string, args ...any) *ast.Value {
	name := fmt.Sprintf("failure %d", len(n.failures))
	n.failures[name] = at(value.Position, refusef(CodeValidationFailed, format, args...))
	return &ast.Value{Kind: ast.IntValue, Raw: name, Position: value.Position}
}

// failure returns the error that a panic of gqlgen's code stands for, or nil.
func (n *nulls) failure(panicked any) *gqlerror.Error {
	err, _ := panicked.(error)
	var unread *strconv.NumError
	if !errors.As(err, &unread) {
		return nil
	}
	return n.errorFor(unread.Num)
}

// errorFor returns a copy of the error of a replaced argument, or nil: each copy gets the path of its field.
func (n *nulls) errorFor(name string) *gqlerror.Error {
	failure := n.failures[name]
	if failure == nil {
		return nil
	}
	copied := *failure
	return &copied
}

// rootErrors returns the errors that prevent an operation from starting: those of the operation's directives and, if
// arguments is true, those of the root fields' arguments. So a mutation with an error changes nothing.
func (n *nulls) rootErrors(operation *graphql.OperationContext, arguments bool) (errs gqlerror.List) {
	defer func() {
		if panicked := recover(); panicked != nil {
			failure := n.failure(panicked)
			if failure == nil {
				panic(panicked)
			}
			errs = gqlerror.List{failure}
		}
	}()
	for _, directive := range operation.Operation.Directives {
		directive.ArgumentMap(n.variables)
	}
	for _, field := range graphql.CollectFields(operation, operation.Operation.SelectionSet, nil) {
		if !arguments || field.Definition == nil {
			continue
		}
		for _, definition := range field.Definition.Arguments {
			argument := field.Arguments.ForName(definition.Name)
			if argument == nil {
				continue
			}
			if argument.Value.Kind != ast.IntValue {
				continue
			}
			if failure := n.errorFor(argument.Value.Raw); failure != nil {
				failure.Path = ast.Path{ast.PathName(field.Alias)}
				errs = append(errs, failure)
				break
			}
		}
	}
	return errs
}
