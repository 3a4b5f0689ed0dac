// Package address answers one question: which callers without a name are one caller?
package address

import "net/netip"

// Key returns what callers who are not signed in share a limit by: the IPv4 address of a RemoteAddr without its port, or the
// IPv6 network of 64 bits, which is what one customer gets. It returns what is no address as it is.
func Key(remoteAddr string) string {
	address, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return remoteAddr
	}
	ip := address.Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	prefix, _ := ip.Prefix(bits)
	return prefix.Addr().String()
}
