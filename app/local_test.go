package app

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"usergraph/internal/pgtest"
)

// askAs sends a request with these headers to a real socket.
func askAs(t *testing.T, method, address, path, host string, headers ...string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

const (
	site   = "Sec-Fetch-Site"
	origin = "Origin"
)

// A page in the browser of an operator cannot use the listener of ADMIN_ADDR.
func TestAdminIsNotForPages(t *testing.T) {
	const ok, wrongHost, crossSite = 200, 421, 403
	for _, test := range []struct {
		host    string
		headers []string
		// On a loopback address, and on an address of a cluster.
		loopback, cluster int
	}{
		{"127.0.0.1:9090", nil, ok, ok},
		{"127.0.0.1", nil, ok, ok},
		{"[::1]:9090", nil, ok, ok},
		{"[::1]", nil, ok, ok},
		{"10.1.2.3:9090", nil, ok, ok}, // a forwarded port
		{"localhost:9090", nil, ok, ok},
		{"LocalHost", nil, ok, ok},
		{"attacker.example:9090", nil, wrongHost, ok},
		{"usergraph.monitoring.svc:9090", nil, wrongHost, ok},
		{"localhost.attacker.example", nil, wrongHost, ok},
		{"127.0.0.1.attacker.example", nil, wrongHost, ok},
		{"localhost@attacker.example", nil, wrongHost, ok},
		{"attacker.example", []string{site, "same-origin", origin, "http://attacker.example"}, wrongHost, ok},
		{"127.0.0.1:9090", []string{site, "none"}, ok, ok},
		{"127.0.0.1:9090", []string{site, "same-origin", origin, "http://127.0.0.1:9090"}, ok, ok},
		{"127.0.0.1:9090", []string{origin, "http://127.0.0.1:9090"}, ok, ok},
		{"127.0.0.1:9090", []string{site, "cross-site"}, crossSite, crossSite}, // a picture, a link
		{"127.0.0.1:9090", []string{site, "same-site"}, crossSite, crossSite},
		{"127.0.0.1:9090", []string{site, "unheard-of"}, crossSite, crossSite},
		{"127.0.0.1:9090", []string{site, "cross-site", origin, "http://127.0.0.1:9090"}, crossSite, crossSite},
		{"127.0.0.1:9090", []string{origin, "https://attacker.example"}, crossSite, crossSite},
		{"127.0.0.1:9090", []string{origin, "http://127.0.0.1:3000"}, crossSite, crossSite},
		{"127.0.0.1:9090", []string{origin, "http://localhost:9090"}, crossSite, crossSite},
		{"127.0.0.1:9090", []string{origin, "null"}, crossSite, crossSite},
		{"127.0.0.1:9090", []string{origin, "http://[::1"}, crossSite, crossSite},
		{"10.1.2.3:9090", []string{origin, "https://attacker.example"}, crossSite, crossSite},
	} {
		for address, want := range map[string]int{"127.0.0.1:9090": test.loopback, "[::1]:9090": test.loopback, "10.1.2.3:9090": test.cluster, "[::]:9090": test.cluster} {
			tcp, err := net.ResolveTCPAddr("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
				request := httptest.NewRequest(method, "/purge", nil)
				request.Host = test.host
				for i := 0; i < len(test.headers); i += 2 {
					request.Header.Set(test.headers[i], test.headers[i+1])
				}
				answer := httptest.NewRecorder()
				guardAdmin(tcp, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(answer, request)
				if answer.Code != want {
					t.Errorf("%s at %s with Host %s, %q: %d, want %d", method, address, test.host, test.headers, answer.Code, want)
				}
			}
		}
	}
}

// The guard protects the real listener, and accepts clients without a Host, which are not browsers.
func TestAdminListenerIsGuarded(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	stop, err := serveAdmin(t.Context(), address, slog.New(slog.DiscardHandler), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if status := askAs(t, http.MethodPost, address, "/purge", "attacker.example"); status != 421 {
		t.Error(status)
	}
	if status := askAs(t, http.MethodGet, address, "/metrics", address, site, "cross-site"); status != 403 {
		t.Error(status)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /livez HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.0 200") {
		t.Errorf("%s %v", answer, err)
	}
}

// `usergraph dev` serves this machine, and pages of this machine such as a Next.js development server's.
func TestDevIsForThisMachine(t *testing.T) {
	url, _ := devServer(t, "--data", pgtest.Dir(t))
	address := strings.TrimPrefix(url, "http://")
	const json, nextjs, attacker = "application/json", "http://localhost:3000", "https://attacker.example"
	const type_ = "Content-Type"
	for _, test := range []struct {
		method, path, host string
		headers            []string
		want               int
	}{
		{"GET", "/", address, nil, 200},
		{"GET", "/", "localhost:8080", []string{site, "cross-site"}, 200}, // a link to the playground
		{"GET", "/", "attacker.example", nil, 421},
		{"GET", "/playground/config.json", "attacker.example", []string{site, "same-origin"}, 421},
		{"GET", "/readyz", "attacker.example", nil, 421},
		{"POST", "/graphql", "attacker.example", []string{type_, json, site, "same-origin", origin, "http://attacker.example"}, 421},
		{"POST", "/graphql", "192.168.0.1:8080", []string{type_, json}, 421},
		{"POST", "/graphql", address, []string{type_, json}, 400}, // {} is not an operation, but it is parsed
		{"POST", "/graphql", "[::1]:8080", []string{type_, json}, 400},
		{"POST", "/graphql", address, []string{type_, json, site, "same-site", origin, nextjs}, 400},
		{"POST", "/graphql", address, []string{type_, json, site, "cross-site", origin, "http://127.0.0.1:3000"}, 400},
		{"OPTIONS", "/graphql", address, []string{origin, nextjs, "Access-Control-Request-Method", "POST"}, 204},
		{"GET", "/graphql?query={__typename}", address, []string{site, "cross-site"}, 403},
		{"GET", "/graphql?query={__typename}", address, []string{site, "cross-site", origin, attacker}, 403},
		{"POST", "/dev/token", address, []string{type_, json}, 200}, // {} is for the first user
		{"POST", "/dev/token", address, []string{type_, json, site, "same-origin", origin, url}, 200},
		{"POST", "/dev/token", address, []string{type_, json, site, "same-site", origin, nextjs}, 403},
		{"POST", "/dev/token", address, []string{type_, json, origin, attacker}, 403},
		{"POST", "/dev/token", "attacker.example", []string{type_, json}, 421},
	} {
		if got := askAs(t, test.method, address, test.path, test.host, test.headers...); got != test.want {
			t.Errorf("%s %s with Host %s, %q: %d, want %d", test.method, test.path, test.host, test.headers, got, test.want)
		}
	}
}
