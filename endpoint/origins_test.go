package endpoint_test

import (
	"net/http"
	"strings"
	"testing"

	"usergraph/endpoint"
)

func TestOrigins(t *testing.T) {
	origins, err := endpoint.ParseOrigins([]string{"https://app.example.com", "https://app-*-team.vercel.app", "https://*.preview.example.com:8443", "http://localhost:*", "http://127.0.0.1:3000"})
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{
		"https://app.example.com":              true,
		"https://app-git-main-team.vercel.app": true,
		"https://a.preview.example.com:8443":   true,
		"http://localhost:3000":                true,
		"http://127.0.0.1:3000":                true,
		"":                                     false,
		"null":                                 false,
		"*":                                    false,
		"http://app.example.com":               false,
		"https://app.example.com:444":          false,
		"https://app.example.com.evil.test":    false,
		"https://app.example.com@evil.test":    false,
		"https://evil.test/https://app.example.com": false,
		"https://xapp.example.com":                  false,
		"https://appxexample.com":                   false,
		"https://APP.example.com":                   false,
		"https://app--team.vercel.app":              false,
		"https://app-a.evil-team.vercel.app":        false,
		"https://app-evil.test/-team.vercel.app":    false,
		"https://app-x-team.vercel.app.evil.test":   false,
		"https://evil.test#app-x-team.vercel.app":   false,
		"https://app-x-team.vercel.app\n.evil.test": false,
		"https://a.b.preview.example.com:8443":      false,
		"https://preview.example.com:8443":          false,
		"https://a.preview.example.com":             false,
		"http://localhost":                          false,
		"http://localhost:3000.evil.test":           false,
		"http://127.0.0.1:3001":                     false,
		"http://evil.test:3000":                     false,
	} {
		if got := origins.Contains(origin); got != want {
			t.Errorf("%q: %t", origin, got)
		}
	}
	var none *endpoint.Origins
	if none.Contains("https://app.example.com") {
		t.Error("no origins contain one")
	}
}

func TestOriginsThatAllowTooMuch(t *testing.T) {
	for _, text := range []string{
		"*", "null", "https://*", "https://*.com", "https://*.vercel.*", "https://example.*", "https://app.*.com", "app.example.com", "https://app.example.com/",
		"https://app.example.com/path", "https://user@app.example.com", "http://app.example.com", "ftp://app.example.com", "https://App.example.com",
		"https://app.example.com:*", "https://app.example.com:443", "https://", "https://app.example.com?x", "https://app.example.com#x", "javascript:alert(1)",
	} {
		if _, err := endpoint.ParseOrigins([]string{text}); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestCORS(t *testing.T) {
	s := newStack(t, []string{"https://app.example.com"})
	preflight := func(origin string) answer {
		return s.send(request{method: http.MethodOptions, header: map[string]string{
			"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type",
		}})
	}
	got := preflight("https://app.example.com")
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "https://app.example.com", "Access-Control-Allow-Credentials": "true", "Access-Control-Allow-Methods": "POST",
		"Access-Control-Allow-Headers": "authorization,content-type", "Access-Control-Max-Age": "7200",
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.header.Get(name), want)
		}
	}
	for _, origin := range []string{"https://evil.test", "null", "https://app.example.com.evil.test", "http://app.example.com"} {
		if got := preflight(origin); got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s may: %v", origin, got.header)
		}
	}
	// The answers, refusals of tokens included, can be read by pages of the site.
	for name, r := range map[string]request{
		"an answer":   {body: jsonOf("{ __typename }"), header: map[string]string{}},
		"bad token":   {body: jsonOf("{ __typename }"), header: map[string]string{"Authorization": "Bearer x.y.z"}},
		"bad request": {body: "x", header: map[string]string{}},
	} {
		r.header["Origin"] = "https://app.example.com"
		got := s.send(r)
		if got.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" || !strings.Contains(got.header.Get("Access-Control-Expose-Headers"), "X-Request-Id") {
			t.Errorf("%s: %v", name, got.header)
		}
		r.header["Origin"] = "https://evil.test"
		if got := s.send(r); got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s for another site: %v", name, got.header)
		}
	}
}

// GET is the one request that a page of another site could send without asking, with the user's cookies.
func TestForgedRequests(t *testing.T) {
	s := newStack(t, []string{"https://app.example.com"})
	own := s.url
	for name, test := range map[string]struct {
		header map[string]string
		want   int
	}{
		"a program":                         {nil, 200},
		"a program that knows the header":   {map[string]string{"Apollo-Require-Preflight": "true", "Cookie": "a=b"}, 200},
		"Apollo Client":                     {map[string]string{"X-Apollo-Operation-Name": "Q", "Sec-Fetch-Site": "cross-site"}, 200},
		"JSON":                              {map[string]string{"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}, 200},
		"typed into the address bar":        {map[string]string{"Sec-Fetch-Site": "none", "Cookie": "a=b"}, 200},
		"a page of the server":              {map[string]string{"Sec-Fetch-Site": "same-origin", "Cookie": "a=b"}, 200},
		"a page of the server, by fetch":    {map[string]string{"Origin": own, "Sec-Fetch-Site": "same-origin"}, 200},
		"a listed site":                     {map[string]string{"Origin": "https://app.example.com", "Sec-Fetch-Site": "cross-site"}, 200},
		"another site's image":              {map[string]string{"Sec-Fetch-Site": "cross-site", "Cookie": "a=b"}, 403},
		"another site's link":               {map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403},
		"a neighbour's image":               {map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		"another site's fetch":              {map[string]string{"Origin": "https://evil.test"}, 403},
		"another site's fetch, as JSON":     {map[string]string{"Origin": "https://evil.test", "Content-Type": "application/json"}, 403},
		"a sandboxed frame":                 {map[string]string{"Origin": "null"}, 403},
		"an old browser with a cookie":      {map[string]string{"Cookie": "a=b"}, 403},
		"an old browser with a referrer":    {map[string]string{"Referer": "https://evil.test/"}, 403},
		"plain text as if it were a form":   {map[string]string{"Content-Type": "text/plain", "Sec-Fetch-Site": "cross-site"}, 403},
		"a referrer that looks like ours":   {map[string]string{"Referer": "https://evil.test/" + own}, 403},
		"a header that is there and empty":  {map[string]string{"Apollo-Require-Preflight": " ", "Sec-Fetch-Site": "cross-site"}, 403},
		"an unknown word in Sec-Fetch-Site": {map[string]string{"Sec-Fetch-Site": "no-site"}, 403},
	} {
		got := s.send(request{method: http.MethodGet, query: "query={__typename}", header: test.header})
		if got.status != test.want || test.want == 403 && got.code() != endpoint.CodeCrossSite {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}
