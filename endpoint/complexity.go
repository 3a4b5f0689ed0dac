package endpoint

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
)

// What a list is expected to have, where @listSize does not say.
const defaultListSize = 10

// cost is what the directives @cost and @listSize say of a field.
type cost struct {
	weight  int
	size    int      // how often what is selected in the field counts
	slicing []string // arguments that say so instead
}

// costs are those of the fields of a schema. Fields that are not in it belong to introspection, and cost nothing.
type costs map[*ast.FieldDefinition]cost

// costsOf reads the directives of a schema.
func costsOf(schema *ast.Schema) (costs, error) {
	all := costs{}
	for _, definition := range schema.Types {
		if definition.BuiltIn || definition.Kind != ast.Object && definition.Kind != ast.Interface {
			continue
		}
		for _, field := range definition.Fields {
			// gqlparser adds __schema, __type and __typename; they have no position in a source of ours.
			if field.Position == nil || field.Position.Src.BuiltIn {
				continue
			}
			c, err := costOf(field)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", definition.Name, field.Name, err)
			}
			all[field] = c
		}
	}
	return all, nil
}

func costOf(field *ast.FieldDefinition) (cost, error) {
	c := cost{weight: 1, size: 1}
	if field.Type.Elem != nil {
		c.size = defaultListSize
	}
	if directive := field.Directives.ForName("cost"); directive != nil {
		weight, _ := directive.ArgumentMap(nil)["weight"].(int64)
		if weight < 0 {
			return c, fmt.Errorf("@cost(weight: %d) is negative", weight)
		}
		c.weight = clamp(weight)
	}
	directive := field.Directives.ForName("listSize")
	if directive == nil {
		return c, nil
	}
	arguments := directive.ArgumentMap(nil)
	if size, ok := arguments["assumedSize"].(int64); ok {
		c.size = clamp(size)
	}
	names, _ := arguments["slicingArguments"].([]any)
	for _, name := range names {
		name, _ := name.(string)
		if field.Arguments.ForName(name) == nil {
			return c, fmt.Errorf("@listSize(slicingArguments:) names %q, which is no argument of the field", name)
		}
		c.slicing = append(c.slicing, name)
	}
	return c, nil
}

// complexity adds up what an operation costs. Each fragment is added up once.
func (c costs) complexity(operation *ast.OperationDefinition, variables map[string]any) int {
	adder := adder{costs: c, variables: variables}
	return adder.selections(operation.SelectionSet)
}

type adder struct {
	costs     costs
	variables map[string]any
	fragments map[string]int
}

func (a *adder) selections(set ast.SelectionSet) int {
	sum := 0
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			sum = addCapped(sum, a.field(s))
		case *ast.InlineFragment:
			sum = addCapped(sum, a.selections(s.SelectionSet))
		case *ast.FragmentSpread:
			sum = addCapped(sum, a.fragment(s))
		}
	}
	return sum
}

func (a *adder) field(field *ast.Field) int {
	c, ok := a.costs[field.Definition]
	if !ok {
		return 0
	}
	below := a.selections(field.SelectionSet)
	if below == 0 {
		return c.weight
	}
	return addCapped(c.weight, timesCapped(a.size(field, c), below))
}

// size is the largest number that an argument asks for, or what the list is expected to have.
func (a *adder) size(field *ast.Field, c cost) int {
	size, asked := 0, false
	for _, name := range c.slicing {
		argument := field.Arguments.ForName(name)
		given := argument != nil
		if given && argument.Value.Kind == ast.Variable {
			_, given = a.variables[argument.Value.Raw]
		}
		var value any
		if given {
			value, _ = argument.Value.Value(a.variables)
		} else if defined := field.Definition.Arguments.ForName(name); defined.DefaultValue != nil {
			value, _ = defined.DefaultValue.Value(nil)
		}
		if number, ok := value.(int64); ok {
			size, asked = max(size, clamp(number)), true
		}
	}
	if !asked {
		return c.size
	}
	return size
}

func (a *adder) fragment(spread *ast.FragmentSpread) int {
	sum, ok := a.fragments[spread.Name]
	if !ok && spread.Definition != nil {
		sum = a.selections(spread.Definition.SelectionSet)
		if a.fragments == nil {
			a.fragments = map[string]int{}
		}
		a.fragments[spread.Name] = sum
	}
	return sum
}

// clamp turns a number of a schema or a client into one that addCapped and timesCapped take.
func clamp(number int64) int { return int(min(max(number, 0), maxNumber)) }
