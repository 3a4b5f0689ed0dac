package endpoint_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"usergraph/endpoint"
)

// refuseBytes is the most memory that it may take to refuse a request, in all, garbage included.
const refuseBytes = 20 << 20

// attacks are hostile requests, and how they are refused. Those that are within their rights are answered with code "".
// They are sent by Ada, who has the larger limits, unless the name begins with "anonymous".
var attacks = []struct {
	name    string
	request request
	status  int
	code    string
}{
	// More of everything.
	{"alias bomb", doc("{" + numbered(1000, "a%d: __typename ") + "}"), 400, endpoint.CodeTokenLimit},
	{"aliases", doc("{ me {" + numbered(40, "a%d: id ") + "} }"), 400, endpoint.CodeAliasLimit},
	{"anonymous aliases", doc("{ me {" + numbered(16, "a%d: id ") + "} }"), 400, endpoint.CodeAliasLimit},
	{"root fields", doc("{" + numbered(21, "a%d: me { id } ") + "}"), 400, endpoint.CodeRootFieldLimit},
	{"root fields in fragments", doc("{ ...a ...a ...a } fragment a on Query {" + numbered(9, "a%d: me { id } ") + "}"), 400, endpoint.CodeRootFieldLimit},
	{"anonymous mutation flood", doc("mutation {" + numbered(11, "a%d: updateMe(input: {}) { id } ") + "}"), 400, endpoint.CodeRootFieldLimit},
	{"directive bomb", doc("{ me { id " + strings.Repeat("@include(if: true) ", 100) + "} }"), 400, endpoint.CodeDirectiveLimit},
	{"unknown directives", doc("{ me { id " + strings.Repeat("@a ", 400) + "} }"), 400, endpoint.CodeDirectiveLimit},
	{"directives on the operation", doc("query " + strings.Repeat("@a ", 400) + "{ me { id } }"), 400, endpoint.CodeDirectiveLimit},
	{"same field again and again", doc("{ me {" + strings.Repeat("id ", 600) + "} }"), 400, endpoint.CodeFieldLimit},
	{"overlapping fields", doc("{" + strings.Repeat("me{id}", 240) + "}"), 400, endpoint.CodeRootFieldLimit},
	{"overlapping fields, nested", doc("{ me {" + strings.Repeat("...on User{id} ", 160) + "} }"), 200, ""},
	{"deep nesting", doc("{ me" + strings.Repeat("{me", 300) + strings.Repeat("}", 301)), 400, endpoint.CodeDepthLimit},
	{"anonymous deep nesting", doc("{ me" + strings.Repeat("{me", 8) + strings.Repeat("}", 9)), 400, endpoint.CodeDepthLimit},
	{"nested inline fragments", doc("{" + strings.Repeat("...{", 490) + "__typename" + strings.Repeat("}", 491)), 400, endpoint.CodeTokenLimit},
	{"selection sets for the parser", doc(strings.Repeat("{a", 60_000)), 400, endpoint.CodeTokenLimit},
	{"lists for the parser", doc("{ me(a: " + strings.Repeat("[", 120_000)), 400, endpoint.CodeTokenLimit},
	{"list types for the parser", doc("query($a: " + strings.Repeat("[", 120_000)), 400, endpoint.CodeTokenLimit},
	{"objects for the parser", doc("{ me(a: " + strings.Repeat("{a:", 40_000)), 400, endpoint.CodeTokenLimit},
	{"variable definitions", doc("query(" + numbered(300, "$a%d: ID ") + ") { me { id } }"), 400, endpoint.CodeTokenLimit},
	{"operations", doc(numbered(400, "query a%d{__typename}")), 400, endpoint.CodeTokenLimit},
	{"comments", doc("{ me { id } }" + strings.Repeat("#\n", 60_000)), 400, endpoint.CodeTokenLimit},
	{"commas and blanks", doc("{ me { id } }" + strings.Repeat(",    ", 25_000)), 200, ""},

	// Fragments.
	{"fragment of itself", doc("{ me { ...a } } fragment a on User { ...a }"), 400, endpoint.CodeValidationFailed},
	{"fragments in a circle", doc("{ me { ...a } } fragment a on User { ...b } fragment b on User { ...c } fragment c on User { ...a id }"), 400, endpoint.CodeValidationFailed},
	{"circle that nobody uses", doc("{ __typename } fragment a on User { ...b } fragment b on User { ...a }"), 400, endpoint.CodeValidationFailed},
	{"circle through fields", doc("{ me { ...a } } fragment a on User { me { ...a } }"), 400, endpoint.CodeValidationFailed},
	{"doubling fragments", doc("{ me { ...f0 } } " + doubling(24) + "fragment f24 on User { id }"), 400, endpoint.CodeFieldLimit},
	{"doubling fragments, spreads", doc("{ me { ...f0 } } " + doubling(30) + "fragment f30 on User { id }"), 400, endpoint.CodeFieldLimit},
	{"doubling introspection", doc("{ __schema { types { ...f0 } } } " + strings.ReplaceAll(doubling(24), "User", "__Type") + "fragment f24 on __Type { name }"), 400, endpoint.CodeFieldLimit},
	{"spreads", doc("{ me {" + strings.Repeat("...a ", 60) + "} } fragment a on User { id }"), 400, endpoint.CodeFragmentLimit},
	{"two fragments of a name", doc("{ me { ...a } } " + strings.ReplaceAll(doubling(10), "f0 ", "a ") + "fragment f10 on User {id} fragment a on User { id }"), 400, endpoint.CodeValidationFailed},

	// Introspection.
	{"anonymous introspection", doc("{ __schema { types { name } } }"), 400, endpoint.CodeIntrospectionDisabled},
	{"anonymous introspection of a type", doc(`{ __type(name: "User") { name } }`), 400, endpoint.CodeIntrospectionDisabled},
	{"anonymous introspection in a fragment", doc(`{ ...a } fragment a on Query { b: __schema { types { name } } }`), 400, endpoint.CodeIntrospectionDisabled},
	{"circular introspection", doc("{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }"), 400, endpoint.CodeIntrospectionDepth},
	{"circular introspection in fragments", doc("{ __schema { types { ...a } } } fragment a on __Type { fields { type { ...b } } } fragment b on __Type { fields { args { name } } }"), 400, endpoint.CodeIntrospectionDepth},
	{"wide introspection", doc("{ __schema { types {" + numbered(40, "a%d: fields { name } ") + "} } }"), 400, endpoint.CodeAliasLimit},

	// Values.
	{"list in variables", request{body: jsonOf("query($a: [ID!]) { me { id } }", `{"a":[`+strings.Repeat("1,", 2000)+"1]}")}, 400, endpoint.CodeListLimit},
	{"anonymous list in variables", request{body: jsonOf("query($a: [ID!]) { me { id } }", `{"a":[`+strings.Repeat("1,", 200)+"1]}")}, 400, endpoint.CodeListLimit},
	{"lists of lists", request{body: jsonOf("{ me { id } }", `{"a":[`+strings.Repeat("["+strings.Repeat("[],", 900)+"[]],", 20)+"1]}")}, 400, endpoint.CodeValueLimit},
	{"values in extensions", request{body: `{"query":"{ me { id } }","extensions":{` + numbered(20_000, `"a%d":0,`) + `"b":0}}`}, 400, endpoint.CodeValueLimit},
	{"values that nobody reads", request{body: `{"query":"{ me { id } }","other":{` + numbered(20_000, `"a%d":0,`) + `"b":0}}`}, 400, endpoint.CodeValueLimit},
	{"deep lists in variables", request{body: jsonOf("{ me { id } }", `{"a":`+strings.Repeat("[", 400_000))}, 400, endpoint.CodeJSONDepthLimit},
	{"deep objects in variables", request{body: jsonOf("{ me { id } }", strings.Repeat(`{"a":`, 100_000))}, 400, endpoint.CodeJSONDepthLimit},
	{"deep JSON instead of a request", request{body: strings.Repeat("[", 900_000)}, 400, endpoint.CodeBatchLimit},
	{"deep JSON instead of a query", request{body: `{"query":` + strings.Repeat("[", 900_000)}, 400, endpoint.CodeBadRequest},
	{"giant text in a variable", request{body: jsonOf("mutation($a: String) { updateMe(input: {fullName: $a}) { id } }", `{"a":"`+strings.Repeat("x", 900_000)+`"}`)}, 200, endpoint.CodeBadUserInput},
	{"giant number in a variable", request{body: jsonOf("mutation($a: String) { updateMe(input: {fullName: $a}) { id } }", `{"a":`+strings.Repeat("9", 900_000)+`}`)}, 400, endpoint.CodeBadRequest},
	{"number instead of a text", request{body: jsonOf("mutation($a: String) { updateMe(input: {fullName: $a}) { id } }", `{"a":1}`)}, 400, endpoint.CodeValidationFailed},
	{"giant exponent in a variable", request{body: jsonOf("mutation($a: String) { updateMe(input: {fullName: $a}) { id } }", `{"a":1e999999999}`)}, 400, endpoint.CodeBadRequest},
	{"giant text in a document", doc(`mutation { updateMe(input: {fullName: "` + strings.Repeat("x", 120_000) + `"}) { id } }`), 200, endpoint.CodeBadUserInput},
	{"giant block text in a document", doc(`mutation { updateMe(input: {fullName: """` + strings.Repeat("\n x", 40_000) + `"""}) { id } }`), 200, endpoint.CodeBadUserInput},
	{"giant name in a document", doc("{ " + strings.Repeat("x", 120_000) + " }"), 400, endpoint.CodeValidationFailed},
	{"giant number in a document", doc("{ me(a: " + strings.Repeat("9", 120_000) + ") { id } }"), 400, endpoint.CodeValidationFailed},
	{"document over the limit", doc("{ me { id } }" + strings.Repeat(" ", 900_000)), 400, endpoint.CodeDocumentLimit},
	{"anonymous document over the limit", doc("{ me { id } }" + strings.Repeat(" ", 40_000)), 400, endpoint.CodeDocumentLimit},
	{"giant operation name", request{body: `{"query":"{ me { id } }","operationName":"` + strings.Repeat("x", 900_000) + `"}`}, 400, endpoint.CodeValidationFailed},
	{"NUL in a value", request{body: jsonOf("mutation($a: String) { updateMe(input: {fullName: $a}) { id } }", `{"a":"a\u0000b"}`)}, 200, endpoint.CodeBadUserInput},
	{"NUL in a document", doc("{ me { id\x00 } }"), 400, endpoint.CodeParseFailed},
	{"list instead of an object", request{body: jsonOf("mutation($a: UpdateMeInput!) { updateMe(input: $a) { id } }", `{"a":[[[[]]]]}`)}, 400, endpoint.CodeValidationFailed},
	{"null where null may not stand", request{body: jsonOf("query($x: Boolean = false) { __typename me @include(if: $x) { id } }", `{"x":null}`)}, 200, endpoint.CodeValidationFailed},
	{"null where null may not stand, in a field", request{body: jsonOf("query($x: Boolean = false) { me { id @skip(if: $x) } }", `{"x":null}`)}, 200, endpoint.CodeValidationFailed},
	{"unknown input fields", request{body: jsonOf("mutation($a: UpdateMeInput!) { updateMe(input: $a) { id } }", `{"a":{"id":"b0000000-0000-4000-8000-000000000002"}}`)}, 400, endpoint.CodeValidationFailed},

	// Bodies.
	{"no body", request{}, 400, endpoint.CodeBadRequest},
	{"empty object", request{body: "{}"}, 400, endpoint.CodeBadRequest},
	{"null", request{body: "null"}, 400, endpoint.CodeBadRequest},
	{"a text", request{body: `"{ me { id } }"`}, 400, endpoint.CodeBadRequest},
	{"not JSON", request{body: "<script>alert(1)</script>"}, 400, endpoint.CodeBadRequest},
	{"half of a request", request{body: `{"query":"{ me { id } }"`}, 400, endpoint.CodeBadRequest},
	{"two requests", request{body: jsonOf("{ me { id } }") + jsonOf("{ me { id } }")}, 400, endpoint.CodeBadRequest},
	{"something after the request", request{body: jsonOf("{ me { id } }") + "x"}, 400, endpoint.CodeBadRequest},
	{"duplicate keys", request{body: `{"query":"{ me { id } }","query":"mutation { updateMe(input: {}) { id } }"}`}, 400, endpoint.CodeBadRequest},
	{"duplicate keys, escaped", request{body: `{"query":"{ me { id } }","\u0071uery":"{ __typename }"}`}, 400, endpoint.CodeBadRequest},
	{"duplicate keys in variables", request{body: jsonOf("{ me { id } }", `{"a":1,"a":2}`)}, 400, endpoint.CodeBadRequest},
	{"keys in another case", request{body: `{"Query":"{ me { id } }"}`}, 400, endpoint.CodeBadRequest},
	{"proto pollution", request{body: jsonOf("{ me { id } }", `{"__proto__":{"role":"admin"},"constructor":{"prototype":{}}}`)}, 200, ""},
	{"invalid UTF-8", request{body: "{\"query\":\"{ me { id } } # \xff\xfe\"}"}, 400, endpoint.CodeBadRequest},
	{"overlong UTF-8", request{body: "{\"query\":\"{ me { id } } # \xc0\xaf\"}"}, 400, endpoint.CodeBadRequest},
	{"lone surrogate", request{body: `{"query":"{ me { id } } # \ud800"}`}, 400, endpoint.CodeBadRequest},
	{"UTF-16", request{body: "\xff\xfe{\x00}\x00"}, 400, endpoint.CodeBadRequest},
	{"byte order mark", request{body: "\xef\xbb\xbf" + jsonOf("{ me { id } }")}, 400, endpoint.CodeBadRequest},
	{"query is an object", request{body: `{"query":{"$ne":null}}`}, 400, endpoint.CodeBadRequest},
	{"variables are a list", request{body: jsonOf("{ me { id } }", "[]")}, 400, endpoint.CodeBadRequest},
	{"body over the limit", request{body: jsonOf("{ me { id } }" + strings.Repeat(" ", 1<<20))}, 413, endpoint.CodeBodyLimit},
	{"anonymous body over the limit", request{body: jsonOf("{ me { id } }" + strings.Repeat(" ", 64<<10))}, 413, endpoint.CodeBodyLimit},
	{"batch", request{body: "[" + jsonOf("{ me { id } }") + "]"}, 400, endpoint.CodeBatchLimit},
	{"batch flood", request{body: "[" + strings.Repeat(jsonOf("{ me { id } }")+",", 10_000) + "{}]"}, 400, endpoint.CodeBatchLimit},

	// Headers and methods.
	{"form", request{header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, body: "query=%7Bme%7Bid%7D%7D"}, 415, endpoint.CodeBadRequest},
	{"plain text", request{header: map[string]string{"Content-Type": "text/plain"}, body: jsonOf("{ me { id } }")}, 415, endpoint.CodeBadRequest},
	{"multipart upload", request{header: map[string]string{"Content-Type": "multipart/form-data; boundary=x"}, body: "--x\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n" + jsonOf("{ me { id } }") + "\r\n--x--\r\n"}, 415, endpoint.CodeBadRequest},
	{"no content type", request{header: map[string]string{"Content-Type": ""}, body: jsonOf("{ me { id } }")}, 415, endpoint.CodeBadRequest},
	{"JSON in another encoding", request{header: map[string]string{"Content-Type": "application/json; charset=utf-7"}, body: jsonOf("{ me { id } }")}, 415, endpoint.CodeBadRequest},
	{"content type of two minds", request{header: map[string]string{"Content-Type": "text/plain; application/json"}, body: jsonOf("{ me { id } }")}, 415, endpoint.CodeBadRequest},
	{"compressed bomb", request{header: map[string]string{"Content-Encoding": "gzip"}, body: bomb(100 << 20)}, 415, endpoint.CodeBadRequest},
	{"layered encodings", request{header: map[string]string{"Content-Encoding": "identity, gzip"}, body: bomb(1 << 20)}, 415, endpoint.CodeBadRequest},
	{"accepts images only", request{header: map[string]string{"Accept": "image/png"}, body: jsonOf("{ me { id } }")}, 406, endpoint.CodeBadRequest},
	{"accepts nothing", request{header: map[string]string{"Accept": "application/json;q=0"}, body: jsonOf("{ me { id } }")}, 406, endpoint.CodeBadRequest},
	{"thousands of media types", request{header: map[string]string{"Accept": strings.Repeat("a/b;q=0.1,", 5000) + "application/json"}, body: jsonOf("{ __typename }")}, 200, ""},
	{"PUT", request{method: "PUT", body: jsonOf("{ me { id } }")}, 405, endpoint.CodeBadRequest},
	{"DELETE", request{method: "DELETE"}, 405, endpoint.CodeBadRequest},
	{"TRACE", request{method: "TRACE"}, 405, endpoint.CodeBadRequest},
	{"method of its own", request{method: "GRAPHQL"}, 405, endpoint.CodeBadRequest},
	{"method override", request{method: "GET", query: "query=" + url.QueryEscape("mutation { updateMe(input: {}) { id } }"), header: map[string]string{"X-HTTP-Method-Override": "POST"}}, 405, endpoint.CodeBadRequest},

	// GET.
	{"mutation by GET", request{method: "GET", query: "query=" + url.QueryEscape("mutation { updateMe(input: {}) { id } }")}, 405, endpoint.CodeBadRequest},
	{"GET without a query", request{method: "GET"}, 400, endpoint.CodeBadRequest},
	{"malformed query string", request{method: "GET", query: "query=%zz"}, 400, endpoint.CodeBadRequest},
	{"semicolons", request{method: "GET", query: "query={__typename};query={me{id}}"}, 400, endpoint.CodeBadRequest},
	{"two queries", request{method: "GET", query: "query={__typename}&query={me{id}}"}, 400, endpoint.CodeBadRequest},
	{"duplicate keys by GET", request{method: "GET", query: "query={__typename}&variables=" + url.QueryEscape(`{"a":1,"a":2}`)}, 400, endpoint.CodeBadRequest},
	{"variables are no object by GET", request{method: "GET", query: "query={__typename}&variables=1"}, 400, endpoint.CodeBadRequest},
	{"anonymous overlong GET", request{method: "GET", query: "query=" + strings.Repeat("%20", 30_000) + "{__typename}"}, 414, endpoint.CodeBodyLimit},
	{"cross-site GET", request{method: "GET", query: "query={__typename}", header: map[string]string{"Sec-Fetch-Site": "cross-site", "Authorization": ""}}, 403, endpoint.CodeCrossSite},

	// Documents by their hash.
	{"hash of nothing", request{body: `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + strings.Repeat("0", 64) + `"}}}`}, 200, endpoint.CodeDocumentNotFound},
	{"hash of something else", request{body: `{"query":"{ me { id } }","extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + strings.Repeat("0", 64) + `"}}}`}, 400, endpoint.CodeBadRequest},
	{"hash that is none", request{body: `{"query":"{ me { id } }","extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + strings.Repeat("../", 50) + `"}}}`}, 400, endpoint.CodeBadRequest},
	{"hash of another version", request{body: `{"query":"{ me { id } }","extensions":{"persistedQuery":{"version":2,"sha256Hash":"x"}}}`}, 400, endpoint.CodeBadRequest},
	{"persisted query is a list", request{body: `{"query":"{ me { id } }","extensions":{"persistedQuery":[]}}`}, 400, endpoint.CodeBadRequest},
	{"unknown document", request{body: `{"documentId":"nothing"}`}, 200, endpoint.CodeDocumentNotFound},

	// What is not here.
	{"subscription by POST", doc("subscription { me { id } }"), 400, ""},
	{"incremental delivery", doc("{ me { id ...@defer { email } } }"), 400, endpoint.CodeValidationFailed},
	{"unknown field", doc("{ mee { id } }"), 400, endpoint.CodeValidationFailed},
	{"service definition", doc("{ _service { sdl } }"), 400, endpoint.CodeValidationFailed},
	{"schema in a request", doc("type Query { a: Int }"), 400, endpoint.CodeParseFailed},
}

func TestAttacks(t *testing.T) {
	s := newStack(t, nil)
	for _, attack := range attacks {
		t.Run(attack.name, func(t *testing.T) {
			if !strings.HasPrefix(attack.name, "anonymous") && attack.request.header["Authorization"] == "" {
				attack.request.as = &ada
			}
			made := attack.request.new(s)
			recorder := httptest.NewRecorder()
			// In process first, to count what it takes.
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s.handler.ServeHTTP(recorder, made)
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > refuseBytes {
				t.Errorf("took %d bytes", took)
			}
			got := answer{recorder.Code, recorder.Header(), recorder.Body.String()}
			if attack.request.method != "TRACE" { // net/http's client does not send it
				got = s.send(attack.request)
			}
			if got.status != attack.status || attack.code != "" && got.code() != attack.code || attack.status == 200 && attack.code == "" && got.code() != "" {
				t.Errorf("answered %d %s, want %d %s: %.300s", got.status, got.code(), attack.status, attack.code, got.body)
			}
			if attack.status != 200 && len(got.body) > 1000 {
				t.Errorf("the refusal has %d bytes: does it echo?", len(got.body))
			}
			checkHeaders(t, got)
			good := s.send(request{body: jsonOf("{ me { fullName } }"), as: &ada})
			if good.body != `{"data":{"me":{"fullName":"Ada Lovelace"}}}` {
				t.Errorf("the next request got %s", good.body)
			}
		})
	}
	if len(attacks) < 60 {
		t.Errorf("%d attacks are too few", len(attacks))
	}
}

// checkHeaders wants what every answer has.
func checkHeaders(t *testing.T, got answer) {
	t.Helper()
	for name, want := range map[string]string{
		"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff", "Etag": "",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s: %q", name, got.header.Get(name))
		}
	}
	if !strings.HasSuffix(got.header.Get("Content-Type"), "json; charset=utf-8") {
		t.Errorf("Content-Type: %q", got.header.Get("Content-Type"))
	}
	if got.status == http.StatusMethodNotAllowed && got.header.Get("Allow") == "" {
		t.Error("405 without Allow")
	}
}

// Requests that may be read in two ways are refused by net/http, and what follows them is not read.
func TestSmuggling(t *testing.T) {
	s := newStack(t, nil)
	const hidden = "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"
	for name, raw := range map[string]string{
		"length and chunks":       "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"two lengths":             "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 90\r\n\r\nabcd" + hidden,
		"chunks of another kind":  "POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
		"blank before the colon":  "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length : 4\r\n\r\nabcd" + hidden,
		"negative length":         "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n" + hidden,
		"two hosts":               "POST /graphql HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Length: 0\r\n\r\n" + hidden,
		"no host":                 "POST /graphql HTTP/1.1\r\nContent-Length: 0\r\n\r\n" + hidden,
		"folded header":           "POST /graphql HTTP/1.1\r\nHost: x\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n" + hidden,
		"chunk size out of range": "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{}",
		"not HTTP":                "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, raw); err != nil {
				t.Fatal(err)
			}
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			statuses, reader := []int{}, bufio.NewReader(conn)
			for {
				response, err := http.ReadResponse(reader, nil)
				if err != nil {
					break
				}
				_, _ = io.Copy(io.Discard, response.Body)
				statuses = append(statuses, response.StatusCode)
			}
			for _, status := range statuses {
				if status < 400 {
					t.Errorf("answers %v", statuses)
				}
			}
			if len(statuses) != 1 {
				t.Errorf("%d answers to one request: %v", len(statuses), statuses)
			}
			if good := s.send(request{body: jsonOf("{ __typename }")}); good.status != 200 {
				t.Errorf("the next request got %d %s", good.status, good.body)
			}
		})
	}
}

// BenchmarkAttacks is what it takes to refuse each attack; docs/security.md has the results.
func BenchmarkAttacks(b *testing.B) {
	s := newStack(b, nil)
	for _, attack := range attacks {
		b.Run(strings.ReplaceAll(attack.name, " ", "_"), func(b *testing.B) {
			if !strings.HasPrefix(attack.name, "anonymous") {
				attack.request.as = &ada
			}
			made := attack.request.new(s)
			b.ReportAllocs()
			for b.Loop() {
				made.Body = io.NopCloser(strings.NewReader(attack.request.body))
				s.handler.ServeHTTP(&discard{http.Header{}}, made)
			}
		})
	}
}

// doc is a request with this document.
func doc(document string) request { return request{body: jsonOf(document)} }

// numbered repeats a text with numbers in it.
func numbered(count int, format string) string {
	var text strings.Builder
	for i := range count {
		fmt.Fprintf(&text, format, i)
	}
	return text.String()
}

// doubling is a chain of fragments that spread the next one twice.
func doubling(levels int) string {
	var text strings.Builder
	for i := range levels {
		fmt.Fprintf(&text, "fragment f%d on User { ...f%d ...f%d } ", i, i+1, i+1)
	}
	return text.String()
}

// bomb is so many zeroes, compressed.
func bomb(size int64) string {
	var text bytes.Buffer
	writer := gzip.NewWriter(&text)
	_, _ = io.CopyN(writer, zeroes{}, size)
	_ = writer.Close()
	return text.String()
}

type zeroes struct{}

func (zeroes) Read(into []byte) (int, error) {
	clear(into)
	return len(into), nil
}
