package endpoint

import (
	"slices"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/internal/rowjson"
)

const (
	// maxPlans bounds the plans of a document. Each value of a variable of @skip or @include is another plan.
	maxPlans = 8
	// planBytes is the most memory that a plan takes for a field, in bytes.
	planBytes = 384
)

// plans are the plans by which the rows of a document's answers are written.
type plans struct {
	mu         sync.RWMutex
	known      map[planKey]*rowjson.Plan // nil if nothing is known
	conditions []string                  // the variables of @skip and @include
}

// planKey is what a plan depends on.
type planKey struct {
	operation *ast.OperationDefinition
	holds     uint64 // a bit for each condition
}

// of returns the plan of an operation, or nil.
func (p *plans) of(rows *rowjson.Rows, document *ast.QueryDocument, operation *graphql.OperationContext) *rowjson.Plan {
	p.mu.RLock()
	key := p.key(operation)
	plan, ok := p.known[key]
	p.mu.RUnlock()
	if ok {
		return plan
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.conditions = conditionsIn(document)
	}
	if len(p.conditions) > 64 {
		return nil
	}
	if p.known == nil || len(p.known) >= maxPlans {
		p.known = map[planKey]*rowjson.Plan{}
	}
	plan = rows.Plan(operation)
	p.known[p.key(operation)] = plan
	return plan
}

func (p *plans) key(operation *graphql.OperationContext) planKey {
	key := planKey{operation: operation.Operation}
	for i, name := range p.conditions {
		if operation.Variables[name] == true {
			key.holds |= 1 << i
		}
	}
	return key
}

// conditionsIn returns the variables of @skip and @include in a document.
func conditionsIn(document *ast.QueryDocument) (names []string) {
	var visit func(ast.SelectionSet)
	of := func(directives ast.DirectiveList) {
		for _, directive := range directives {
			for _, argument := range directive.Arguments {
				if argument.Value.Kind == ast.Variable && !slices.Contains(names, argument.Value.Raw) {
					names = append(names, argument.Value.Raw)
				}
			}
		}
	}
	visit = func(selections ast.SelectionSet) {
		for _, selection := range selections {
			switch s := selection.(type) {
			case *ast.Field:
				of(s.Directives)
				visit(s.SelectionSet)
			case *ast.InlineFragment:
				of(s.Directives)
				visit(s.SelectionSet)
			case *ast.FragmentSpread:
				of(s.Directives)
			}
		}
	}
	for _, operation := range document.Operations {
		visit(operation.SelectionSet)
	}
	for _, fragment := range document.Fragments {
		visit(fragment.SelectionSet)
	}
	return names
}
