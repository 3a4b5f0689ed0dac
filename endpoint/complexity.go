package endpoint

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
)

// defaultListSize is the assumed size of a list without @listSize.
const defaultListSize = 10

// cost holds what @cost and @listSize say about a field.
type cost struct {
	weight  int
	size    int      // multiplies the cost of the field's selections
	slicing []string // arguments that replace size
}

// costs maps each field of the schema to its cost. Introspection fields are not in it: they cost nothing.
type costs map[*ast.FieldDefinition]cost

// costsOf reads @cost and @listSize of every field of a schema.
func costsOf(schema *ast.Schema) (costs, error) {
	all := costs{}
	for _, definition := range schema.Types {
		if definition.BuiltIn || definition.Kind != ast.Object && definition.Kind != ast.Interface {
			continue
		}
		for _, field := range definition.Fields {
			// gqlparser adds __schema, __type and __typename. Their position is not in a source file of the schema.
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
			return c, fmt.Errorf("@listSize(slicingArguments:): %q is not an argument of the field", name)
		}
		c.slicing = append(c.slicing, name)
	}
	return c, nil
}

// complexity returns the cost of an operation. The cost of each fragment is computed once.
func (c costs) complexity(operation *ast.OperationDefinition, variables map[string]any) int {
	counter := costCounter{costs: c, variables: variables}
	return counter.selections(operation.SelectionSet)
}

type costCounter struct {
	costs     costs
	variables map[string]any
	fragments map[string]int
}

func (counter *costCounter) selections(set ast.SelectionSet) int {
	sum := 0
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			sum = addCapped(sum, counter.field(s))
		case *ast.InlineFragment:
			sum = addCapped(sum, counter.selections(s.SelectionSet))
		case *ast.FragmentSpread:
			sum = addCapped(sum, counter.fragment(s))
		}
	}
	return sum
}

func (counter *costCounter) field(field *ast.Field) int {
	c, ok := counter.costs[field.Definition]
	if !ok {
		return 0
	}
	below := counter.selections(field.SelectionSet)
	if below == 0 {
		return c.weight
	}
	return addCapped(c.weight, timesCapped(counter.size(field, c), below))
}

// size returns the largest slicing argument, or the assumed size if no slicing argument is a number.
func (counter *costCounter) size(field *ast.Field, c cost) int {
	size, asked := 0, false
	for _, name := range c.slicing {
		argument := field.Arguments.ForName(name)
		given := argument != nil
		if given && argument.Value.Kind == ast.Variable {
			_, given = counter.variables[argument.Value.Raw]
		}
		var value any
		if given {
			value, _ = argument.Value.Value(counter.variables)
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

func (counter *costCounter) fragment(spread *ast.FragmentSpread) int {
	sum, ok := counter.fragments[spread.Name]
	if !ok && spread.Definition != nil {
		sum = counter.selections(spread.Definition.SelectionSet)
		if counter.fragments == nil {
			counter.fragments = map[string]int{}
		}
		counter.fragments[spread.Name] = sum
	}
	return sum
}

// clamp limits a number to the range that addCapped and timesCapped accept.
func clamp(number int64) int { return int(min(max(number, 0), maxNumber)) }
