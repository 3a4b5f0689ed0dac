package rowjson

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// agrees reports whether the generated code reads and writes a field as the binding does. It compares a row of which only
// this field is set with a row of which only this field is not; for a method, a full row and an empty one.
func (r *Rows) agrees(o *object, b *binding) (agreed bool) {
	defer func() {
		if recover() != nil { // of a method that cannot do with a sample
			agreed = false
		}
	}()
	full, empty := o.sample(), reflect.New(o.typ)
	if b.index != nil {
		set, unset := full.Elem().FieldByIndex(b.index), empty.Elem().FieldByIndex(b.index)
		unset.Set(set)
		set.SetZero()
	}
	for _, row := range []reflect.Value{full, empty} {
		want, err := single(b, row)
		got, errs := r.generated(o, b, row)
		if (err == nil) != (errs == nil) || err == nil && got != want {
			return false
		}
		agreed = agreed || err == nil
	}
	return agreed
}

// sample returns a pointer to a row with a value in each field.
func (o *object) sample() reflect.Value {
	if o.via.method == "" {
		row, count := reflect.New(o.typ), 0
		fill(row.Elem(), &count, 0)
		return row
	}
	// What a method returns has more than its exported fields.
	value := o.via.value(o.parent.sample())
	for value.Kind() == reflect.Slice {
		value = value.Index(0)
	}
	if value.Kind() == reflect.Pointer {
		return value
	}
	return value.Addr()
}

// sampleText has what encoders treat in different ways.
const sampleText = " <a href=\"&'\">\\/ \u2028é😀\x00\x01\t\r\n\x7fAbC\u00a0 "

// fill sets a value and all that it has. The depth bounds rows within rows.
func fill(value reflect.Value, count *int, depth int) {
	*count++
	switch known := value.Addr().Interface().(type) {
	case *time.Time:
		*known = time.Date(2026, 11, 29, 10, 24, *count%60, 123456789, time.FixedZone("", 3600))
		return
	case *json.RawMessage:
		*known = fmt.Appendf(nil, "{ \"<a>\": [%d,\n\"é\"] }", *count)
		return
	}
	switch value.Kind() {
	case reflect.String:
		value.SetString(sampleText + fmt.Sprint(*count))
	case reflect.Bool:
		value.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		value.SetInt(int64(*count%100 + 1))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		value.SetUint(uint64(*count%100 + 1))
	case reflect.Float32, reflect.Float64:
		value.SetFloat(float64(*count) + 1e21 + .5)
	case reflect.Pointer:
		if depth < 4 {
			value.Set(reflect.New(value.Type().Elem()))
			fill(value.Elem(), count, depth+1)
		}
	case reflect.Slice:
		if depth < 4 {
			value.Set(reflect.MakeSlice(value.Type(), 1, 1))
			fill(value.Index(0), count, depth+1)
		}
	case reflect.Array:
		for i := range value.Len() {
			fill(value.Index(i), count, depth+1)
		}
	case reflect.Struct:
		for i := range value.NumField() {
			if value.Type().Field(i).IsExported() {
				fill(value.Field(i), count, depth)
			}
		}
	}
}

// single returns the field of a row as an object, as the binding writes it.
func single(b *binding, row reflect.Value) (text string, err error) {
	defer func() {
		if recover() != nil {
			err = errIrregular
		}
	}()
	f := selected{binding: b, key: `"value":`}
	if b.object != nil {
		f.below = &selection{fields: []selected{{key: `"__typename":"` + b.object.definition.Name + `"`}}}
	}
	w := run{ctx: context.Background(), limit: 1 << 20}
	w.object(&selection{fields: []selected{f}}, row)
	return string(w.text), w.err
}

// generated returns the same from the generated code. No resolver is called: a middleware gives the row and what is above
// it.
func (r *Rows) generated(o *object, b *binding, row reflect.Value) (text string, err error) {
	asked := &ast.Field{Alias: "value", Name: b.definition.Name, Definition: b.definition, ObjectDefinition: o.definition}
	if b.object != nil {
		asked.SelectionSet = ast.SelectionSet{&ast.Field{Alias: "__typename", Name: "__typename", ObjectDefinition: b.object.definition}}
	}
	above, before, after := map[*ast.Field]any{}, "", ""
	root, field, value := o, asked, row
	for ; root.parent != nil; root = root.parent {
		via := root.via
		field = &ast.Field{Alias: "above", Name: via.definition.Name, Definition: via.definition, ObjectDefinition: root.parent.definition, SelectionSet: ast.SelectionSet{field}}
		above[field] = wrapped(via.typ, value).Interface()
		for t := via.definition.Type; t.Elem != nil; t = t.Elem {
			before, after = "["+before, after+"]"
		}
		before, after = `{"above":`+before, after+"}"
		if root.parent.typ != nil {
			value = reflect.New(root.parent.typ)
		}
	}
	operation := &ast.OperationDefinition{Operation: ast.Query, SelectionSet: ast.SelectionSet{field}}
	switch root.definition {
	case r.schema.Schema().Mutation:
		operation.Operation = ast.Mutation
	case r.schema.Schema().Subscription:
		return "", errIrregular
	}
	failed := false
	ctx := graphql.WithOperationContext(context.Background(), &graphql.OperationContext{
		Doc: &ast.QueryDocument{Operations: ast.OperationList{operation}}, Operation: operation,
		RecoverFunc:            func(context.Context, any) error { return errIrregular },
		RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler { return next(ctx) },
		ResolverMiddleware: func(ctx context.Context, next graphql.Resolver) (any, error) {
			field := graphql.GetFieldContext(ctx).Field.Field
			if given, ok := above[field]; ok {
				return given, nil
			}
			value, err := next(ctx)
			if b.object != nil && !reflect.DeepEqual(value, b.value(row).Interface()) {
				failed = true
			}
			return value, err
		},
	})
	ctx = graphql.WithResponseContext(ctx, func(context.Context, error) *gqlerror.Error {
		return gqlerror.Wrap(errIrregular)
	}, func(context.Context, any) error { return errIrregular })
	response := r.schema.Exec(ctx)(ctx)
	if failed || graphql.GetErrors(ctx) != nil {
		return "", errIrregular
	}
	got := string(response.Data)
	if len(got) < len(before)+len(after) {
		return "", errors.New(got)
	}
	return got[len(before) : len(got)-len(after)], nil
}

// wrapped returns a value of a type with a row: a pointer to it, the row itself, or a list of one.
func wrapped(typ reflect.Type, row reflect.Value) reflect.Value {
	switch typ.Kind() {
	case reflect.Pointer:
		return row
	case reflect.Slice:
		list := reflect.MakeSlice(typ, 1, 1)
		list.Index(0).Set(wrapped(typ.Elem(), row))
		return list
	}
	return row.Elem()
}
