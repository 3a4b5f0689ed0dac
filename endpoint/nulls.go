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

// A variable that may be null can stand where null may not, if there is a default (GraphQL, section 5.8.5). A client that
// gives it null makes an argument wrong, which is found when a field is executed: the field is null, with an error. gqlgen's
// code does not look for that, so it gets a copy of the document, in which such an argument has a value that the code
// cannot read. It panics, in a place from which it recovers, and recovered makes an error of it.

// neverNull returns the variables that a valid document uses where null may not stand, though they may be null.
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

// nulls are the arguments of an operation that got null where it may not stand.
type nulls struct {
	variables map[string]any
	// failures are the errors, by the values that stand in the copy for the arguments.
	failures map[string]*gqlerror.Error
}

// findNulls returns nil if there are none, as in almost every operation. Else it gives the operation the copy.
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
		if skipped && directive.Name == "include" { // nobody looks at it
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

// isWrong reports whether a value or something in it is null where null may not stand.
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

// fail returns what stands for a wrong value: a number that is none.
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
	return n.told(unread.Num)
}

// told returns a copy of an error, which gets the path of a field.
func (n *nulls) told(name string) *gqlerror.Error {
	failure := n.failures[name]
	if failure == nil {
		return nil
	}
	told := *failure
	return &told
}

// rootErrors returns the errors of an operation that must not begin: those of the directives of its root fields, and, if
// their arguments matter too, those of the arguments. A mutation then changes nothing.
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
			if failure := n.told(argument.Value.Raw); failure != nil {
				failure.Path = ast.Path{ast.PathName(field.Alias)}
				errs = append(errs, failure)
				break
			}
		}
	}
	return errs
}
