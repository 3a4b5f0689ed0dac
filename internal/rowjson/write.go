package rowjson

import (
	"context"
	"errors"
	"io"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// errIrregular says that the generated code must answer.
var errIrregular = errors.New("irregular")

// written is a finished value.
type written []byte

// MarshalGQL implements graphql.Marshaler.
func (w written) MarshalGQL(to io.Writer) { _, _ = to.Write(w) }

// Middleware returns the field middleware of one run of the operation. It resolves fields with around, and writes the values
// of those that are known. A value of more than limit bytes is not written to its end: the answer is too large already.
// After something irregular, the generated code answers the rest.
func (p *Plan) Middleware(around graphql.FieldMiddleware, limit int) graphql.FieldMiddleware {
	var irregular atomic.Bool
	return func(ctx context.Context, next graphql.Resolver) (any, error) {
		below := ctx
		value, err := around(ctx, func(ctx context.Context) (any, error) {
			below = ctx
			return next(ctx)
		})
		field := graphql.GetFieldContext(ctx)
		if err != nil || len(field.Field.Selections) == 0 || irregular.Load() {
			return value, err
		}
		n := p.find(field)
		if n == nil || n.rows == nil || reflect.TypeOf(value) != n.typ {
			return value, nil
		}
		text, err := n.write(below, p.rows, around, reflect.ValueOf(value), limit)
		if errors.Is(err, context.Canceled) && ctx.Err() != nil {
			return nil, err // nobody waits for the answer
		}
		if err != nil {
			irregular.Store(true)
			return value, nil
		}
		return written(text), nil
	}
}

// run is the writing of one value.
type run struct {
	ctx     context.Context
	rows    *Rows
	around  graphql.FieldMiddleware
	limit   int
	text    []byte
	err     error
	results []reflect.Value // of each batch resolver, a slice
	next    []int           // the index of the next row's result
}

var errFull = errors.New("full")

func (n *node) write(ctx context.Context, rows *Rows, around graphql.FieldMiddleware, value reflect.Value, limit int) (text []byte, err error) {
	defer func() {
		if recover() != nil { // the generated code panics too, and reports it
			err = errIrregular
		}
	}()
	if value.Kind() == reflect.Pointer && value.IsNil() {
		return nil, errIrregular
	}
	r := run{ctx: ctx, rows: rows, around: around, limit: limit, text: make([]byte, 0, 4<<10)}
	if n.rows.related {
		r.results, r.next = make([]reflect.Value, n.slots), make([]int, n.slots)
		field := graphql.GetFieldContext(ctx)
		field.Result = value.Interface()
		quiet := graphql.WithFreshResponseContext(ctx)
		values := reflect.MakeSlice(reflect.SliceOf(n.typ), 1, 1)
		values.Index(0).Set(value)
		if err := r.relations(quiet, field, n.rows, n.definition.Type, values); err != nil {
			return nil, err
		}
		if graphql.GetErrors(quiet) != nil {
			return nil, errIrregular
		}
		for name, extension := range graphql.GetExtensions(quiet) {
			graphql.RegisterExtension(ctx, name, extension)
		}
	}
	f := selected{binding: n.binding, below: n.rows}
	r.value(&f, n.definition.Type, value)
	if r.err != nil && r.err != errFull {
		return nil, r.err
	}
	return r.text, nil
}

// relations reads the relations of the objects in the values of a field.
func (r *run) relations(ctx context.Context, field *graphql.FieldContext, s *selection, t *ast.Type, values reflect.Value) error {
	rows, err := reflect.Zero(s.pointers), error(nil)
	for i := 0; i < values.Len() && err == nil; i++ {
		rows, err = gather(t, values.Index(i), rows)
	}
	if err != nil || rows.Len() == 0 {
		return err
	}
	if t.Elem != nil {
		ctx = graphql.WithFieldContext(ctx, &graphql.FieldContext{Index: new(int)})
	}
	errs := make([]error, len(s.fields))
	var others sync.WaitGroup
	for i := range s.fields {
		f := &s.fields[i]
		read := func() {
			defer func() {
				if recover() != nil {
					errs[i] = errIrregular
				}
			}()
			errs[i] = r.relation(ctx, field, f, rows)
		}
		switch {
		case f.binding == nil || f.batch == nil && (f.below == nil || !f.below.related):
		case f.batch != nil && s.batches > 1:
			others.Go(read)
		default:
			read()
		}
	}
	others.Wait()
	return errors.Join(errs...)
}

// relation reads a field of rows, and the relations below it.
func (r *run) relation(ctx context.Context, parent *graphql.FieldContext, f *selected, rows reflect.Value) error {
	field, err := parent.Child(ctx, f.field)
	if err != nil {
		return err
	}
	ctx = graphql.WithFieldContext(ctx, field)
	var values reflect.Value
	if f.batch != nil {
		read, err := r.around(ctx, func(ctx context.Context) (any, error) { return r.rows.call(ctx, f.binding, rows, field.Args) })
		if err != nil {
			return err
		}
		values = read.(reflect.Value)
		r.results[f.slot] = values
	} else {
		values = reflect.MakeSlice(reflect.SliceOf(f.typ), rows.Len(), rows.Len())
		for i := range rows.Len() {
			values.Index(i).Set(f.value(rows.Index(i)))
		}
	}
	if f.below == nil || !f.below.related {
		return nil
	}
	return r.relations(ctx, field, f.below, f.definition.Type, values)
}

// gather appends pointers to the objects in a value to a slice. It knows no lists with nulls: the generated code gives these
// to a batch resolver.
func gather(t *ast.Type, value, to reflect.Value) (reflect.Value, error) {
	switch {
	case t.Elem != nil:
		for i := range value.Len() {
			item := value.Index(i)
			if item.Kind() == reflect.Pointer && item.IsNil() {
				return to, errIrregular
			}
			var err error
			if to, err = gather(t.Elem, item, to); err != nil {
				return to, err
			}
		}
		return to, nil
	case value.Kind() != reflect.Pointer:
		return reflect.Append(to, value.Addr()), nil
	case value.IsNil():
		return to, nil
	}
	return reflect.Append(to, value), nil
}

// value writes a value of a field.
func (r *run) value(f *selected, t *ast.Type, value reflect.Value) {
	switch kind := value.Kind(); {
	case (kind == reflect.Pointer || kind == reflect.Slice && (t.Elem == nil || !t.NonNull)) && value.IsNil():
		if t.NonNull {
			r.err = errIrregular
		}
		r.text = append(r.text, "null"...)
	case t.Elem != nil:
		r.list(f, t.Elem, value)
	case f.below != nil && kind == reflect.Pointer:
		r.object(f.below, value)
	case f.below != nil:
		r.object(f.below, value.Addr())
	default:
		if kind == reflect.Pointer {
			value = value.Elem()
		}
		text, ok := f.leaf(r.text, value)
		if r.text = text; !ok {
			r.err = errIrregular
		}
	}
}

func (r *run) list(f *selected, t *ast.Type, list reflect.Value) {
	if err := r.ctx.Err(); errors.Is(err, context.Canceled) {
		r.err = err
	}
	r.text = append(r.text, '[')
	for i := range list.Len() {
		if len(r.text) > r.limit && r.err == nil {
			r.err = errFull
		}
		if r.err != nil {
			return
		}
		if i > 0 {
			r.text = append(r.text, ',')
		}
		r.value(f, t, list.Index(i))
	}
	r.text = append(r.text, ']')
}

// object writes an object, the struct behind a pointer.
func (r *run) object(s *selection, row reflect.Value) {
	r.text = append(r.text, '{')
	for i := range s.fields {
		f := &s.fields[i]
		r.text = append(r.text, f.key...)
		switch {
		case f.binding == nil: // the key has the value
		case f.batch != nil:
			value := r.results[f.slot].Index(r.next[f.slot])
			r.next[f.slot]++
			r.value(f, f.definition.Type, value)
		default:
			r.value(f, f.definition.Type, f.binding.value(row))
		}
		if r.err != nil {
			return
		}
	}
	r.text = append(r.text, '}')
}
