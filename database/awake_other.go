//go:build !linux

package database

import (
	"syscall"
	"time"
)

// waitAwake leaves the waiting to whoever reads: elsewhere it was not measured.
func waitAwake(syscall.RawConn, time.Duration) {}
