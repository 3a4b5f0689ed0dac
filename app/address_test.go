package app

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestClientAddress(t *testing.T) {
	var proxies []netip.Prefix
	if err := setProxies(&proxies, "10.0.0.0/8, 192.0.2.7,2001:db8::/32"); err != nil {
		t.Fatal(err)
	}
	seen := ""
	handler := withClientAddress(proxies, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.RemoteAddr }))
	for name, test := range map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"no proxy":               {"203.0.113.5:99", []string{"198.51.100.1"}, "203.0.113.5:99"},
		"a proxy":                {"10.1.2.3:99", []string{"198.51.100.1"}, "198.51.100.1:0"},
		"a proxy says nothing":   {"10.1.2.3:99", nil, "10.1.2.3:0"},
		"the client made up one": {"10.1.2.3:99", []string{"127.0.0.1, 198.51.100.1"}, "198.51.100.1:0"},
		"two proxies":            {"10.1.2.3:99", []string{"6.6.6.6, 198.51.100.1, 192.0.2.7"}, "198.51.100.1:0"},
		"two headers":            {"10.1.2.3:99", []string{"198.51.100.1", "10.9.9.9"}, "198.51.100.1:0"},
		"only proxies":           {"10.1.2.3:99", []string{"10.0.0.1, 10.0.0.2"}, "10.0.0.1:0"},
		"nonsense":               {"10.1.2.3:99", []string{"198.51.100.1, who?"}, "10.1.2.3:0"},
		"IPv6":                   {"[2001:db8::1]:99", []string{"2001:dead::5"}, "[2001:dead::5]:0"},
		"IPv4 written as IPv6":   {"[::ffff:10.1.2.3]:99", []string{"::ffff:198.51.100.1"}, "198.51.100.1:0"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = test.peer, test.forwarded
		handler.ServeHTTP(httptest.NewRecorder(), r)
		if seen != test.want {
			t.Errorf("%s: %s, want %s", name, seen, test.want)
		}
	}
	if err := setProxies(&proxies, "10.0.0.0/8,everybody"); err == nil {
		t.Error("accepted")
	}
}
