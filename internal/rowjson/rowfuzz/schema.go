package rowfuzz

import (
	"fmt"
	"go/format"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// leafTypes are the scalars and enums of a random schema with a Go type that each has.
var leafTypes = [][2]string{
	{"String", "string"}, {"String", "string"}, {"ID", "string"}, {"ID", "int64"}, {"ID", "int32"}, {"ID", "uuid.UUID"}, {"ID", "rows.ID"},
	{"Int", "int"}, {"Int", "int32"}, {"Int", "int16"}, {"Boolean", "bool"}, {"Float", "float64"}, {"UUID", "uuid.UUID"}, {"BigInt", "int64"},
	{"DateTime", "time.Time"}, {"Date", "rows.Date"}, {"Decimal", "rows.Decimal"}, {"JSON", "json.RawMessage"}, {"Mood", "rows.Enum"},
	{"Loud", "string"}, {"Moment", "time.Time"}, {"Own", "Own"},
}

//go:generate go run usergraph/internal/rowjson/rowfuzz/shapes-writer shapes usergraph/internal/rowjson/rowfuzz/shapes 1

// Write writes the package shapes with a random schema into a folder: schema.graphqls, gqlgen.yml and shapes.go. The
// resolvers are functions of this package. `go tool gqlgen generate` writes the rest.
func Write(folder, path string, seed uint64) error {
	w := schemaWriter{random: rand.New(rand.NewPCG(seed, 2)), types: 3 + int(seed%4)}
	w.write()
	code, err := format.Source([]byte(w.code.String()))
	if err != nil {
		return fmt.Errorf("%w\n%s", err, w.code.String())
	}
	for name, text := range map[string]string{
		"schema.graphqls": w.sdl.String(), "gqlgen.yml": fmt.Sprintf(config, path) + w.fields.String(), "shapes.go": string(code),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

const config = `# Written by package rowfuzz.
schema: [schema.graphqls]
exec: {filename: generated.go, package: shapes}
model: {filename: models_gen.go, package: shapes}
autobind: [%s]
directives:
  cost: {skip_runtime: true}
omit_complexity: true
omit_gqlgen_version_in_file_notice: true
skip_validation: true
skip_mod_tidy: true
models:
  ID: {model: [usergraph/database/rows.ID, usergraph/endpoint.UUID, usergraph/endpoint.BigInt, usergraph/endpoint.IntID, github.com/99designs/gqlgen/graphql.ID]}
  Int: {model: [github.com/99designs/gqlgen/graphql.Int, github.com/99designs/gqlgen/graphql.Int32, github.com/99designs/gqlgen/graphql.Int16]}
  UUID: {model: usergraph/endpoint.UUID}
  BigInt: {model: usergraph/endpoint.BigInt}
  DateTime: {model: usergraph/endpoint.DateTime}
  JSON: {model: usergraph/endpoint.JSON}
  Date: {model: usergraph/database/rows.Date}
  Decimal: {model: usergraph/database/rows.Decimal}
  Mood: {model: usergraph/database/rows.Enum}
  Moment: {model: github.com/99designs/gqlgen/graphql.Time}
`

type schemaWriter struct {
	random            *rand.Rand
	types             int
	sdl, code, fields strings.Builder
	resolvers         strings.Builder
	named             int
}

func (w *schemaWriter) write() {
	w.sdl.WriteString(`# Written by package rowfuzz.
directive @cost(weight: Int!) on FIELD_DEFINITION
directive @mark on FIELD_DEFINITION
scalar UUID
scalar BigInt
scalar DateTime
scalar JSON
scalar Date
scalar Decimal
scalar Loud
scalar Moment
scalar Own
enum Mood { HAPPY SAD }
interface Labelled { label: String }
union Thing = T0 | T1
`)
	w.code.WriteString(`// Package shapes has a random schema. Package rowfuzz writes it.
package shapes

//go:generate go tool gqlgen generate

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"usergraph/database/rows"
	"usergraph/internal/rowjson/rowfuzz"
)

var (
	_ = json.Valid
	_ = time.Now
	_ = uuid.Nil
	_ rows.Date
	_ = context.Background
)

// MarshalLoud is a scalar's own function.
func MarshalLoud(text string) graphql.Marshaler { return graphql.MarshalString(strings.ToUpper(text)) }

// UnmarshalLoud is not called.
func UnmarshalLoud(any) (string, error) { return "", nil }

// Own is a scalar with methods.
type Own string

// MarshalGQL implements graphql.Marshaler.
func (o Own) MarshalGQL(w io.Writer) { graphql.MarshalString("own " + string(o)).MarshalGQL(w) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (o *Own) UnmarshalGQL(any) error { return nil }

// Labelled is an interface.
type Labelled interface{ IsLabelled() }

// Thing is a union.
type Thing interface{ IsThing() }

func mark(ctx context.Context, parent any, next graphql.Resolver) (any, error) {
	if _, err := rowfuzz.One[bool](parent, "@mark"); err != nil {
		return nil, err
	}
	return next(ctx)
}

// New returns the schema with its resolvers.
func New() graphql.ExecutableSchema {
	return NewExecutableSchema(Config{Resolvers: root{}, Directives: DirectiveRoot{Mark: mark}})
}

type root struct{}
`)
	for i := range w.types {
		w.object(i)
	}
	w.sdl.WriteString("type Query {\n")
	w.code.WriteString("type query struct{}\n\n// Query has the root fields.\nfunc (root) Query() QueryResolver { return query{} }\n")
	for i := range w.types {
		for _, shape := range [][2]string{{"T%d", "*T%d"}, {"[T%d!]!", "[]*T%d"}, {"[T%d]", "[]*T%d"}, {"T%d!", "*T%d"}, {"[[T%d!]]", "[][]*T%d"}} {
			if w.random.IntN(3) == 0 || shape[0] == "[T%d!]!" {
				w.root(fmt.Sprintf(shape[0], i), fmt.Sprintf(shape[1], i))
			}
		}
	}
	w.root("[Labelled!]", "[]Labelled")
	w.root("Thing", "Thing")
	w.sdl.WriteString("}\n")
	w.code.WriteString("func init() {\n")
	for i := range w.types {
		fmt.Fprintf(&w.code, "rowfuzz.Implement[T%d]()\n", i)
	}
	w.code.WriteString("}\n" + w.resolvers.String())
}

func (w *schemaWriter) root(gql, typ string) {
	name := w.name()
	fmt.Fprintf(&w.sdl, "  %s: %s\n", name, gql)
	fmt.Fprintf(&w.code, "func (query) %s(context.Context) (%s, error) { return rowfuzz.One[%[2]s](nil, %q) }\n", goName(name), typ, name)
}

func (w *schemaWriter) name() string {
	w.named++
	return fmt.Sprintf("%s%d", []string{"alpha", "beta", "gamma", "url", "some_name"}[w.random.IntN(5)], w.named)
}

func goName(name string) string {
	if strings.HasPrefix(name, "url") {
		return "URL" + name[3:]
	}
	parts := strings.Split(name, "_")
	for i, part := range parts {
		parts[i] = strings.ToUpper(part[:1]) + part[1:]
	}
	return strings.Join(parts, "")
}

// object writes a type of the schema, its struct and its resolvers.
func (w *schemaWriter) object(i int) {
	implements := ""
	if i%2 == 0 {
		implements = " implements Labelled"
		fmt.Fprintf(&w.code, "// IsLabelled implements Labelled.\nfunc (T%d) IsLabelled() {}\n", i)
	}
	fmt.Fprintf(&w.sdl, "type T%d%s {\n  label: String\n", i, implements)
	var members, methods strings.Builder
	fmt.Fprintf(&w.fields, "  T%d:\n    fields:\n      label: {fieldName: Label}\n", i)
	if i < 2 {
		fmt.Fprintf(&w.code, "// IsThing implements Thing.\nfunc (T%d) IsThing() {}\n", i)
	}
	resolves := false
	for range 6 + w.random.IntN(8) {
		name, directive := w.name(), []string{"", "", "", "", "", "", "", "", "", " @mark", " @cost(weight: 2)", ""}[w.random.IntN(12)]
		gql, typ := w.leaf()
		switch w.random.IntN(8) {
		case 0: // bound to a field of another name, beside one of its own name
			fmt.Fprintf(&w.fields, "      %s: {fieldName: Other%s}\n", name, goName(name))
			fmt.Fprintf(&members, "Other%s, %[1]s %s\n", goName(name), typ)
		case 1:
			fmt.Fprintf(&members, "Under%s %s\n", goName(name), typ)
			fmt.Fprintf(&methods, "// %s is a method.\nfunc (t *T%d) %[1]s() %[3]s { return t.Under%[1]s }\n", goName(name), i, typ)
		default:
			fmt.Fprintf(&members, "%s %s\n", goName(name), typ)
		}
		fmt.Fprintf(&w.sdl, "  %s: %s%s\n", name, gql, directive)
	}
	for range 3 + w.random.IntN(4) {
		name, other := w.name(), w.random.IntN(w.types)
		directive := []string{"", "", "", "", "", "", " @mark", " @cost(weight: 2)"}[w.random.IntN(8)]
		shapes := [][2]string{{"T%d", "*T%d"}, {"T%d!", "*T%d"}, {"[T%d!]!", "[]*T%d"}, {"[T%d!]", "[]*T%d"}, {"[T%d]!", "[]*T%d"}, {"[T%d]", "[]*T%d"}}
		shape := shapes[w.random.IntN(len(shapes))]
		gql, typ := fmt.Sprintf(shape[0], other), fmt.Sprintf(shape[1], other)
		if w.random.IntN(12) == 0 {
			gql, typ = "Labelled", "Labelled"
		}
		switch kind := w.random.IntN(7); kind {
		case 0, 1, 2, 3: // a batch resolver, with an argument or without
			parameter, argument := "", ""
			fmt.Fprintf(&w.sdl, "  %s", name)
			if kind == 3 {
				parameter, argument = ", n *int", ", n"
				w.sdl.WriteString("(n: Int = 3)")
			}
			fmt.Fprintf(&w.sdl, ": %s%s\n", gql, directive)
			fmt.Fprintf(&w.fields, "      %s: {resolver: true, batch: true}\n", name)
			fmt.Fprintf(&w.resolvers, "func (t%[1]dResolver) %[2]s(_ context.Context, parents []*T%[1]d%[3]s) ([]%[4]s, error) { return rowfuzz.Batch[%[4]s](parents, %[5]q%[6]s) }\n", i, goName(name), parameter, typ, name, argument)
			resolves = true
		case 4: // a resolver of one
			fmt.Fprintf(&w.sdl, "  %s: %s%s\n", name, gql, directive)
			fmt.Fprintf(&w.fields, "      %s: {resolver: true}\n", name)
			fmt.Fprintf(&w.resolvers, "func (t%[1]dResolver) %[2]s(_ context.Context, parent *T%[1]d) (%[3]s, error) { return rowfuzz.One[%[3]s](parent, %[4]q) }\n", i, goName(name), typ, name)
			resolves = true
		case 5:
			typ = strings.Replace(typ, "[]*", []string{"[]*", "[]"}[w.random.IntN(2)], 1)
			fmt.Fprintf(&w.sdl, "  %s: %s%s\n", name, gql, directive)
			fmt.Fprintf(&members, "Under%s %s\n", goName(name), typ)
			fmt.Fprintf(&methods, "// %s is a method.\nfunc (t *T%d) %[1]s() %[3]s { return t.Under%[1]s }\n", goName(name), i, typ)
		default:
			typ = strings.Replace(typ, "[]*", []string{"[]*", "[]"}[w.random.IntN(2)], 1)
			fmt.Fprintf(&w.sdl, "  %s: %s%s\n", name, gql, directive)
			fmt.Fprintf(&members, "%s %s\n", goName(name), typ)
		}
	}
	w.sdl.WriteString("}\n")
	fmt.Fprintf(&w.code, "// T%[1]d is a type.\ntype T%[1]d struct {\nrowfuzz.Row\nLabel *string\n%[2]s}\n%[3]s", i, members.String(), methods.String())
	if resolves {
		fmt.Fprintf(&w.code, "type t%dResolver struct{}\n\n// T%[1]d has the resolvers of the type.\nfunc (root) T%[1]d() T%[1]dResolver { return t%[1]dResolver{} }\n", i)
	}
}

// leaf returns a type of a field without selections, and the Go type that it is bound to.
func (w *schemaWriter) leaf() (gql, typ string) {
	leaf := leafTypes[w.random.IntN(len(leafTypes))]
	gql, typ = leaf[0], leaf[1]
	if gql == "JSON" {
		return gql + []string{"", "!"}[w.random.IntN(2)], typ
	}
	switch w.random.IntN(9) {
	case 0:
		return gql, typ
	case 1, 2, 3:
		return gql, "*" + typ
	case 4:
		return gql + "!", "*" + typ
	case 5:
		return "[" + gql + "!]" + []string{"", "!"}[w.random.IntN(2)], "[]" + typ
	case 6:
		return "[" + gql + "]" + []string{"", "!"}[w.random.IntN(2)], "[]*" + typ
	}
	return gql + "!", typ
}
