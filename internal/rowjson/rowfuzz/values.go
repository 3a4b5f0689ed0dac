package rowfuzz

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"time"

	"usergraph/database/rows"
)

// implementations are the structs that may be the value of an interface of a random schema.
var implementations []reflect.Type

// Implement adds a struct that interfaces may hold a pointer to.
func Implement[T any]() { implementations = append(implementations, reflect.TypeFor[T]()) }

var texts = []string{"", "plain", "Ünïcödé 😀 \u2028", "\x00\x01\x1f\x7f", "\"quoted\" \\ /", "a\tb\r\nc", "<script>&amp;</script>", "null", "\xff\xfe invalid"}

// set gives a value random content. The depth bounds rows within rows.
func set(random *rand.Rand, value reflect.Value, depth int) {
	null := func(one int) bool { return !mild && random.IntN(one) == 0 || depth > 4 }
	switch known := value.Addr().Interface().(type) {
	case *time.Time:
		*known = time.Unix(random.Int64N(8e9)-2e9, random.Int64N(1e9)).In(time.FixedZone("", random.IntN(3)*3600))
		if random.IntN(10) == 0 {
			*known = time.Time{}
		}
		return
	case *json.RawMessage:
		*known = json.RawMessage([]string{"null", `{"a": [1, 2 ]}`, `"<\u00e9>"`, "[\n]", "1.50"}[random.IntN(5)])
		if null(5) {
			*known = nil
		}
		return
	case *rows.Date:
		*known = rows.Date(fmt.Sprintf("2026-11-%02d", 1+random.IntN(30)))
		return
	}
	switch value.Kind() {
	case reflect.String:
		value.SetString(texts[random.IntN(len(texts))])
	case reflect.Bool:
		value.SetBool(random.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		value.SetInt(random.Int64() >> (64 - value.Type().Bits() + random.IntN(8)))
	case reflect.Uint8, reflect.Uint64:
		value.SetUint(random.Uint64() >> (64 - value.Type().Bits()))
	case reflect.Float32, reflect.Float64:
		value.SetFloat([]float64{0, -1.5, 1e21, 1e-7, 123456789.125, random.NormFloat64()}[random.IntN(6)])
		if !mild && random.IntN(40) == 0 {
			value.SetFloat(math.Inf(1))
		}
	case reflect.Pointer:
		if !null(8) && (mild || random.IntN(12) > 0) {
			value.Set(reflect.New(value.Type().Elem()))
			set(random, value.Elem(), depth+1)
		}
	case reflect.Slice:
		if !null(12) {
			length := random.IntN(4)
			value.Set(reflect.MakeSlice(value.Type(), length, length))
			for i := range length {
				set(random, value.Index(i), depth+1)
			}
		}
	case reflect.Array:
		for i := range value.Len() {
			set(random, value.Index(i), depth)
		}
	case reflect.Struct:
		for i := range value.NumField() {
			set(random, value.Field(i), depth)
		}
	case reflect.Interface:
		if null(8) {
			return
		}
		var fitting []reflect.Type
		for _, implementation := range implementations {
			if reflect.PointerTo(implementation).Implements(value.Type()) {
				fitting = append(fitting, implementation)
			}
		}
		if len(fitting) == 0 {
			return
		}
		row := reflect.New(fitting[random.IntN(len(fitting))])
		set(random, row.Elem(), depth+1)
		value.Set(row)
	}
}
