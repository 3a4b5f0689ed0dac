package app

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	isReady := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" && !isReady {
			http.Error(w, "the database cannot be reached", http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	getenv := func(host string) func(string) string {
		return func(name string) string { return map[string]string{"HOST": host, "PORT": port}[name] }
	}
	var out strings.Builder
	for _, host := range []string{"", "0.0.0.0", "127.0.0.1", "localhost"} {
		if err := run(t.Context(), []string{"health"}, getenv(host), &out); err != nil {
			t.Errorf("host %q: %v", host, err)
		}
	}
	if err := run(t.Context(), []string{"health", "--ready"}, getenv(""), &out); err == nil || !strings.Contains(err.Error(), "503 Service Unavailable: the database") {
		t.Error("not ready:", err)
	}
	isReady = true
	if err := run(t.Context(), []string{"health", "--ready"}, getenv(""), &out); err != nil {
		t.Error("ready:", err)
	}
	server.Close()
	if err := run(t.Context(), []string{"health"}, getenv(""), &out); err == nil {
		t.Error("nobody listens, and all is well")
	}
}
