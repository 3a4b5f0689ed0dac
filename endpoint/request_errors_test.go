package endpoint

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// overAll sends a request over HTTP, as an event stream and on a socket, and returns the three answers, in JSON. On a
// socket, an answer to a request that was not executed is its errors alone.
func overAll(t *testing.T, e *Handler, body string) map[string]string {
	t.Helper()
	server := httptest.NewServer(e)
	defer server.Close()
	_, streamed, _ := strings.Cut(e.stream(t, body), "data: ")
	streamed, _, _ = strings.Cut(streamed, "\n")
	conn, response, err := websocket.Dial(t.Context(), server.URL, &websocket.DialOptions{Subprotocols: []string{subprotocol}})
	if err != nil {
		t.Fatal(err)
	}
	if response.Body != nil {
		defer response.Body.Close()
	}
	defer func() { _ = conn.CloseNow() }()
	for _, text := range []string{`{"type":"connection_init"}`, `{"id":"1","type":"subscribe","payload":` + body + `}`} {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	var got message
	for got.ID == nil {
		_, text, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
	}
	onSocket := string(got.Payload)
	if got.Type == "error" {
		onSocket = `{"errors":` + onSocket + `}`
	}
	return map[string]string{"HTTP": e.Ask(nil, body).Body.String(), "event stream": streamed, "socket": onSocket}
}

// A request that is refused has one error over all transports: without data and path, with a place in the document if it
// has one, and in words of GraphQL.
func TestRequestErrors(t *testing.T) {
	e, _ := newWide(t, func(o *Options) {
		o.Limits.Anonymous.Depth, o.Limits.Anonymous.Complexity, o.Limits.Anonymous.RootFields = 4, 100, 5
		o.Limits.Anonymous.Aliases, o.Limits.Anonymous.Directives, o.Limits.Anonymous.Spreads = 3, 3, 3
		o.Limits.Anonymous.Tokens, o.Limits.Anonymous.DocumentBytes, o.Limits.Anonymous.Fields = 100, 400, 20
	})
	off, _ := newWide(t, func(o *Options) { o.Introspection = IntrospectionOff })
	busy, _ := newWide(t, func(o *Options) { o.Limits.Anonymous.Operations = 0 })
	goWords := regexp.MustCompile(`float|int64|string is|slice|map\[|interface|nil|Invalid|%!|  `)
	for _, test := range []struct {
		handler *Handler
		request string // what follows "query":
		want    string // the error without its code
		code    string
	}{
		{e, `"{"`, `{"message":"Expected Name, found \u003cEOF\u003e","locations":[{"line":1,"column":2}]`, CodeParseFailed},
		{e, `"{ plain(a: \"x) }"`, `{"message":"Unterminated string.","locations":[{"line":1,"column":17}]`, CodeParseFailed},
		{e, `"{ plain } }"`, `{"message":"Unexpected }","locations":[{"line":1,"column":11}]`, CodeParseFailed},
		{e, `"fragment F on Query { plain }"`, `{"message":"the document has no operation"`, CodeValidationFailed},
		{e, `"{ ...F }\nfragment F on Query { ...F }"`, `{"message":"fragments may not contain themselves","locations":[{"line":2,"column":1}]`, CodeValidationFailed},
		{e, `"{ ...F } fragment F on Query { plain }\nfragment F on Query { plain }"`, `{"message":"there can be only one fragment of a name","locations":[{"line":2,"column":1}]`, CodeValidationFailed},
		{e, `"{ ... @defer { plain } }"`, `{"message":"this server does not know the directive @defer","locations":[{"line":1,"column":8}]`, CodeValidationFailed},
		{e, `"{ b: plain a: nowhere c: nothingElse }"`, `{"message":"Cannot query field \"nowhere\" on type \"Query\".","locations":[{"line":1,"column":12}]`, CodeValidationFailed},
		{off, `"{ plan }"`, `{"message":"Cannot query field \"plan\" on type \"Query\".","locations":[{"line":1,"column":3}]`, CodeValidationFailed},
		{off, `"{ __schema { types { name } } }"`, `{"message":"introspection is not open to you on this server"`, CodeIntrospectionDisabled},
		{off, `"query($p: Point) { inputs(point: $p) }","variables":{"p":{"x":1,"lable":"a"}}`, `{"message":"Variable \"$p\" got invalid value { lable: \"a\", x: 1 }; Field \"lable\" is not defined by type \"Point\".","locations":[{"line":1,"column":7}]`, CodeValidationFailed},
		{e, `"query($p: Point) { inputs(point: $p) }","variables":{"p":{"x":1,"lable":"a"}}`, `{"message":"Variable \"$p\" got invalid value { lable: \"a\", x: 1 }; Field \"lable\" is not defined by type \"Point\". Did you mean \"label\"?","locations":[{"line":1,"column":7}]`, CodeValidationFailed},
		{e, `"{ plain\r\n nullable(int: \"\"\"é\n b\"\"\") }"`, `{"message":"Int cannot represent non-integer value: \"é\\n b\"","locations":[{"line":2,"column":16}]`, CodeValidationFailed},
		{e, `"query($i: Int!) { strict(int: $i) }"`, `{"message":"Variable \"$i\" of required type \"Int!\" was not provided.","locations":[{"line":1,"column":7}]`, CodeValidationFailed},
		{e, `"query($i: Int!) { strict(int: $i) }","variables":{"i":null}`, `{"message":"Variable \"$i\" of non-null type \"Int!\" must not be null.","locations":[{"line":1,"column":7}]`, CodeValidationFailed},
		{e, `"query($i: Int!) { strict(int: $i) }","variables":{"i":1.5}`, `{"message":"Variable \"$i\" got invalid value 1.5; Int cannot represent non-integer value: 1.5","locations":[{"line":1,"column":7}]`, CodeValidationFailed},
		{e, `"query($i: [[Int!]!]) { lists(nested: $i) }","variables":{"i":[[1],[{}]]}`, `{"message":"Variable \"$i\" got invalid value {} at \"i[1][0]\"; Int cannot represent non-integer value: {}","locations":[{"line":1,"column":7}]`, CodeValidationFailed},
		{e, `"query($p: Point) { inputs(point: $p) }","variables":{"p":[1]}`, `{"message":"Variable \"$p\" got invalid value [1]; Expected type \"Point\" to be an object.","locations":[{"line":1,"column":7}]`, CodeValidationFailed},
		{e, `"query A { plain } query B { plain }"`, `{"message":"the document has several operations: send operationName"`, CodeValidationFailed},
		{e, `"query A { plain } query B { plain }","operationName":""`, `{"message":"the document has several operations: send operationName"`, CodeValidationFailed},
		{e, `"query A { plain }","operationName":"C"`, `{"message":"operation \"C\" not found"`, CodeValidationFailed},
		{e, `"{ plain }","operationName":" "`, `{"message":"operation \" \" not found"`, CodeValidationFailed},
		{e, `"{ nodes(first: 1000) { name } }"`, `{"message":"the operation has a complexity of 1001: at most 100 is allowed"`, CodeComplexityLimit},
		{e, `"query($n: Int!) { nodes(first: $n) { name } }","variables":{"n":1e3}`, `{"message":"the operation has a complexity of 1001: at most 100 is allowed"`, CodeComplexityLimit},
		{e, `"{ node { node { node { node { name } } } } }"`, `{"message":"the document has too many nested fields: at most 4 are allowed"`, CodeDepthLimit},
		{e, `"{ a: plain b: plain c: plain d: plain }"`, `{"message":"the document has too many aliases: at most 3 are allowed"`, CodeAliasLimit},
		{e, `"{ ` + strings.Repeat("plain ", 100) + `}"`, `{"message":"the document has too many bytes: at most 400 are allowed"`, CodeDocumentLimit},
		{e, `"{ ` + strings.Repeat("old ", 99) + `}"`, `{"message":"the document has too many tokens: at most 100 are allowed"`, CodeTokenLimit},
		{e, `"subscription { a: count b: count }"`, `{"message":"a subscription has exactly one field","locations":[{"line":1,"column":1}]`, CodeValidationFailed},
		{e, `"","extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + strings.Repeat("a", 64) + `"}}`, `{"message":"PersistedQueryNotFound"`, CodeDocumentNotFound},
		{busy, `"{ plain }"`, `{"message":"you run 0 operations already: wait for one to end"`, CodeOperationLimit},
	} {
		want := `{"errors":[` + test.want + `,"extensions":{"code":"` + test.code + `"}}]}`
		if goWords.MatchString(test.want) {
			t.Errorf("%s: the message is not written for a client", test.want)
		}
		for transport, got := range overAll(t, test.handler, `{"query":`+test.request+`}`) {
			if got != want {
				t.Errorf("%s over %s:\ngot  %s\nwant %s", test.request, transport, got, want)
			}
		}
	}
}

// What fails while it is executed has data, if only null, over all transports; so have the fields beside it.
func TestExecutionErrors(t *testing.T) {
	e, _ := newWide(t)
	for request, want := range map[string]string{
		`"query($b: Boolean = true) { plain @include(if: $b) }","variables":{"b":null}`: `{"errors":[{"message":"Argument \"if\" of non-null type \"Boolean!\" must not be null.","locations":[{"line":1,"column":48}],"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}],"data":null}`,
		`"query($i: Int = 1) { strict(int: $i) }","variables":{"i":null}`:               `{"errors":[{"message":"Argument \"int\" of non-null type \"Int!\" must not be null.","path":["strict"],"locations":[{"line":1,"column":34}],"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}],"data":null}`,
		`"query($i: Int = 1) { node { echo(ints: [$i]) } }","variables":{"i":null}`:     `{"errors":[{"message":"Argument \"ints\" has invalid value [$i].","path":["node","echo"],"locations":[{"line":1,"column":40}],"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}],"data":{"node":{"echo":null}}}`,
		// A scalar of the schema's own looks at its values when a field gets them.
		`"{ nullable(plain: \"yesterday\") plain }"`:                                   `{"errors":[{"message":"the value of plain is not acceptable","path":["nullable"],"locations":[{"line":1,"column":3}],"extensions":{"code":"BAD_USER_INPUT"}}],"data":{"nullable":null,"plain":"{}"}}`,
		`"query($p: Plain) { nullable(plain: $p) plain }","variables":{"p":{"a":[1]}}`: `{"errors":[{"message":"the value of plain is not acceptable","path":["nullable"],"locations":[{"line":1,"column":20}],"extensions":{"code":"BAD_USER_INPUT"}}],"data":{"nullable":null,"plain":"{}"}}`,
	} {
		for transport, got := range overAll(t, e, `{"query":`+request+`}`) {
			if got != want {
				t.Errorf("%s over %s:\ngot  %s\nwant %s", request, transport, got, want)
			}
		}
	}
}

// A mutation that has something wrong in a root field runs none of them, and tells what is wrong in each.
func TestMutationsCheckRootFieldsFirst(t *testing.T) {
	e, resolvers := newWide(t)
	for _, test := range []struct {
		selections string
		errors     int
		resolved   int32
		data       string
	}{
		{"{ a: add b: add(int: $i) c: add }", 1, 0, "null"},
		{"{ a: add ...F } fragment F on Mutation { b: add(point: {x: $i}) c: add(int: $i, point: {x: $i}) }", 2, 0, "null"},
		{"{ a: add b: add @include(if: $b) }", 1, 0, "null"},
		{"{ a: add ... @skip(if: $b) { b: add } }", 1, 0, "null"},
		{"{ a: add b: add(int: $i) @skip(if: true) }", 0, 1, `{"a":"{\"int\":1}"}`},
		{"{ a: add b: add(int: $i) @include(if: false) }", 0, 1, `{"a":"{\"int\":1}"}`},
		// Below its root fields it is executed as a query is.
		{"{ a: add node { echo(int: $i) } }", 1, 2, `{"a":"{\"int\":1}","node":{"echo":null}}`},
		{"{ a: add node { name @include(if: $b) } }", 1, 2, `{"a":"{\"int\":1}","node":null}`},
	} {
		definitions := ""
		for _, variable := range []string{"$i: Int = 1", "$b: Boolean = true"} {
			if strings.Contains(test.selections, variable[:2]) {
				definitions += variable + " "
			}
		}
		resolvers.resolved.Store(0)
		body, err := json.Marshal(map[string]any{"query": "mutation(" + definitions + ") " + test.selections, "variables": map[string]any{"i": nil, "b": nil}})
		if err != nil {
			t.Fatal(err)
		}
		answer, problem := e.askWide(t, string(body))
		if problem != "" || len(answer.Errors) != test.errors || resolvers.resolved.Load() != test.resolved || !sameJSON(answer.Data, json.RawMessage(test.data)) {
			t.Errorf("%s: %s %d resolved, %v %s", test.selections, problem, resolvers.resolved.Load(), answer.told(), answer.Data)
		}
	}
}

// Nothing of a null remains for the next request with the same document.
func TestNullsLeaveNoTrace(t *testing.T) {
	e, _ := newWide(t)
	const document = `{"query":"query($i: Int = 1, $b: Boolean = true) { ...F node { ...G } } fragment F on Query { strict(int: $i) @include(if: $b) } fragment G on Node { echo(ints: [$i]) }","variables":`
	want := e.Ask(nil, document+`{"i":2,"b":true}}`).Body.String()
	for _, variables := range []string{`{"i":null}}`, `{"b":null}}`, `{"i":null,"b":null}}`} {
		if got := e.Ask(nil, document+variables); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), "must not be null") {
			t.Errorf("%s: %d %s", variables, got.Code, got.Body)
		}
		if got := e.Ask(nil, document+`{"i":2,"b":true}}`).Body.String(); got != want || strings.Contains(got, "errors") {
			t.Errorf("after %s: %s", variables, got)
		}
	}
}
