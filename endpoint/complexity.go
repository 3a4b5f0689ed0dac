package endpoint

import (
	"fmt"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// defaultListSize is the assumed size of a list without @listSize.
const defaultListSize = 10

// cost holds what @cost and @listSize say about a field. @listSize is that of IBM's specification of cost directives
// without requireOneSlicingArgument: a page without one has a default size.
// https://ibm.github.io/graphql-specs/cost-spec.html#sec-The-List-Size-Directive
type cost struct {
	weight  int
	isList  bool
	size    int      // multiplies the cost of the selections of the list, or of the sized fields
	slicing []string // arguments that replace size
	sized   []string // fields of the field's type that are lists of that size; nil if the field itself is the list
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
			c, err := costOf(schema, field)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", definition.Name, field.Name, err)
			}
			all[field] = c
		}
	}
	return all, nil
}

func costOf(schema *ast.Schema, field *ast.FieldDefinition) (cost, error) {
	c := cost{weight: 1, size: defaultListSize, isList: field.Type.Elem != nil}
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
	for _, name := range namesIn(arguments, "slicingArguments") {
		if field.Arguments.ForName(name) == nil {
			return c, fmt.Errorf("@listSize(slicingArguments:): %q is not an argument of the field", name)
		}
		c.slicing = append(c.slicing, name)
	}
	for _, name := range namesIn(arguments, "sizedFields") {
		sized := schema.Types[field.Type.Name()].Fields.ForName(name)
		if sized == nil || sized.Type.Elem == nil {
			return c, fmt.Errorf("@listSize(sizedFields:): %q is not a list of %s", name, field.Type.Name())
		}
		c.sized = append(c.sized, name)
	}
	if !c.isList && c.sized == nil {
		return c, fmt.Errorf("@listSize without sizedFields on a field that is no list: name the lists of %s", field.Type.Name())
	}
	return c, nil
}

func namesIn(arguments map[string]any, argument string) (names []string) {
	list, _ := arguments[argument].([]any)
	for _, name := range list {
		name, _ := name.(string)
		names = append(names, name)
	}
	return names
}

// complexity returns the cost of an operation. The cost of each fragment is computed once.
func (c costs) complexity(operation *ast.OperationDefinition, variables map[string]any) int {
	counter := costCounter{costs: c, variables: variables}
	return counter.selections(operation.SelectionSet, parent{})
}

type costCounter struct {
	costs     costs
	variables map[string]any
	fragments map[spread]int
}

// parent is what the field that has some selections says of the sizes of lists in them.
type parent struct {
	field *ast.FieldDefinition // nil if it says nothing
	size  int
}

// spread is a fragment below a parent.
type spread struct {
	name string
	parent
}

func (counter *costCounter) selections(set ast.SelectionSet, of parent) int {
	sum := 0
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			sum = addCapped(sum, counter.field(s, of))
		case *ast.InlineFragment:
			sum = addCapped(sum, counter.selections(s.SelectionSet, of))
		case *ast.FragmentSpread:
			sum = addCapped(sum, counter.fragment(s, of))
		}
	}
	return sum
}

func (counter *costCounter) field(field *ast.Field, of parent) int {
	c, ok := counter.costs[field.Definition]
	if !ok {
		return 0
	}
	size := 1
	switch {
	case of.field != nil && slices.Contains(counter.costs[of.field].sized, field.Name):
		size = of.size
	case c.isList && c.sized == nil:
		size = counter.size(field, c)
	case c.isList:
		size = defaultListSize
	}
	below := parent{}
	if c.sized != nil {
		below = parent{field.Definition, counter.size(field, c)}
	}
	inner := counter.selections(field.SelectionSet, below)
	if inner == 0 {
		return c.weight
	}
	return addCapped(c.weight, timesCapped(size, inner))
}

// size returns the largest slicing argument, or the assumed size if no slicing argument is a number. A null argument has
// its default.
func (counter *costCounter) size(field *ast.Field, c cost) int {
	size, asked := 0, false
	for _, name := range c.slicing {
		var value any
		if argument := field.Arguments.ForName(name); argument != nil {
			value, _ = argument.Value.Value(counter.variables)
		}
		if defined := field.Definition.Arguments.ForName(name); value == nil && defined.DefaultValue != nil {
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

func (counter *costCounter) fragment(fragment *ast.FragmentSpread, of parent) int {
	key := spread{fragment.Name, of}
	sum, ok := counter.fragments[key]
	if !ok && fragment.Definition != nil {
		sum = counter.selections(fragment.Definition.SelectionSet, of)
		if counter.fragments == nil {
			counter.fragments = map[spread]int{}
		}
		counter.fragments[key] = sum
	}
	return sum
}

// clamp limits a number to the range that addCapped and timesCapped accept.
func clamp(number int64) int { return int(min(max(number, 0), maxNumber)) }
