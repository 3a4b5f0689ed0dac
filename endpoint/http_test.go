package endpoint_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"usergraph/endpoint"
)

func TestMediaTypes(t *testing.T) {
	s := newStack(t, nil)
	const graphql, plain = "application/graphql-response+json; charset=utf-8", "application/json; charset=utf-8"
	for accept, want := range map[string]string{
		"":                                  plain,
		"*/*":                               plain,
		"application/*;q=0.5":               plain,
		"application/json":                  plain,
		"APPLICATION/JSON":                  plain,
		"application/json; charset=utf-8":   plain,
		"application/json; charset=latin1":  "",
		"application/graphql-response+json": graphql,
		"application/graphql-response+json,application/json;q=0.9":                                                          graphql,
		"application/json;q=0.5, application/graphql-response+json":                                                         graphql,
		"application/json, application/graphql-response+json":                                                               plain,
		"text/html, application/graphql-response+json;q=0.1":                                                                graphql,
		"application/graphql-response+json;q=0, application/json;q=.5":                                                      plain,
		"application/json, multipart/mixed":                                                                                 plain,   // GraphiQL
		"application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed": graphql, // urql
		"image/png":                      "",
		"application/json;q=0":           "",
		"application/json;q=2":           "",
		"multipart/mixed":                "",
		"application/json;q=NaN, */*;q=": "",
	} {
		got := s.send(request{body: jsonOf("{ __typename }"), header: map[string]string{"Accept": accept}})
		if want == "" {
			if got.status != http.StatusNotAcceptable || got.code() != endpoint.CodeBadRequest {
				t.Errorf("%s: %d %s", accept, got.status, got.body)
			}
			continue
		}
		if got.status != 200 || got.header.Get("Content-Type") != want || got.body != `{"data":{"__typename":"Query"}}` {
			t.Errorf("%s: %d %q %s, want %q", accept, got.status, got.header.Get("Content-Type"), got.body, want)
		}
	}
	// The status of a refusal follows from the media type; well-formed requests are 200 for old clients.
	for accept, want := range map[string]int{"application/json": 200, "application/graphql-response+json": 400} {
		got := s.send(request{body: jsonOf("{ nothing }"), header: map[string]string{"Accept": accept}})
		if got.status != want || strings.Contains(got.body, `"data"`) {
			t.Errorf("%s: %d %s", accept, got.status, got.body)
		}
	}
}

func TestMethods(t *testing.T) {
	s := newStack(t, nil)
	query := "query=" + url.QueryEscape("query Q($a: Boolean!) { __typename @include(if: $a) }") + "&operationName=Q&variables=" + url.QueryEscape(`{"a":true}`)
	if got := s.send(request{method: "GET", query: query}); got.status != 200 || got.body != `{"data":{"__typename":"Query"}}` {
		t.Errorf("GET: %d %s", got.status, got.body)
	}
	if got := s.send(request{method: "HEAD", query: query}); got.status != 200 || got.body != "" || got.header.Get("Content-Length") != "31" {
		t.Errorf("HEAD: %d %v", got.status, got.header)
	}
	if got := s.send(request{method: "OPTIONS"}); got.status != 204 || got.header.Get("Allow") != "GET, HEAD, OPTIONS, POST" {
		t.Errorf("OPTIONS: %d %v", got.status, got.header)
	}
	mutation := request{method: "GET", query: "query=" + url.QueryEscape(`mutation { updateMe(input: {fullName: "x"}) { id } }`), as: &ada}
	if got := s.send(mutation); got.status != 405 || got.header.Get("Allow") != "POST" {
		t.Errorf("mutation by GET: %d %s", got.status, got.body)
	}
	if got := s.send(request{body: jsonOf("{ me { fullName } }"), as: &ada}); !strings.Contains(got.body, "Ada Lovelace") {
		t.Errorf("the mutation by GET was done: %s", got.body)
	}
	vary := s.send(request{body: jsonOf("{ me { fullName } }"), as: &ada}).header.Get("Vary")
	for _, name := range []string{"Accept", "Accept-Encoding", "Authorization", "Cookie", "Origin"} {
		if !strings.Contains(vary+",", name+",") {
			t.Errorf("Vary is %q, without %s", vary, name)
		}
	}
}

func TestCompression(t *testing.T) {
	s := newStack(t, nil, func(o *endpoint.Options) { o.Introspection = endpoint.IntrospectionOn })
	gzipped := map[string]string{"Accept-Encoding": "gzip"}
	small := s.send(request{body: jsonOf("{ __typename }"), header: gzipped})
	if small.header.Get("Content-Encoding") != "" {
		t.Error("a small answer is compressed")
	}
	const large = "{ __schema { types { name description fields { name description } } } }"
	got := s.send(request{body: jsonOf(large), header: gzipped})
	if got.header.Get("Content-Encoding") != "gzip" || got.header.Get("Etag") != "" {
		t.Fatalf("%d %v", got.status, got.header)
	}
	reader, err := gzip.NewReader(strings.NewReader(got.body))
	if err != nil {
		t.Fatal(err)
	}
	var response struct{ Data map[string]any }
	if err := json.NewDecoder(reader).Decode(&response); err != nil || response.Data["__schema"] == nil {
		t.Errorf("%v %v", err, response)
	}
	if plain := s.send(request{body: jsonOf(large), header: map[string]string{"Accept-Encoding": "identity"}}); plain.header.Get("Content-Encoding") != "" || len(plain.body) < 3*len(got.body) {
		t.Errorf("%v, %d bytes, compressed %d", plain.header, len(plain.body), len(got.body))
	}
}

func TestIntrospection(t *testing.T) {
	const ask, mistyped = "{ __schema { queryType { name } } }", "{ me { fulName } }"
	for _, test := range []struct {
		setting           endpoint.Introspection
		anonymous, signed bool
	}{
		{"", false, true},
		{endpoint.IntrospectionOff, false, false},
		{endpoint.IntrospectionAuthenticated, false, true},
		{endpoint.IntrospectionOn, true, true},
	} {
		s := newStack(t, nil, func(o *endpoint.Options) { o.Introspection = test.setting })
		for _, r := range []request{{}, {as: &ada}} {
			open := test.anonymous && r.as == nil || test.signed && r.as != nil
			// In both orders: what one caller may see must not be served to another from a cache.
			for range 2 {
				r.body = jsonOf(ask)
				if got := s.send(r); strings.Contains(got.body, `"Query"`) != open || (got.code() == endpoint.CodeIntrospectionDisabled) == open {
					t.Errorf("%s: %s", test.setting, got.body)
				}
				r.body = jsonOf(mistyped)
				if got := s.send(r); strings.Contains(got.body, `Did you mean`) != open || got.code() != endpoint.CodeValidationFailed {
					t.Errorf("%s: %s", test.setting, got.body)
				}
			}
			r.body = jsonOf("{ me { __typename } __typename }")
			if got := s.send(r); got.status != 200 {
				t.Errorf("%s: __typename is refused: %s", test.setting, got.body)
			}
		}
	}
}

// With suggestions off, no mistake is answered with a name that was not in it.
func TestSuggestionsLeakNothing(t *testing.T) {
	s := newStack(t, nil)
	for _, mistake := range []string{
		"{ mee { id } }", "{ me { fulName } }", "mutation { updateMe(inputt: {}) { id } }", "mutation { updateMe(input: {fulName: 1}) { id } }",
		"{ ... on Usr { id } }", "fragment a on Usr { id } { me { ...a } }", "query($a: UpdatMeInput) { me { id } }", "{ me @includ(if: true) { id } }",
	} {
		if got := s.send(request{body: jsonOf(mistake)}); strings.Contains(got.body, "mean") || got.code() != endpoint.CodeValidationFailed {
			t.Errorf("%s: %s", mistake, got.body)
		}
	}
}

func TestBatches(t *testing.T) {
	limits := endpoint.DefaultLimits()
	limits.SignedIn.Batch = 3
	s := newStack(t, nil, func(o *endpoint.Options) { o.Limits = &limits })
	batch := func(bodies ...string) request {
		return request{body: "[" + strings.Join(bodies, ",") + "]", as: &ada}
	}
	got := s.send(batch(jsonOf("{ me { fullName } }"), jsonOf("{ nothing }"), jsonOf("{ __typename }")))
	if got.status != 200 || !strings.HasPrefix(got.body, `[{"data":{"me":{"fullName":"Ada Lovelace"}}},{"errors":[`) || !strings.HasSuffix(got.body, `]},{"data":{"__typename":"Query"}}]`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	one := jsonOf("{ __typename }")
	for body, code := range map[string]string{
		"[" + strings.Repeat(one+",", 3) + one + "]": endpoint.CodeBatchLimit,
		"[]":              endpoint.CodeBadRequest,
		"[" + one:         endpoint.CodeBadRequest,
		"[" + one + "]x":  endpoint.CodeBadRequest,
		"[[" + one + "]]": endpoint.CodeBadRequest,
		"[" + one + ",]":  endpoint.CodeBadRequest,
	} {
		if got := s.send(request{body: body, as: &ada}); got.status != 400 || got.code() != code {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	if got := s.send(request{body: "[" + one + "]"}); got.code() != endpoint.CodeBatchLimit {
		t.Errorf("anonymous: %s", got.body)
	}
}

// hashed is the hash form of automatic persisted queries.
func hashed(document string, withText bool) string {
	sum := sha256.Sum256([]byte(document))
	body := map[string]any{"extensions": map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": hex.EncodeToString(sum[:])}}}
	if withText {
		body["query"] = document
	}
	text, _ := json.Marshal(body)
	return string(text)
}

func TestAutomaticPersistedQueries(t *testing.T) {
	s := newStack(t, nil)
	const document = "query WhoAmI { me { fullName } }"
	for _, step := range []struct{ body, want string }{
		{hashed(document, false), endpoint.CodeDocumentNotFound},
		{hashed(document, true), "Ada Lovelace"},
		{hashed(document, false), "Ada Lovelace"},
		{hashed("{ nothing }", true), endpoint.CodeValidationFailed},
		{hashed("{ nothing }", false), endpoint.CodeDocumentNotFound},
	} {
		if got := s.send(request{body: step.body, as: &ada}); !strings.Contains(got.body, step.want) {
			t.Errorf("%s: %s, want %s", step.body, got.body, step.want)
		}
	}
	// By GET, as a CDN would like it, and for other callers.
	query := "extensions=" + url.QueryEscape(hashed(document, false)[len(`{"extensions":`):len(hashed(document, false))-1])
	if got := s.send(request{method: "GET", query: query, as: &bob}); !strings.Contains(got.body, "Bob Kahn") {
		t.Errorf("by GET: %s", got.body)
	}
	// What a signed-in caller may register is still too much for somebody else.
	deep := "{ me {" + numbered(20, "a%d: id ") + "} }"
	s.send(request{body: hashed(deep, true), as: &ada})
	if got := s.send(request{body: hashed(deep, false)}); got.code() != endpoint.CodeAliasLimit {
		t.Errorf("anonymous: %s", got.body)
	}
}

func TestTrustedDocuments(t *testing.T) {
	const known = "query Known { me { fullName } }"
	large := "query Large { me {" + numbered(200, "a%d: id ") + "} }"
	documents := map[string]string{"known": known, "large": large}
	sum := sha256.Sum256([]byte(known))
	documents[hex.EncodeToString(sum[:])] = known
	byID := func(id string) request { return request{body: `{"documentId":"` + id + `"}`, as: &ada} }
	for trust, wants := range map[endpoint.Trust]map[string]request{
		endpoint.TrustOff: {
			endpoint.CodeDocumentNotFound: byID("known"),
			"Ada Lovelace":                {body: jsonOf(known), as: &ada},
		},
		endpoint.TrustPrefer: {
			"Ada Lovelace":                byID("known"),
			`"a199"`:                      byID("large"),
			endpoint.CodeDocumentNotFound: byID("unknown"),
			endpoint.CodeAliasLimit:       {body: jsonOf(large), as: &ada},
			`"__typename":"Query"`:        {body: jsonOf("{ __typename }"), as: &ada},
		},
		endpoint.TrustRequire: {
			"Ada Lovelace":                byID("known"),
			`"fullName":"Ada `:            byID("sha256:" + hex.EncodeToString(sum[:])),
			`"me":{"fullName":"Ada `:      {body: hashed(known, false), as: &ada},
			`{"data":{"me":`:              {method: "GET", query: "documentId=known", as: &ada},
			`"a199"`:                      byID("large"),
			endpoint.CodeDocumentNotFound: byID("unknown"),
			`"PersistedQueryNotFound"`:    {body: hashed("{ __typename }", true), as: &ada},
			endpoint.CodeDocumentRequired: {body: jsonOf(known), as: &ada},
			endpoint.CodeBadRequest:       {body: `{"documentId":7}`, as: &ada},
		},
	} {
		s := newStack(t, nil, func(o *endpoint.Options) { o.Trust, o.TrustedDocuments = trust, documents })
		for want, r := range wants {
			if got := s.send(r); !strings.Contains(got.body, want) {
				t.Errorf("%s: %s %s: %s, want %s", trust, r.body, r.query, got.body, want)
			}
		}
	}
}

func TestTrustedDocumentsMustFit(t *testing.T) {
	for want, documents := range map[string]map[string]string{
		"OldName":                   {"1": "query OldName { me { name } }", "2": "query Good { me { id } }"},
		"3":                         {"3": "{ me { name } }"},
		"Half":                      {"4": "query Half { me {"},
		"TrustedDocuments is empty": {},
		"themselves":                {"5": "query Circle { me { ...a } } fragment a on User { ...a }"},
	} {
		_, err := endpoint.NewHandler(optionsFor(t, func(o *endpoint.Options) { o.Trust, o.TrustedDocuments = endpoint.TrustRequire, documents }))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Good") {
			t.Errorf("%v: %v, want %s", documents, err, want)
		}
	}
}

// What a mutation has changed is what a later field of the same mutation reads.
func TestMutationsReadWhatTheyWrote(t *testing.T) {
	s := newStack(t, nil)
	got := s.send(request{as: &ada, body: jsonOf(`mutation {
		before: updateMe(input: {}) { fullName }
		write: updateMe(input: {fullName: "Ada King"}) { fullName }
		after: updateMe(input: {}) { fullName }
	}`)})
	if got.body != `{"data":{"before":{"fullName":"Ada Lovelace"},"write":{"fullName":"Ada King"},"after":{"fullName":"Ada King"}}}` {
		t.Error(got.body)
	}
}
