//go:build !unix

package database

import (
	"net"
	"syscall"
)

// socketOf returns nil: one cannot look without waiting here. A connection that PostgreSQL has closed fails at its next
// statement.
func socketOf(net.Conn) syscall.RawConn { return nil }

func quiet(syscall.RawConn) bool { return true }
