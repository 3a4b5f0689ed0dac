package rowjson

import (
	"reflect"
	"slices"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// Plan says how the answer of an operation is written. It holds for a document, an operation and the values of the
// variables of @skip and @include.
type Plan struct {
	rows *Rows
	root *node
}

// node is a field of an operation whose values are objects. If rows is nil, the generated code answers it, and below are
// the fields of these objects that may be known.
type node struct {
	*binding
	rows  *selection
	below map[string]*node
	slots int // of the results of batch resolvers
}

// selection is what is selected of an object.
type selection struct {
	pointers reflect.Type // a slice of pointers to the object's struct
	fields   []selected
	batches  int  // the number of its batch resolvers
	related  bool // whether it or a selection below has one
}

// selected is a selected field.
type selected struct {
	*binding // nil for __typename
	key      string
	field    graphql.CollectedField
	slot     int // of a batch resolver
	below    *selection
}

// Plan returns the plan of an operation, or nil if nothing of it is known.
func (r *Rows) Plan(operation *graphql.OperationContext) *Plan {
	root := r.schema.Schema().Query
	switch operation.Operation.Operation {
	case ast.Mutation:
		root = r.schema.Schema().Mutation
	case ast.Subscription:
		root = r.schema.Schema().Subscription
	}
	p := planner{r, operation}
	below := p.below(r.objects[objectKey{root.Name, nil}], operation.Operation.SelectionSet, root == r.schema.Schema().Subscription)
	if below == nil {
		return nil
	}
	if root == r.schema.Schema().Subscription { // the fields of an event do not know the field of the subscription
		for _, event := range below {
			return &Plan{r, event}
		}
	}
	return &Plan{r, &node{below: below}}
}

type planner struct {
	*Rows
	operation *graphql.OperationContext
}

func (p planner) collect(o *object, set ast.SelectionSet) []graphql.CollectedField {
	satisfied := []string{o.definition.Name}
	for _, abstract := range p.schema.Schema().GetImplements(o.definition) {
		satisfied = append(satisfied, abstract.Name)
	}
	return graphql.CollectFields(p.operation, set, satisfied)
}

// below returns the nodes of a selection, by their aliases. A stream has no value that could be written.
func (p planner) below(o *object, set ast.SelectionSet, stream bool) map[string]*node {
	var nodes map[string]*node
	fields := p.collect(o, set)
	for i, field := range fields {
		b := o.fields[field.Name]
		if b == nil || b.object == nil || isAgain(fields, i) {
			continue
		}
		n := &node{binding: b}
		if !stream {
			n.rows = p.selection(b.object, field.Selections, &n.slots)
		}
		if n.rows == nil {
			n.below = p.below(b.object, field.Selections, false)
		}
		if n.rows != nil || n.below != nil {
			if nodes == nil {
				nodes = map[string]*node{}
			}
			nodes[field.Alias] = n
		}
	}
	return nodes
}

// selection returns what is selected of an object, or nil if not all of it is known.
func (p planner) selection(o *object, set ast.SelectionSet, slots *int) *selection {
	s := &selection{pointers: reflect.SliceOf(reflect.PointerTo(o.typ))}
	comma := ""
	fields := p.collect(o, set)
	for i, field := range fields {
		if isAgain(fields, i) {
			if len(field.Selections) > 0 {
				return nil
			}
			if slices.IndexFunc(fields, func(other graphql.CollectedField) bool { return other.Alias == field.Alias }) < i {
				continue
			}
		}
		f := selected{field: field, key: comma + strconv.Quote(field.Alias) + ":"}
		comma = ","
		if field.Name == "__typename" {
			f.key += strconv.Quote(o.definition.Name)
			s.fields = append(s.fields, f)
			continue
		}
		f.binding = o.fields[field.Name]
		if f.binding == nil || !f.known() {
			return nil
		}
		if f.batch != nil {
			f.slot, s.related = *slots, true
			s.batches++
			*slots++
		}
		if f.object != nil {
			if f.below = p.selection(f.object, field.Selections, slots); f.below == nil {
				return nil
			}
			s.related = s.related || f.below.related
		}
		s.fields = append(s.fields, f)
	}
	return s
}

// isAgain reports whether another field has the alias of a field: gqlgen does not merge fields of fragments on different
// types. It resolves both, and writes the first.
func isAgain(fields []graphql.CollectedField, i int) bool {
	return slices.ContainsFunc(fields, func(other graphql.CollectedField) bool {
		return other.Alias == fields[i].Alias && other.Field != fields[i].Field
	})
}

// find returns the node of a field, or nil.
func (p *Plan) find(field *graphql.FieldContext) *node {
	for field != nil && field.Index != nil {
		field = field.Parent
	}
	if field == nil || field.Field.Field == nil {
		return p.root
	}
	if parent := p.find(field.Parent); parent != nil {
		return parent.below[field.Field.Alias]
	}
	return nil
}
