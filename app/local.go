package app

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"usergraph/auth"
)

// guardAdmin refuses requests to the admin listener that pages in a browser have sent. A page whose host name resolves
// to 127.0.0.1 has the same origin as a loopback listener (DNS rebinding), so a loopback listener accepts only an IP
// address or localhost as the host. In a cluster a listener has names that the server does not know.
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

// guardDev protects `usergraph dev`, which listens on a loopback address: only an IP address or localhost is accepted
// as the host. Pages of this machine may be of other sites; endpoint.CrossSite and devTokens decide which of them may
// send requests.
func guardDev(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := hostOf(r); host != "" && !auth.IsLoopback(host) {
			http.Error(w, "usergraph dev is for this machine only: ask for it by 127.0.0.1 or as localhost", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostOf returns the host of a request without its port. It is "" for HTTP/1.0 without a Host header, which browsers
// never send.
func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
	}
	return strings.ToLower(host)
}

// isAddress reports whether a host needs no DNS lookup.
func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || host == ""
}

// isCrossSite reports whether a page of another origin made the browser send a request, including by a link.
// https://www.w3.org/TR/fetch-metadata/
func isCrossSite(r *http.Request) bool {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	if site != "" && site != "same-origin" && site != "none" {
		return true
	}
	parsed, err := url.Parse(origin)
	return origin != "" && (err != nil || !strings.EqualFold(parsed.Host, r.Host))
}
