package playground

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// get requests a path from a server with this configuration. It decompresses nothing.
func get(t *testing.T, cfg Config, method, path string, header ...string) *http.Response {
	t.Helper()
	server := httptest.NewServer(Handler(cfg))
	t.Cleanup(server.Close)
	request, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func body(t *testing.T, response *http.Response) string {
	t.Helper()
	var reader io.Reader = response.Body
	if response.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if reader, err = gzip.NewReader(response.Body); err != nil {
			t.Fatal(err)
		}
	}
	content, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// script returns the path of the page's own script.
func script(t *testing.T) string {
	t.Helper()
	page := body(t, get(t, Config{}, "GET", "/"))
	match := regexp.MustCompile(`src="\.(/playground/index-[^"]+\.js)"`).FindStringSubmatch(page)
	if match == nil {
		t.Fatalf("the page has no script with a relative path:\n%s", page)
	}
	return match[1]
}

func TestHandlerPaths(t *testing.T) {
	page := "text/html; charset=utf-8"
	tests := []struct {
		name, method, path string
		status             int
		contentType, cache string
	}{
		{"page at the root", "GET", "/", 200, page, "no-cache"},
		{"page", "GET", "/playground", 200, page, "no-cache"},
		{"only the headers", "HEAD", "/playground", 200, page, "no-cache"},
		{"configuration", "GET", "/playground/config.json", 200, "application/json", "no-cache"},
		{"script", "GET", script(t), 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		{"licences", "GET", "/playground/licenses.md", 200, "text/plain; charset=utf-8", "no-cache"},
		{"slash too many", "GET", "/playground/", 308, "", ""},
		{"no such file", "GET", "/playground/none.js", 404, "text/plain; charset=utf-8", ""},
		{"no such page", "GET", "/none", 404, "text/plain; charset=utf-8", ""},
		{"folder that embeds", "GET", "/dist/index.html.gz", 404, "text/plain; charset=utf-8", ""},
		{"nothing to post", "POST", "/playground", 405, "text/plain; charset=utf-8", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			response := get(t, Config{}, test.method, test.path)
			if response.StatusCode != test.status {
				t.Errorf("status %d, want %d", response.StatusCode, test.status)
			}
			if got := response.Header.Get("Content-Type"); got != test.contentType {
				t.Errorf("Content-Type %q, want %q", got, test.contentType)
			}
			if got := response.Header.Get("Cache-Control"); got != test.cache {
				t.Errorf("Cache-Control %q, want %q", got, test.cache)
			}
			if got := response.Header.Get("X-Content-Type-Options"); got != "nosniff" {
				t.Errorf("X-Content-Type-Options %q", got)
			}
			if content := body(t, response); (test.method == "HEAD") != (content == "") && test.status == 200 {
				t.Errorf("a body of %d bytes", len(content))
			}
		})
	}
}

func TestEveryFileHasAType(t *testing.T) {
	for _, f := range embedded() {
		recorder := httptest.NewRecorder()
		f.handler(cacheNever).ServeHTTP(recorder, httptest.NewRequest("GET", "/", nil))
		if recorder.Header().Get("Content-Type") == "" || recorder.Body.Len() == 0 {
			t.Errorf("%s: Content-Type %q, %d bytes", f.name, recorder.Header().Get("Content-Type"), recorder.Body.Len())
		}
	}
}

func TestCompression(t *testing.T) {
	path := script(t)
	plain := get(t, Config{}, "GET", path)
	content := body(t, plain)
	if int64(len(content)) != plain.ContentLength || plain.Header.Get("Content-Encoding") != "" {
		t.Errorf("%d bytes, announced %d, as %q", len(content), plain.ContentLength, plain.Header.Get("Content-Encoding"))
	}
	for accept, compressed := range map[string]bool{
		"gzip, deflate, br, zstd": true,
		"br;q=1.0, GZIP;q=0.8":    true,
		"gzip;q=0, br":            false,
		"br":                      false,
		"identity":                false,
	} {
		t.Run(accept, func(t *testing.T) {
			response := get(t, Config{}, "GET", path, "Accept-Encoding", accept)
			if got := response.Header.Get("Content-Encoding") == "gzip"; got != compressed {
				t.Errorf("compressed: %t, want %t", got, compressed)
			}
			if response.ContentLength < 1 || (response.ContentLength < plain.ContentLength) != compressed {
				t.Errorf("Content-Length %d", response.ContentLength)
			}
			if response.Header.Get("Vary") != "Accept-Encoding" {
				t.Error("no Vary: a cache would mix the two up")
			}
			if (response.Header.Get("ETag") == plain.Header.Get("ETag")) == compressed {
				t.Error("one ETag for two encodings")
			}
			if body(t, response) != content {
				t.Error("another content than without compression")
			}
		})
	}
}

func TestUnchangedPageIsNotSentAgain(t *testing.T) {
	tag := get(t, Config{}, "GET", "/").Header.Get("ETag")
	response := get(t, Config{}, "GET", "/", "If-None-Match", tag)
	if response.StatusCode != http.StatusNotModified {
		t.Errorf("status %d", response.StatusCode)
	}
	if other := get(t, Config{Title: "Other"}, "GET", "/playground/config.json", "If-None-Match", tag); other.StatusCode != 200 {
		t.Errorf("another configuration: status %d", other.StatusCode)
	}
}

func TestHeaders(t *testing.T) {
	header := get(t, Config{}, "GET", "/").Header
	for name, want := range map[string]string{
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; " +
			"img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	cfg := Config{
		Endpoint:      "/graphql",
		Headers:       map[string]string{"apikey": "sb_publishable_1"},
		Operations:    []Operation{{"Who am I?", "Me", "query", "A line", "query Me { me { id } }", "{}", &Tool{ReadOnly: true}}},
		Identities:    []Identity{{"ada", "Ada"}},
		TokenEndpoint: "/dev/token",
	}
	const want = `{"title":"usergraph playground","endpoint":"/graphql","subscriptionEndpoint":"/graphql",` +
		`"headers":{"apikey":"sb_publishable_1"},` +
		`"operations":[{"title":"Who am I?","name":"Me","kind":"query","description":"A line","query":"query Me { me { id } }","variables":"{}",` +
		`"tool":{"readOnly":true,"destructive":false,"idempotent":false}}],` +
		`"identities":[{"name":"ada","label":"Ada"}],"tokenEndpoint":"/dev/token","supabaseURL":"","publishableKey":""}`
	if got := body(t, get(t, cfg, "GET", "/playground/config.json")); got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
	const empty = `{"title":"API","endpoint":"graphql","subscriptionEndpoint":"ws","operations":[],"identities":[],` +
		`"tokenEndpoint":"","supabaseURL":"","publishableKey":""}`
	cfg = Config{Title: "API", Endpoint: "graphql", SubscriptionEndpoint: "ws"}
	if got := body(t, get(t, cfg, "GET", "/playground/config.json")); got != empty {
		t.Errorf("\n%s\nwant\n%s", got, empty)
	}
}

func TestSupabase(t *testing.T) {
	jwt := func(payload string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
	}
	const project = "https://ref.supabase.co"
	tests := []struct {
		name, url, key string
		origin         string // "" if sign-in is not offered
	}{
		{"publishable key", project, "sb_publishable_1", project},
		{"slash at the end", project + "/", "sb_publishable_1", project},
		{"local stack", "http://127.0.0.1:54321", "sb_publishable_1", "http://127.0.0.1:54321"},
		{"legacy anon key", project, jwt(`{"role":"anon"}`), project},
		{"no key", project, "", ""},
		{"secret key", project, "sb_secret_1", ""},
		{"service_role key", project, jwt(`{"role":"service_role"}`), ""},
		{"key that is no JSON", project, jwt(`role`), ""},
		{"key that is no base64", project, "a.*.c", ""},
		{"no URL", "", "sb_publishable_1", ""},
		{"no web address", "postgres://ref.supabase.co", "sb_publishable_1", ""},
		{"another directive", "https://a;script-src", "sb_publishable_1", ""},
		{"another policy", "https://a,b", "sb_publishable_1", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg := Config{SupabaseURL: test.url, PublishableKey: test.key}
			response := get(t, cfg, "GET", "/playground/config.json")
			var told Config
			if err := json.Unmarshal([]byte(body(t, response)), &told); err != nil {
				t.Fatal(err)
			}
			if told.SupabaseURL != test.origin || (told.PublishableKey != "") != (test.origin != "") {
				t.Errorf("the page is told %q, %q", told.SupabaseURL, told.PublishableKey)
			}
			want := strings.TrimSpace("connect-src 'self' "+test.origin) + ";"
			if got := response.Header.Get("Content-Security-Policy"); !strings.Contains(got, want) {
				t.Errorf("%q does not contain %q", got, want)
			}
		})
	}
}

func TestRedirectStaysBehindAPrefix(t *testing.T) {
	response := get(t, Config{}, "GET", "/playground/")
	if got := response.Header.Get("Location"); got != "../playground" {
		t.Errorf("Location %q", got)
	}
}
