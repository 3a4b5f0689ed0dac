package auth

import (
	"net/netip"
	"net/url"
)

// IsLoopback reports whether a host without a port is this machine, whatever DNS says.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// IsLoopbackURL reports whether the host of an absolute URL is this machine. It is false for other strings.
func IsLoopbackURL(address string) bool {
	parsed, err := url.Parse(address)
	return err == nil && IsLoopback(parsed.Hostname())
}
