//go:build unix

package peek

import (
	"crypto/tls"
	"net"
	"syscall"
)

// At returns what is under a connection, at which one can look without waiting; nil if there is no such thing.
func At(conn net.Conn) syscall.RawConn {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// Quiet says whether the other side of an idle connection has said nothing: neither goodbye nor why. It is one system
// call that does not wait.
func Quiet(socket syscall.RawConn) bool {
	if socket == nil {
		return true
	}
	var said bool
	err := socket.Read(func(fd uintptr) bool {
		said = hasInput(fd)
		return true
	})
	return err == nil && !said
}

// Await returns when there is something to read, or nothing will be. It takes so few stack frames that Go lets the
// goroutine have half the stack that it needs while it waits in net or above. With TLS it leaves the waiting to whoever
// reads: what came may be decrypted already.
func Await(conn net.Conn) error {
	_, secured := conn.(*tls.Conn)
	socket := At(conn)
	if secured || socket == nil {
		return nil
	}
	return socket.Read(hasInput)
}

// hasInput looks without waiting. The end of the input counts, and so does an error: it is for whoever reads.
func hasInput(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK)
	return err != syscall.EAGAIN
}
