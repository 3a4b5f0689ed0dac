package endpoint_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"usergraph/database/rows"
	"usergraph/endpoint"
)

type assigned struct {
	Name    string          `bun:"name"`
	Note    *string         `bun:"note"`
	Whole   int32           `bun:"whole"`
	Small   *int16          `bun:"small"`
	Parent  *int64          `bun:"parent_id"`
	Owner   uuid.UUID       `bun:"owner_id"`
	Words   []string        `bun:"words,array"`
	Numbers []int16         `bun:"numbers,array"`
	Payload json.RawMessage `bun:"payload"`
	At      time.Time       `bun:"at"`
	Day     *rows.Date      `bun:"day"`
	Hidden  string
}

func set[T any](value T) graphql.Omittable[T] { return graphql.OmittableOf(value) }

func pointer[T any](value T) *T { return &value }

// What an input has is assigned, and nothing else.
func TestAssign(t *testing.T) {
	at := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		input   any
		want    assigned
		columns []string
	}{
		"nothing":  {struct{ Note graphql.Omittable[*string] }{}, assigned{}, nil},
		"required": {struct{ Name string }{"a"}, assigned{Name: "a"}, []string{"name"}},
		"null":     {struct{ Note graphql.Omittable[*string] }{set[*string](nil)}, assigned{}, []string{"note"}},
		"text":     {struct{ Note, Name graphql.Omittable[*string] }{set(pointer("")), set(pointer("b"))}, assigned{Name: "b", Note: pointer("")}, []string{"note", "name"}},
		"integer":  {struct{ Whole, Small graphql.Omittable[*int] }{set(pointer(-7)), set(pointer(7))}, assigned{Whole: -7, Small: pointer(int16(7))}, []string{"whole", "small"}},
		"ids":      {struct{ Parent, Owner graphql.Omittable[*rows.ID] }{set(pointer(rows.ID("9"))), set(pointer(rows.ID("a0000000-0000-4000-8000-000000000001")))}, assigned{Parent: pointer(int64(9)), Owner: uuid.MustParse("a0000000-0000-4000-8000-000000000001")}, []string{"parent_id", "owner_id"}},
		"lists": {struct {
			Words   graphql.Omittable[[]string]
			Numbers graphql.Omittable[[]int]
		}{set([]string{"a"}), set([]int{1, 2})}, assigned{Words: []string{"a"}, Numbers: []int16{1, 2}}, []string{"words", "numbers"}},
		"null list": {struct {
			Words   graphql.Omittable[[]string]
			Numbers graphql.Omittable[[]int]
		}{set[[]string](nil), set[[]int](nil)}, assigned{}, []string{"words", "numbers"}},
		"others": {struct {
			Payload graphql.Omittable[json.RawMessage]
			At      time.Time
			Day     graphql.Omittable[*rows.Date]
		}{set(json.RawMessage("1")), at, set(pointer(rows.Date("2026-11-29")))}, assigned{Payload: json.RawMessage("1"), At: at, Day: pointer(rows.Date("2026-11-29"))}, []string{"payload", "at", "day"}},
	} {
		var got assigned
		columns, err := endpoint.Assign(&got, test.input)
		if err != nil || !reflect.DeepEqual(got, test.want) || fmt.Sprint(columns) != fmt.Sprint(test.columns) {
			t.Errorf("%s: %+v, %v: %v", name, got, columns, err)
		}
	}
}

// A value that a column cannot have is the client's mistake, and named; a field without a column is the API half's.
func TestAssignRefuses(t *testing.T) {
	type named struct {
		Name graphql.Omittable[*string] `json:"name,omitempty"`
	}
	for message, input := range map[string]any{
		"input: name: it cannot be null": named{set[*string](nil)},
		"input: small: 32768 is beyond its range": struct {
			Small *int `json:"small"`
		}{pointer(math.MaxInt16 + 1)},
		"input: numbers: -32769 is beyond its range": struct {
			Numbers []int `json:"numbers"`
		}{[]int{1, math.MinInt16 - 1}},
		`input: parentId: an id is not acceptable: "x" is not a whole number of 64 bits, such as 42`: struct {
			Parent rows.ID `json:"parentId"`
		}{"x"},
		"endpoint_test.assigned has no column for struct { Other string }.Other":   struct{ Other string }{"x"},
		"endpoint_test.assigned has no column for struct { Hidden string }.Hidden": struct{ Hidden string }{"x"},
		"a bool cannot be a string": struct{ Name bool }{true},
	} {
		_, err := endpoint.Assign(new(assigned), input)
		if err == nil || err.Error() != message {
			t.Errorf("%v, want %s", err, message)
		}
		if errors.Unwrap(err) != nil {
			t.Errorf("%v wraps", err)
		}
	}
}
