package auth

import (
	"net/netip"
	"net/url"
)

// IsLoopback tells whether a host, without a port, is this machine, whatever a name server says.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// IsLoopbackURL tells whether the host of an absolute URL is this machine. What is no URL is not.
func IsLoopbackURL(address string) bool {
	parsed, err := url.Parse(address)
	return err == nil && IsLoopback(parsed.Hostname())
}
