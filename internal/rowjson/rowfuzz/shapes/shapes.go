// Package shapes has a random schema. Package rowfuzz writes it.
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

// IsLabelled implements Labelled.
func (T0) IsLabelled() {}

// IsThing implements Thing.
func (T0) IsThing() {}

// T0 is a type.
type T0 struct {
	rowfuzz.Row
	Label           *string
	URL1            json.RawMessage
	Gamma2          *string
	Gamma3          *string
	UnderURL4       *string
	OtherURL5, URL5 *string
	URL6            *Own
	UnderURL9       []*T0
	SomeName10      *T1
	UnderSomeName11 []*T3
}

// URL4 is a method.
func (t *T0) URL4() *string { return t.UnderURL4 }

// URL9 is a method.
func (t *T0) URL9() []*T0 { return t.UnderURL9 }

// SomeName11 is a method.
func (t *T0) SomeName11() []*T3 { return t.UnderSomeName11 }

type t0Resolver struct{}

// T0 has the resolvers of the type.
func (root) T0() T0Resolver { return t0Resolver{} }

// IsThing implements Thing.
func (T1) IsThing() {}

// T1 is a type.
type T1 struct {
	rowfuzz.Row
	Label                 *string
	SomeName12            rows.Decimal
	SomeName13            rows.Date
	UnderBeta14           *rows.ID
	Gamma15               *rows.Enum
	Beta16                *rows.ID
	URL17                 *Own
	SomeName18            rows.Date
	OtherAlpha19, Alpha19 uuid.UUID
	Alpha20               rows.Decimal
	Gamma21               json.RawMessage
	OtherAlpha22, Alpha22 rows.ID
	Gamma23               string
	Alpha24               []*T2
	UnderAlpha26          []T0
}

// Beta14 is a method.
func (t *T1) Beta14() *rows.ID { return t.UnderBeta14 }

// Alpha26 is a method.
func (t *T1) Alpha26() []T0 { return t.UnderAlpha26 }

type t1Resolver struct{}

// T1 has the resolvers of the type.
func (root) T1() T1Resolver { return t1Resolver{} }

// IsLabelled implements Labelled.
func (T2) IsLabelled() {}

// T2 is a type.
type T2 struct {
	rowfuzz.Row
	Label                 *string
	SomeName28            *int64
	Beta29                *float64
	UnderAlpha30          rows.Enum
	SomeName31            *int64
	Gamma32               string
	SomeName33            []float64
	Gamma34               *rows.Decimal
	Gamma35               *string
	OtherGamma36, Gamma36 *int64
	Gamma37               *string
	Alpha38               rows.Date
	UnderSomeName39       []*int64
	Gamma40               *int16
	SomeName43            []*T3
	UnderURL45            []*T3
	UnderSomeName46       []*T3
}

// Alpha30 is a method.
func (t *T2) Alpha30() rows.Enum { return t.UnderAlpha30 }

// SomeName39 is a method.
func (t *T2) SomeName39() []*int64 { return t.UnderSomeName39 }

// URL45 is a method.
func (t *T2) URL45() []*T3 { return t.UnderURL45 }

// SomeName46 is a method.
func (t *T2) SomeName46() []*T3 { return t.UnderSomeName46 }

type t2Resolver struct{}

// T2 has the resolvers of the type.
func (root) T2() T2Resolver { return t2Resolver{} }

// T3 is a type.
type T3 struct {
	rowfuzz.Row
	Label        *string
	SomeName47   *time.Time
	Gamma48      *Own
	UnderAlpha49 *uuid.UUID
	URL50        *rows.Enum
	Gamma51      rows.ID
	Beta52       []*uuid.UUID
	Alpha53      Own
	Beta54       *T2
}

// Alpha49 is a method.
func (t *T3) Alpha49() *uuid.UUID { return t.UnderAlpha49 }

type t3Resolver struct{}

// T3 has the resolvers of the type.
func (root) T3() T3Resolver { return t3Resolver{} }

type query struct{}

// Query has the root fields.
func (root) Query() QueryResolver                      { return query{} }
func (query) URL59(context.Context) ([]*T0, error)     { return rowfuzz.One[[]*T0](nil, "url59") }
func (query) Gamma60(context.Context) ([]*T0, error)   { return rowfuzz.One[[]*T0](nil, "gamma60") }
func (query) Gamma61(context.Context) ([][]*T0, error) { return rowfuzz.One[[][]*T0](nil, "gamma61") }
func (query) SomeName62(context.Context) (*T1, error)  { return rowfuzz.One[*T1](nil, "some_name62") }
func (query) SomeName63(context.Context) ([]*T1, error) {
	return rowfuzz.One[[]*T1](nil, "some_name63")
}
func (query) Gamma64(context.Context) (*T1, error)   { return rowfuzz.One[*T1](nil, "gamma64") }
func (query) Alpha65(context.Context) ([]*T2, error) { return rowfuzz.One[[]*T2](nil, "alpha65") }
func (query) Gamma66(context.Context) ([]*T2, error) { return rowfuzz.One[[]*T2](nil, "gamma66") }
func (query) SomeName67(context.Context) ([][]*T2, error) {
	return rowfuzz.One[[][]*T2](nil, "some_name67")
}
func (query) URL68(context.Context) (*T3, error)      { return rowfuzz.One[*T3](nil, "url68") }
func (query) Gamma69(context.Context) ([]*T3, error)  { return rowfuzz.One[[]*T3](nil, "gamma69") }
func (query) SomeName70(context.Context) (*T3, error) { return rowfuzz.One[*T3](nil, "some_name70") }
func (query) SomeName71(context.Context) ([][]*T3, error) {
	return rowfuzz.One[[][]*T3](nil, "some_name71")
}
func (query) Alpha72(context.Context) ([]Labelled, error) {
	return rowfuzz.One[[]Labelled](nil, "alpha72")
}
func (query) URL73(context.Context) (Thing, error) { return rowfuzz.One[Thing](nil, "url73") }
func init() {
	rowfuzz.Implement[T0]()
	rowfuzz.Implement[T1]()
	rowfuzz.Implement[T2]()
	rowfuzz.Implement[T3]()
}
func (t0Resolver) Gamma7(_ context.Context, parents []*T0) ([][]*T1, error) {
	return rowfuzz.Batch[[]*T1](parents, "gamma7")
}
func (t0Resolver) Beta8(_ context.Context, parents []*T0) ([][]*T0, error) {
	return rowfuzz.Batch[[]*T0](parents, "beta8")
}
func (t1Resolver) URL25(_ context.Context, parents []*T1, n *int) ([][]*T3, error) {
	return rowfuzz.Batch[[]*T3](parents, "url25", n)
}
func (t1Resolver) SomeName27(_ context.Context, parents []*T1) ([][]*T0, error) {
	return rowfuzz.Batch[[]*T0](parents, "some_name27")
}
func (t2Resolver) URL41(_ context.Context, parents []*T2) ([][]*T1, error) {
	return rowfuzz.Batch[[]*T1](parents, "url41")
}
func (t2Resolver) Alpha42(_ context.Context, parents []*T2) ([]*T1, error) {
	return rowfuzz.Batch[*T1](parents, "alpha42")
}
func (t2Resolver) Beta44(_ context.Context, parents []*T2, n *int) ([]Labelled, error) {
	return rowfuzz.Batch[Labelled](parents, "beta44", n)
}
func (t3Resolver) SomeName55(_ context.Context, parents []*T3) ([][]*T0, error) {
	return rowfuzz.Batch[[]*T0](parents, "some_name55")
}
func (t3Resolver) Alpha56(_ context.Context, parents []*T3, n *int) ([][]*T2, error) {
	return rowfuzz.Batch[[]*T2](parents, "alpha56", n)
}
func (t3Resolver) Beta57(_ context.Context, parents []*T3) ([][]*T3, error) {
	return rowfuzz.Batch[[]*T3](parents, "beta57")
}
func (t3Resolver) Beta58(_ context.Context, parents []*T3) ([][]*T3, error) {
	return rowfuzz.Batch[[]*T3](parents, "beta58")
}
