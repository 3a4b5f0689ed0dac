package app

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// setProxies parses addresses and networks separated by commas.
func setProxies(target *[]netip.Prefix, value string) error {
	*target = nil
	for i, part := range splitList(value) {
		prefix, err := netip.ParsePrefix(part)
		if ip, ipErr := netip.ParseAddr(part); ipErr == nil {
			prefix, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		if err != nil {
			return fmt.Errorf("is not a list of addresses and networks, such as 10.0.0.0/8,192.0.2.7: look at number %d", i+1)
		}
		*target = append(*target, prefix.Masked())
	}
	return nil
}

// withClientAddress sets RemoteAddr to the client's address if the request came through trusted proxies.
// X-Forwarded-For names it, and is ignored from other peers, which may write anything there. The port is then 0.
func withClientAddress(proxies []netip.Prefix, next http.Handler) http.Handler {
	if len(proxies) == 0 {
		return next
	}
	trusted := func(ip netip.Addr) bool {
		for _, proxy := range proxies {
			if proxy.Contains(ip) {
				return true
			}
		}
		return false
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		client := peer.Addr().Unmap()
		if err != nil || !trusted(client) {
			next.ServeHTTP(w, r)
			return
		}
		// Each proxy appends the address of its peer. Entries before the last untrusted address may be forged.
		hops := splitList(strings.Join(r.Header.Values("X-Forwarded-For"), ","))
		for i := len(hops) - 1; i >= 0 && trusted(client); i-- {
			hop, err := netip.ParseAddr(hops[i])
			if err != nil {
				break
			}
			client = hop.Unmap()
		}
		r.RemoteAddr = netip.AddrPortFrom(client, 0).String()
		next.ServeHTTP(w, r)
	})
}
