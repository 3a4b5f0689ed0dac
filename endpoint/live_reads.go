package endpoint

import (
	"reflect"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// answerTypes finds the models that an answer is made of, from its selection and the Go types behind it.
type answerTypes struct {
	// resolvers are the results of the resolvers of a struct's fields, by the field's name as plainName returns it.
	resolvers map[reflect.Type]map[string][]reflect.Type
	// structs are those that resolvers return or have as their parent: an interface may be any of them.
	structs []reflect.Type
}

// newAnswerTypes reads the resolvers of a schema that gqlgen has generated. Any other schema has none.
func newAnswerTypes(schema graphql.ExecutableSchema) *answerTypes {
	a := &answerTypes{resolvers: map[reflect.Type]map[string][]reflect.Type{}}
	root, ok := resolverRoot(reflect.ValueOf(schema))
	if !ok {
		return a
	}
	var found []reflect.Type
	eachResolver(root.Type(), func(object string, field reflect.Method) {
		found = append(found, field.Type.Out(0))
		if rootOf(schema.Schema(), object) != nil {
			return
		}
		parent, name := parentOf(field.Type.In(1)), plainName(field.Name)
		found = append(found, parent)
		if a.resolvers[parent] == nil {
			a.resolvers[parent] = map[string][]reflect.Type{}
		}
		a.resolvers[parent][name] = append(a.resolvers[parent][name], field.Type.Out(0))
	})
	a.structs = (&modelWalk{children: map[reflect.Type][]reflect.Type{}}).reach(found, true)
	return a
}

// readModel is a model that an answer is made of.
type readModel struct {
	model reflect.Type
	// further reports whether rows of it are read for a field of another row.
	further bool
}

// of returns the models that the answer of a resolver is made of, in the order of the selection. It may return more than
// are read, but never fewer: a field whose Go name differs from its own may be any of its parent's fields. What a resolver
// of a scalar reads is not known.
func (a *answerTypes) of(result reflect.Type, selection ast.SelectionSet) []readModel {
	r := &answerReads{types: a, seen: map[answerRead]bool{}}
	r.visit(result, selection, false)
	return r.models
}

// answerReads collects the models of one answer.
type answerReads struct {
	types  *answerTypes
	models []readModel
	seen   map[answerRead]bool
}

// answerRead is a field that selects fields of a type.
type answerRead struct {
	field   *ast.Field
	result  reflect.Type
	further bool
}

func (r *answerReads) visit(t reflect.Type, selection ast.SelectionSet, further bool) {
	t = elementOf(t)
	if t.Kind() == reflect.Interface {
		for _, known := range r.types.structs {
			if t.NumMethod() > 0 && (known.Implements(t) || reflect.PointerTo(known).Implements(t)) {
				r.visit(known, selection, further)
			}
		}
		return
	}
	if t.Kind() != reflect.Struct {
		return
	}
	if isModel(t) {
		r.add(readModel{t, further})
		further = true
	} else {
		// Whoever makes a page has read its rows, even if only its size is selected.
		r.contained(t, further, map[reflect.Type]bool{})
	}
	r.fields(t, selection, further)
}

// fields visits what selected fields of a struct return.
func (r *answerReads) fields(t reflect.Type, selection ast.SelectionSet, further bool) {
	for _, selected := range selection {
		switch s := selected.(type) {
		case *ast.InlineFragment:
			r.fields(t, s.SelectionSet, further)
		case *ast.FragmentSpread:
			r.fields(t, s.Definition.SelectionSet, further)
		case *ast.Field:
			results, resolved := r.types.results(t, s)
			for _, result := range results {
				next := answerRead{s, result, further || resolved}
				if !r.seen[next] {
					r.seen[next] = true
					r.visit(result, s.SelectionSet, next.further)
				}
			}
		}
	}
}

// results returns the types that a field of a struct may have, and whether a resolver returns them.
func (a *answerTypes) results(t reflect.Type, field *ast.Field) (results []reflect.Type, resolved bool) {
	name := plainName(field.Name)
	if results := a.resolvers[t][name]; results != nil {
		return results, true
	}
	var all []reflect.Type
	for _, f := range reflect.VisibleFields(t) {
		if plainName(f.Name) == name {
			return []reflect.Type{f.Type}, false
		}
		all = append(all, f.Type)
	}
	pointer := reflect.PointerTo(t)
	for i := range pointer.NumMethod() {
		method := pointer.Method(i)
		if method.Type.NumOut() == 0 {
			continue
		}
		if plainName(method.Name) == name {
			return []reflect.Type{method.Type.Out(0)}, false
		}
		all = append(all, method.Type.Out(0))
	}
	if len(field.SelectionSet) == 0 {
		return nil, false // a scalar, or __typename
	}
	for _, some := range a.resolvers[t] {
		all = append(all, some...)
	}
	return all, true
}

// contained adds the models that a struct which is no model has in its fields.
func (r *answerReads) contained(t reflect.Type, further bool, seen map[reflect.Type]bool) {
	for _, field := range reflect.VisibleFields(t) {
		element := elementOf(field.Type)
		switch {
		case element.Kind() != reflect.Struct || seen[element]:
		case isModel(element):
			r.add(readModel{element, further})
		default:
			seen[element] = true
			r.contained(element, further, seen)
		}
	}
}

func (r *answerReads) add(m readModel) {
	if !slices.Contains(r.models, m) {
		r.models = append(r.models, m)
	}
}

// elementOf returns the type within pointers, slices, arrays, maps and channels.
func elementOf(t reflect.Type) reflect.Type {
	for {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map, reflect.Chan:
			t = t.Elem()
		default:
			return t
		}
	}
}

// plainName returns a name without what gqlgen changes when it makes a Go name of it: avatar_url and AvatarURL are the
// same.
func plainName(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }
