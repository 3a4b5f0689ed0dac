package endpoint_test

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"usergraph/endpoint"
)

// exceeding has, for each field of Bounds, a document that needs exactly so much of it, its variables, and the code for a
// caller who may have less. A field without a code says nothing of a document and has tests of its own.
var exceeding = map[string]struct {
	document, variables string
	needs               int
	code                string
}{
	"JSONDepth":          {"{ __typename }", `{"a":[[[1]]]}`, 5, endpoint.CodeJSONDepthLimit},
	"Values":             {"{ __typename }", `{"a":[1,2,3]}`, 5, endpoint.CodeValueLimit},
	"ListSize":           {"{ __typename }", `{"a":[1,2,3]}`, 3, endpoint.CodeListLimit},
	"DocumentBytes":      {"{ __typename }", "", 14, endpoint.CodeDocumentLimit},
	"Tokens":             {"# a comment\n{ __typename, __typename }", "", 5, endpoint.CodeTokenLimit},
	"Depth":              {"{ me { id } }", "", 2, endpoint.CodeDepthLimit},
	"IntrospectionDepth": {"{ __schema { types { fields { name } } } }", "", 2, endpoint.CodeIntrospectionDepth},
	"RootFields":         {"{ a: __typename ...f } fragment f on Query { b: __typename c: __typename }", "", 3, endpoint.CodeRootFieldLimit},
	"Fields":             {"{ ...f } fragment f on Query { me { id email } }", "", 3, endpoint.CodeFieldLimit},
	"Aliases":            {"{ a: __typename b: __typename }", "", 2, endpoint.CodeAliasLimit},
	"Directives":         {"{ __typename @include(if: true) @skip(if: false) }", "", 2, endpoint.CodeDirectiveLimit},
	"Spreads":            {"{ ...f ...f } fragment f on Query { __typename }", "", 2, endpoint.CodeFragmentLimit},
	"Complexity":         {"{ me { id email } }", "", 7, endpoint.CodeComplexityLimit},

	"BodyBytes": {}, "Operations": {}, "Batch": {}, "Connections": {}, "SocketOperations": {}, "MessageBytes": {}, "Time": {}, "Errors": {}, "ResponseBytes": {},
}

// A limit holds for who sends a document, in whatever form, whoever has sent it before.
func TestLimitsHoldForWhoSends(t *testing.T) {
	for field := range reflect.TypeFor[endpoint.Bounds]().Fields() {
		test, known := exceeding[field.Name]
		if !known {
			t.Errorf("Bounds.%s has no row", field.Name)
		}
		if test.code == "" {
			continue
		}
		t.Run(field.Name, func(t *testing.T) {
			limits := endpoint.DefaultLimits()
			limits.Anonymous = limits.SignedIn
			reflect.ValueOf(&limits.SignedIn).Elem().FieldByName(field.Name).SetInt(int64(test.needs))
			reflect.ValueOf(&limits.Anonymous).Elem().FieldByName(field.Name).SetInt(int64(test.needs - 1))
			s := newStack(t, nil, func(o *endpoint.Options) { o.Limits, o.Introspection = &limits, endpoint.IntrospectionOn })

			variables := test.variables
			if variables == "" {
				variables = "{}"
			}
			sum := sha256.Sum256([]byte(test.document))
			hash := `{"persistedQuery":{"version":1,"sha256Hash":"` + hex.EncodeToString(sum[:]) + `"}}`
			text := strings.TrimSuffix(jsonOf(test.document, variables), "}")
			get := "query=" + url.QueryEscape(test.document) + "&variables=" + url.QueryEscape(variables)
			forms := map[string]request{
				"text":          {body: text + "}"},
				"text and hash": {body: text + `,"extensions":` + hash + "}"},
				"hash":          {body: `{"variables":` + variables + `,"extensions":` + hash + "}"},
				"GET":           {method: "GET", query: get},
				"GET by hash":   {method: "GET", query: "variables=" + url.QueryEscape(variables) + "&extensions=" + url.QueryEscape(hash)},
				"event stream":  {body: text + "}", header: map[string]string{"Accept": "text/event-stream"}},
			}
			if field.Name == "Values" { // extensions are values too, and need more
				maps.DeleteFunc(forms, func(name string, _ request) bool { return strings.Contains(name, "hash") })
			}
			if field.Name == "JSONDepth" { // variables in a query string stand a level higher
				maps.DeleteFunc(forms, func(name string, _ request) bool { return strings.Contains(name, "GET") })
			}
			refused := func(when string) {
				t.Helper()
				for name, r := range forms {
					if got := s.send(r); !strings.Contains(got.body, `"`+test.code+`"`) && !(when == "before" && strings.Contains(got.body, endpoint.CodeDocumentNotFound)) {
						t.Errorf("%s, %s: %d %s", name, when, got.status, got.body)
					}
				}
			}
			refused("before")
			for range 2 { // a hash is known the second time
				for name, r := range forms {
					r.as = &ada
					if got := s.send(r); strings.Contains(got.body, `"code"`) && !strings.Contains(got.body, endpoint.CodeDocumentNotFound) {
						t.Errorf("%s, signed in: %d %s", name, got.status, got.body)
					}
				}
			}
			refused("afterwards")
		})
	}
}
