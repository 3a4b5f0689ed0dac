package endpoint_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"usergraph/endpoint"
)

// What stands in a JSON string, or in the percent-encoding of a URL, and is no text in Unicode.
var (
	badBytes = map[string]string{
		"a lone byte": "\xff", "a cut character": "\xe2\x82", "overlong": "\xc0\xaf", "a surrogate in UTF-8": "\xed\xa0\x80",
		"beyond U+10FFFF": "\xf4\x90\x80\x80", "Latin-1": "caf\xe9",
	}
	badEscapes = map[string]string{
		"a high surrogate": `\ud800`, "a low surrogate": `\udc00`, "in the wrong order": `\udc00\ud800`, "two high ones": `\uD83D\uD83D`,
		"half and a letter": `\ud83dx`, "half and another escape": `\uDBFF\n`, "a pair and half": `\ud83d\ude00\ude00`,
	}
	goodTexts = []string{"é", "😀", `\ud83d\ude00`, `\uD83D\uDE00`, "�", `\ufffd`, `\uffff`, `\\ud800`}
)

// carriers are the places of a request where a text may stand, as a format of it.
var carriers = []string{
	`{"query":"{ __typename } # %s"}`,
	`{"query":"{ __typename }","operationName":null,"%s":1}`,
	`{"query":"{ __typename }","unread":"%s"}`,
	`{"query":"{ __typename }","unread":{"a":["%s"]}}`,
	`{"query":"{ __typename }","variables":{"a":"%s"}}`,
	`{"query":"{ __typename }","variables":{"%s":1}}`,
	`{"query":"{ __typename }","variables":{"a":[{"%s":1}]}}`,
	`{"query":"{ __typename }","extensions":{"a":"%s"}}`,
	`{"query":"{ __typename }","extensions":{"%s":1}}`,
}

// Of these only what is wrong with the text is tested: they are refused in any case.
var refusedCarriers = []string{
	`{"query":"{ __typename }","operationName":"%s"}`,
	`{"documentId":"%s"}`,
	`{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"%s"}}}`,
}

func allBad() map[string]string {
	all := map[string]string{}
	for name, text := range badBytes {
		all[name] = text
	}
	for name, text := range badEscapes {
		all[name] = text
	}
	return all
}

// A text that is not valid Unicode is refused with the same code wherever it stands in a request, and never mended.
func TestTextsOfRequestsAreUnicode(t *testing.T) {
	limits := endpoint.DefaultLimits()
	limits.Anonymous.Batch = 2
	s := newStack(t, nil, func(o *endpoint.Options) { o.Limits = &limits })
	posts := map[string]func(body string) request{
		"POST":  func(body string) request { return request{body: body} },
		"batch": func(body string) request { return request{body: "[" + body + "]"} },
		"event stream": func(body string) request {
			return request{body: body, header: map[string]string{"Accept": "text/event-stream"}}
		},
	}
	for _, carrier := range append(carriers, refusedCarriers...) {
		for how, post := range posts {
			for name, bad := range allBad() {
				body := fmt.Sprintf(carrier, bad)
				if got := s.send(post(body)); !strings.Contains(got.body, `"code":"BAD_REQUEST"`) || strings.Contains(got.body, `"data":{`) || !strings.Contains(got.body, "UTF-8") {
					t.Errorf("%s, %s: %q: %s", how, name, body, got.body)
				}
			}
		}
	}
	for _, carrier := range carriers {
		for _, good := range goodTexts {
			if body := fmt.Sprintf(carrier, good); !strings.Contains(s.send(posts["POST"](body)).body, `"data":{`) {
				t.Errorf("%q is refused", body)
			}
		}
	}
}

func TestTextsOfQueryStringsAreUnicode(t *testing.T) {
	s := newStack(t, nil)
	escaped := strings.NewReplacer("%25s", "%s").Replace
	query := escaped("query=" + url.QueryEscape("{ __typename }"))
	for _, carrier := range []string{
		"query=" + url.QueryEscape("{ __typename } #") + "%s", query + "&operationName=%s", "documentId=%s", query + "&unread=%s", query + "&%s=1",
		query + "&variables=" + url.QueryEscape(`{"a":"`) + "%s" + url.QueryEscape(`"}`), query + "&variables=" + url.QueryEscape(`{"`) + "%s" + url.QueryEscape(`":1}`),
		query + "&extensions=" + url.QueryEscape(`{"a":"`) + "%s" + url.QueryEscape(`"}`),
	} {
		parts := strings.Split(carrier, "%s")
		if len(parts) != 2 {
			t.Fatal(carrier)
		}
		texts := badBytes
		if strings.Contains(carrier, "variables=") || strings.Contains(carrier, "extensions=") {
			texts = allBad()
		}
		for name, bad := range texts {
			got := s.send(request{method: http.MethodGet, query: parts[0] + url.QueryEscape(bad) + parts[1]})
			if got.status != 400 || got.code() != endpoint.CodeBadRequest || !strings.Contains(got.body, "UTF-8") {
				t.Errorf("%s: %s: %d %s", carrier, name, got.status, got.body)
			}
		}
	}
}

func TestTextsOnWebsocketsAreUnicode(t *testing.T) {
	s := newLiveServer(t)
	const init = `{"type":"connection_init"}`
	for _, carrier := range []string{
		`{"type":"connection_init","payload":{"authorization":"%s"}}`, `{"type":"connection_init","payload":{"%s":1}}`, `{"type":"ping","payload":{"a":"%s"}}`,
		`{"type":"%s"}`, `{"type":"ping","%s":1}`,
		`{"type":"subscribe","id":"%s","payload":{"query":"{ __typename }"}}`, `{"type":"complete","id":"%s"}`,
		`{"type":"subscribe","id":"1","payload":{"query":"{ __typename } # %s"}}`, `{"type":"subscribe","id":"1","payload":{"query":"{ __typename }","variables":{"%s":1}}}`,
	} {
		for name, bad := range allBad() {
			c := s.dial(nil)
			if !strings.Contains(carrier, "connection_init") {
				c.send(init)
				c.expect(`{"type":"connection_ack"}`)
			}
			c.send(fmt.Sprintf(carrier, bad))
			want := 1007 // RFC 6455, section 8.1
			if badEscapes[name] != "" {
				want = 4400
			}
			if code, reason := c.closed(); code != want {
				t.Errorf("%s: %s: closed with %d %s", carrier, name, code, reason)
			}
		}
	}
}

// Escapes in the texts of a document mean characters too (GraphQL, section 2.9.4). Comments and block texts have none.
func TestTextsOfDocumentsAreUnicode(t *testing.T) {
	s := newStack(t, nil)
	send := func(literal string) answer {
		return s.send(request{body: jsonOf("mutation { updateMe(input: {fullName: " + literal + "}) { fullName } }"), as: &ada})
	}
	for name, bad := range badEscapes {
		for _, literal := range []string{`"` + bad + `"`, `"é \\` + bad + `"`, `"\"` + bad + `"`, "\"a\" # \\\"\n _x: \"" + bad + `"`, `"""x""" _x: "` + bad + `"`} {
			if got := send(literal); got.status != 400 || got.code() != endpoint.CodeParseFailed || !strings.Contains(got.body, "surrogate") {
				t.Errorf("%s: %s: %d %s", name, literal, got.status, got.body)
			}
		}
		// A description is a text as well.
		if got := s.send(request{body: jsonOf(`"` + bad + `" query Q { __typename }`)}); got.code() != endpoint.CodeParseFailed {
			t.Errorf("%s in a description: %s", name, got.body)
		}
	}
	for literal, want := range map[string]string{
		`"\ud83d\ude00"`: "😀", `"\u{1F600}"`: "😀", `"é😀"`: "é😀", `"\\ud800"`: `\ud800`, `"""\ud800"""`: `\ud800`, `"""a " \""" \udc00 """`: `a " """ \udc00 `,
		`"\ufffd"`: "�", "\"a\" # \"\\ud800": "a", `"\uD7FF\uE000"`: "\ud7ff\ue000",
	} {
		var answer struct {
			Data struct{ UpdateMe struct{ FullName string } }
		}
		got := send(literal + "\n")
		if err := json.Unmarshal([]byte(got.body), &answer); err != nil || answer.Data.UpdateMe.FullName != want {
			t.Errorf("%s: %s, want %q", literal, got.body, want)
		}
	}
	for _, bad := range []string{`"\u{D800}"`, `"\u{DFFF}"`, `"\u{110000}"`} {
		if got := send(bad); got.code() != endpoint.CodeParseFailed {
			t.Errorf("%s: %s", bad, got.body)
		}
	}
}

// A document that the server is given is refused like that of a client.
func TestTrustedDocumentsAreUnicode(t *testing.T) {
	options := optionsFor(t)
	for _, bad := range []string{"{ __typename } # \xff", `query Q($a: String = "\ud800") { __typename }`} {
		options.Trust, options.TrustedDocuments = endpoint.TrustPrefer, map[string]string{"a": bad}
		if _, err := endpoint.NewHandler(options); err == nil || !strings.Contains(err.Error(), "Unicode") && !strings.Contains(err.Error(), "surrogate") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
