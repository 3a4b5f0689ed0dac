package app

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"usergraph/auth"
)

// guardAdmin keeps pages in a browser from using a listener that only those who run the server should reach. A page whose
// name server has it mean 127.0.0.1 is of the same origin as a loopback listener, so that is asked for by address or as
// localhost only. In a cluster a listener has names that nobody here knows.
func guardAdmin(address net.Addr, next http.Handler) http.Handler {
	tcp, ok := address.(*net.TCPAddr)
	loopback := ok && tcp.IP.IsLoopback()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch host := hostOf(r); {
		case loopback && host != "localhost" && !isAddress(host):
			http.Error(w, "ask for this by an IP address, or as localhost", http.StatusMisdirectedRequest)
		case isCrossSite(r):
			http.Error(w, "pages of other sites may not ask", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// guardDev is for `usergraph dev`, which listens on a loopback address: it is asked for by such an address or as localhost.
// Pages of this machine may be of other sites; endpoint.CrossSite and devTokens say which may ask.
func guardDev(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := hostOf(r); host != "" && !auth.IsLoopback(host) {
			http.Error(w, "usergraph dev is for this machine only: ask for it by 127.0.0.1 or as localhost", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostOf returns the host that a request was sent to, without its port. It is "" for HTTP/1.0 without a header Host, which
// no browser sends.
func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
	}
	return strings.ToLower(host)
}

// isAddress tells whether a host needs no name server.
func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || host == ""
}

// isCrossSite tells whether a page of another origin has made the browser send a request, a link included.
// https://www.w3.org/TR/fetch-metadata/
func isCrossSite(r *http.Request) bool {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	if site != "" && site != "same-origin" && site != "none" {
		return true
	}
	parsed, err := url.Parse(origin)
	return origin != "" && (err != nil || !strings.EqualFold(parsed.Host, r.Host))
}
