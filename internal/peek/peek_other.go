//go:build !unix

package peek

import (
	"net"
	"syscall"
)

// At returns nil: one cannot look without waiting here. A connection that the other side has closed fails when it is used.
func At(net.Conn) syscall.RawConn { return nil }

// Quiet cannot tell, and says so.
func Quiet(syscall.RawConn) bool { return true }

// Await leaves the waiting to whoever reads.
func Await(net.Conn) error { return nil }
