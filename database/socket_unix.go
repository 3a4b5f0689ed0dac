//go:build unix

package database

import (
	"crypto/tls"
	"net"
	"syscall"
)

// socketOf returns what is under a connection, at which one can look without waiting; nil if there is no such thing.
func socketOf(conn net.Conn) syscall.RawConn {
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

// quiet says whether the other side of an idle connection has said nothing: neither goodbye nor why. It is one system
// call that does not wait.
func quiet(socket syscall.RawConn) bool {
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

// hasInput looks without waiting. The end of the input counts, and so does an error: it is for whoever reads.
func hasInput(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK)
	return err != syscall.EAGAIN
}
