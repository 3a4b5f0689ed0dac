//go:build unix

package graph

import (
	"net"
	"syscall"
)

// awaitInput returns when there is something to read, or nothing will be. Waiting is all that most sockets do: here it
// takes so few stack frames that Go lets the goroutine have half the stack that it needs while it waits in the library.
func awaitInput(conn net.Conn) error {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	return raw.Read(isReadable)
}

// isReadable looks without waiting. An error is for whoever reads.
func isReadable(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK)
	return err != syscall.EAGAIN
}
