package app

import (
	"net/http"
	"testing"

	"usergraph/auth/authtest"
)

// With H2C one port serves HTTP/2 to clients with prior knowledge, and HTTP/1.1 to all others. Without it no client
// gets HTTP/2.
func TestHTTP2WithoutTLS(t *testing.T) {
	http1, http2 := new(http.Protocols), new(http.Protocols)
	http1.SetHTTP1(true)
	http2.SetUnencryptedHTTP2(true)
	issuer := authtest.New(t)
	with, _ := startServer(t, issuer, "H2C", "on")
	without, _ := startServer(t, issuer)
	for _, c := range []struct {
		name, url string
		protocols *http.Protocols
		major     int // 0 for no response
	}{
		{"HTTP/2", with, http2, 2},
		{"HTTP/1.1 on the same port", with, http1, 1},
		{"HTTP/2 without H2C", without, http2, 0},
	} {
		transport := &http.Transport{Protocols: c.protocols}
		request := newQuestion(t, c.url, issuer.Token(ada), whoAmI)
		answer, err := transport.RoundTrip(request)
		switch {
		case c.major == 0 && err == nil:
			t.Errorf("%s: %s", c.name, answer.Proto)
		case c.major != 0 && (err != nil || answer.ProtoMajor != c.major || answer.StatusCode != 200):
			t.Errorf("%s: %v %v", c.name, answer, err)
		}
		if err == nil {
			answer.Body.Close()
		}
		transport.CloseIdleConnections()
	}
}
