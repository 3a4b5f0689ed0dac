package endpoint

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/uptrace/bun"
	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/database"
)

// Model is a bun model that fields of a schema can return.
type Model struct {
	// Type is the struct.
	Type reflect.Type
	// Public reports whether a @public root field can return it, without a relation or a resolver in between.
	Public bool
	// Watched reports whether a field of Subscription can return it.
	Watched bool
}

// Models returns the bun models that the fields of a schema can return, sorted by their names: structs with a
// bun.BaseModel, found through pointers, slices, channels, struct fields, methods and resolvers. A model whose BaseModel
// has the tag `usergraph:"-"` is left out: it is not read from its table, but from a function or by other SQL.
//
// A model that only a GraphQL interface or union can be is found if a field names it, or a resolver has it as its parent.
//
// The schema must be one that gqlgen has generated, or a struct that embeds one.
func Models(schema graphql.ExecutableSchema) ([]Model, error) {
	root, ok := resolverRoot(reflect.ValueOf(schema))
	if !ok {
		return nil, fmt.Errorf("the models of %T are not known: gqlgen has not generated it", schema)
	}
	w := &modelWalk{children: map[reflect.Type][]reflect.Type{}}
	var all, public, watched []reflect.Type
	eachResolver(root.Type(), func(object string, field reflect.Method) {
		result := field.Type.Out(0)
		definition := rootOf(schema.Schema(), object)
		if definition == nil {
			parent := parentOf(field.Type.In(1))
			w.children[parent] = append(w.children[parent], result)
			return
		}
		all = append(all, result)
		if isPublic(definition, field.Name) {
			public = append(public, result)
		}
		if definition == schema.Schema().Subscription {
			watched = append(watched, result)
		}
	})
	for parent, results := range w.children {
		w.known = append(w.known, w.reach(append(results, parent), true)...)
	}
	w.known = append(w.known, w.reach(all, true)...)

	watchedTypes, publicTypes := w.reach(watched, true), w.reach(public, false)
	var models []Model
	for _, t := range w.reach(all, true) {
		if isModel(t) {
			models = append(models, Model{Type: t, Public: slices.Contains(publicTypes, t), Watched: slices.Contains(watchedTypes, t)})
		}
	}
	slices.SortFunc(models, func(a, b Model) int {
		return strings.Compare(a.Type.PkgPath()+a.Type.Name(), b.Type.PkgPath()+b.Type.Name())
	})
	return models, nil
}

// Needs returns what a schema needs of the database: the tables of its models, readable for signed-in callers and, where a
// @public field returns the model, for anonymous ones; and announcements of the models that subscriptions watch. A model
// without a key cannot be watched.
func Needs(schema graphql.ExecutableSchema) (database.Needs, error) {
	models, err := Models(schema)
	if err != nil {
		return database.Needs{}, err
	}
	var needs database.Needs
	var watched []reflect.Type
	for _, model := range models {
		table, err := database.TableOf(model.Type)
		if err != nil {
			return database.Needs{}, err
		}
		roles := []string{"authenticated"}
		if model.Public {
			roles = append(roles, "anon")
		}
		needs.Tables = append(needs.Tables, database.NeededTable{Table: table, Model: model.Type.String(), Roles: roles})
		if model.Watched && len(table.Keys) > 0 {
			watched = append(watched, model.Type)
		}
	}
	needs.Announced, err = database.Announcements(watched)
	return needs, err
}

// resolverRoot returns the field Resolvers of graphql.ExecutableSchemaState.
func resolverRoot(schema reflect.Value) (root reflect.Value, ok bool) {
	schema = reflect.Indirect(schema)
	for schema.Kind() == reflect.Interface {
		schema = reflect.Indirect(schema.Elem())
	}
	if schema.Kind() != reflect.Struct {
		return reflect.Value{}, false
	}
	if field := schema.FieldByName("Resolvers"); field.Kind() == reflect.Interface {
		return field, true
	}
	if embedded := schema.FieldByName("ExecutableSchema"); embedded.IsValid() {
		return resolverRoot(embedded)
	}
	return reflect.Value{}, false
}

// eachResolver calls visit with each resolver of a schema, and with the name of ResolverRoot's method for its type.
func eachResolver(root reflect.Type, visit func(object string, field reflect.Method)) {
	for i := range root.NumMethod() {
		object := root.Method(i)
		for j := range object.Type.Out(0).NumMethod() {
			// A method with one result sets a field of an input.
			if field := object.Type.Out(0).Method(j); field.Type.NumOut() == 2 {
				visit(object.Name, field)
			}
		}
	}
}

// rootOf returns the root type for which ResolverRoot has a method of this name, or nil for another type.
func rootOf(schema *ast.Schema, method string) *ast.Definition {
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		if root != nil && sameName(root.Name, method) {
			return root
		}
	}
	return nil
}

// isPublic reports whether a resolver's field is @public.
func isPublic(root *ast.Definition, method string) bool {
	return slices.ContainsFunc(root.Fields, func(field *ast.FieldDefinition) bool {
		return sameName(field.Name, method) && field.Directives.ForName("public") != nil
	})
}

// sameName reports whether a name of the schema and one of gqlgen's Go names are the same: avatar_url is AvatarURL.
func sameName(name, goName string) bool {
	return strings.EqualFold(strings.ReplaceAll(name, "_", ""), strings.ReplaceAll(goName, "_", ""))
}

// modelWalk finds the types that others lead to.
type modelWalk struct {
	children map[reflect.Type][]reflect.Type // the results of the resolvers of a struct's fields
	known    []reflect.Type                  // the structs that may be an interface's value
}

// reach returns the structs that types lead to, through resolvers and bun's relations or not.
func (w *modelWalk) reach(types []reflect.Type, through bool) []reflect.Type {
	seen := map[reflect.Type]bool{}
	var structs []reflect.Type
	var visit func(t reflect.Type)
	visit = func(t reflect.Type) {
		if seen[t] {
			return
		}
		seen[t] = true
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map, reflect.Chan:
			visit(t.Elem())
		case reflect.Interface:
			for _, known := range w.known {
				if t.NumMethod() > 0 && (known.Implements(t) || reflect.PointerTo(known).Implements(t)) {
					visit(known)
				}
			}
		case reflect.Struct:
			structs = append(structs, t)
			for i := range t.NumField() {
				if field := t.Field(i); through || !strings.Contains(field.Tag.Get("bun"), "rel:") {
					visit(field.Type)
				}
			}
			pointer := reflect.PointerTo(t)
			for i := range pointer.NumMethod() {
				if method := pointer.Method(i).Type; method.NumOut() > 0 {
					visit(method.Out(0))
				}
			}
			if through {
				for _, child := range w.children[t] {
					visit(child)
				}
			}
		}
	}
	for _, t := range types {
		visit(t)
	}
	return structs
}

// parentOf returns the struct of a resolver's parent: T, *T, or for a batch []*T.
func parentOf(t reflect.Type) reflect.Type {
	for t.Name() == "" && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice) {
		t = t.Elem()
	}
	return t
}

// isModel reports whether a struct is a bun model that is read from its table.
func isModel(t reflect.Type) bool {
	base, found := t.FieldByName("BaseModel")
	return found && base.Type == reflect.TypeFor[bun.BaseModel]() && base.Tag.Get("usergraph") != "-"
}
