// Package rowjson answers one question: how are rows written as JSON without a call for each field?
//
// gqlgen's generated code calls the field middleware around each field, and takes a graphql.Marshaler that the middleware
// returns as the finished result. So for a row, a list or a connection, the middleware of a Plan calls the resolver, reads
// the relations of all rows of a level at once, and appends the selected columns to one buffer.
//
// A plan knows the fields of structs, their methods without arguments, and batch resolvers. Fields with directives, other
// resolvers, interfaces and unions are not known: the generated code answers what selects them, and asks again for the lists
// below. The generated code also answers whatever is irregular: an error, a panic, or a null where none may be. So errors,
// their paths and the nulls they leave are gqlgen's own; a batch resolver may be called a second time for them.
//
// Nothing says which Go field gqlgen has bound a field to. New finds it by its name, and then has the generated code write
// sample rows: a field that is written in another way is not known.
package rowjson

import (
	"context"
	"reflect"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// Mode is the switch that turns the package off, for tests that compare.
type Mode bool

// The modes. On is the zero value.
const (
	On  Mode = false
	Off Mode = true
)

// Rows are the types of a schema whose rows can be written.
type Rows struct {
	schema     graphql.ExecutableSchema
	resolvers  reflect.Value // ResolverRoot, an interface of the generated code
	directives []string      // those with an implementation, which runs before the resolver
	objects    map[objectKey]*object
}

// object is a type of the schema and the struct behind it.
type object struct {
	definition *ast.Definition
	typ        reflect.Type
	fields     map[string]*binding
	// parent and via say how a query gets to it. Both are nil for a root.
	parent *object
	via    *binding
}

type objectKey struct {
	name string
	typ  reflect.Type
}

// binding is where the value of a field comes from.
type binding struct {
	definition *ast.FieldDefinition
	typ        reflect.Type // of the value; nil if it is not known
	// One of these is set if the value can be read.
	index  []int     // of a struct's field
	method string    // without arguments
	batch  *resolver // for many rows

	object *object // of the values; nil for a leaf
	leaf   leaf    // writes a value that is no object; nil if it is not known
}

func (b *binding) known() bool {
	return (b.index != nil || b.method != "" || b.batch != nil) && (b.object != nil || b.leaf != nil)
}

// New finds the types that the resolvers of a schema return. The resolvers are the value of its ResolverRoot; directives
// are the names of those that have an implementation.
func New(schema graphql.ExecutableSchema, resolvers reflect.Value, directives []string) *Rows {
	r := &Rows{schema: schema, resolvers: resolvers, directives: directives, objects: map[objectKey]*object{}}
	for _, root := range []*ast.Definition{schema.Schema().Query, schema.Schema().Mutation, schema.Schema().Subscription} {
		if root != nil {
			r.objectOf(root, nil, nil, nil)
		}
	}
	for _, o := range r.objects {
		for _, b := range o.fields {
			if b.known() && b.batch == nil && !r.agrees(o, b) {
				b.index, b.method = nil, ""
			}
		}
	}
	return r
}

// objectOf returns the object of a definition and a struct, which is nil for the root types.
func (r *Rows) objectOf(definition *ast.Definition, typ reflect.Type, parent *object, via *binding) *object {
	key := objectKey{definition.Name, typ}
	if known := r.objects[key]; known != nil {
		return known
	}
	o := &object{definition: definition, typ: typ, parent: parent, via: via, fields: map[string]*binding{}}
	r.objects[key] = o
	for _, field := range definition.Fields {
		if strings.HasPrefix(field.Name, "__") {
			continue
		}
		b := r.bind(o, field)
		o.fields[field.Name] = b
		base, ok := baseOf(field.Type, b.typ)
		if !ok {
			continue
		}
		named := r.schema.Schema().Types[field.Type.Name()]
		if named.Kind == ast.Object && base.Kind() == reflect.Struct {
			b.object = r.objectOf(named, base, o, b)
		} else if named.Kind == ast.Scalar || named.Kind == ast.Enum {
			b.leaf = leafOf(named, base)
		}
	}
	return o
}

// bind finds the value of a field in the order in which gqlgen looks for it: a resolver, a method, a field.
func (r *Rows) bind(o *object, field *ast.FieldDefinition) *binding {
	b := &binding{definition: field}
	guarded := false
	for _, directive := range field.Directives {
		for _, implemented := range r.directives {
			guarded = guarded || sameName(directive.Name, implemented)
		}
	}
	if found, ok := r.resolver(o.definition.Name, field.Name); ok {
		b.typ = found.typ.Out(0)
		if b.typ.Kind() == reflect.Chan {
			b.typ = b.typ.Elem()
		}
		if o.typ != nil && found.typ.In(1).Kind() == reflect.Slice {
			b.typ = b.typ.Elem()
			if found.typ.In(1).Elem() == reflect.PointerTo(o.typ) && !guarded {
				b.batch = &found
			}
		}
		return b
	}
	if o.typ == nil {
		return b
	}
	plain := !guarded && len(field.Arguments) == 0
	if method, ok := methodOf(reflect.PointerTo(o.typ), field.Name); ok && method.Type.NumOut() > 0 {
		b.typ = method.Type.Out(0)
		if plain && method.Type.NumIn() == 1 && method.Type.NumOut() == 1 {
			b.method = method.Name
		}
		return b
	}
	for _, f := range reflect.VisibleFields(o.typ) {
		if f.IsExported() && sameName(f.Name, field.Name) {
			b.typ = f.Type
			if plain {
				b.index = f.Index
			}
			return b
		}
	}
	return b
}

// resolver is the method of a field's resolver.
type resolver struct {
	typ           reflect.Type // of the method of an interface: without a receiver
	object, field int          // the methods of ResolverRoot, and of the resolvers of the object
}

// resolver returns the resolver of a field.
func (r *Rows) resolver(object, field string) (found resolver, ok bool) {
	of, ok := methodOf(r.resolvers.Type(), object)
	if !ok {
		return resolver{}, false
	}
	method, ok := methodOf(of.Type.Out(0), field)
	return resolver{method.Type, of.Index, method.Index}, ok
}

// methodOf returns the method of a type by a name of the schema.
func methodOf(typ reflect.Type, name string) (method reflect.Method, ok bool) {
	for i := range typ.NumMethod() {
		if sameName(typ.Method(i).Name, name) {
			return typ.Method(i), true
		}
	}
	return reflect.Method{}, false
}

// sameName reports whether a name of the schema and one of Go are the same: avatar_url is AvatarURL.
func sameName(a, b string) bool {
	return strings.EqualFold(strings.ReplaceAll(a, "_", ""), strings.ReplaceAll(b, "_", ""))
}

// baseOf returns the Go type of what a type of the schema has in its lists. It is not ok if the lists of both differ.
func baseOf(t *ast.Type, g reflect.Type) (base reflect.Type, ok bool) {
	if g == nil {
		return nil, false
	}
	if t.Elem != nil {
		if g.Kind() != reflect.Slice {
			return nil, false
		}
		return baseOf(t.Elem, g.Elem())
	}
	if g.Kind() == reflect.Pointer {
		g = g.Elem()
	}
	return g, true
}

// value returns the value of a field of a row, a pointer to a struct.
func (b *binding) value(row reflect.Value) reflect.Value {
	if b.method != "" {
		value := reflect.New(b.typ).Elem() // as a field, it has an address
		value.Set(row.MethodByName(b.method).Call(nil)[0])
		return value
	}
	if len(b.index) == 1 {
		return row.Elem().Field(b.index[0])
	}
	return row.Elem().FieldByIndex(b.index)
}

// call calls the batch resolver of a field, and returns a slice with a value for each row.
func (r *Rows) call(ctx context.Context, b *binding, rows reflect.Value, arguments map[string]any) (reflect.Value, error) {
	in := []reflect.Value{reflect.ValueOf(ctx), rows}
	for i, argument := range b.definition.Arguments {
		given := reflect.ValueOf(arguments[argument.Name])
		if !given.IsValid() {
			given = reflect.Zero(b.batch.typ.In(i + 2))
		}
		in = append(in, given)
	}
	out := r.resolvers.Method(b.batch.object).Call(nil)[0].Method(b.batch.field).Call(in)
	if err, _ := out[1].Interface().(error); err != nil {
		return reflect.Value{}, err
	}
	if out[0].Len() != rows.Len() {
		return reflect.Value{}, errIrregular
	}
	return out[0], nil
}
