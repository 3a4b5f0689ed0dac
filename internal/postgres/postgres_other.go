//go:build !unix

package postgres

import (
	"context"
	"errors"
)

// errSystem is the error on Windows: leash needs a shell, and the folder needs file locks.
var errSystem = errors.New("a PostgreSQL of our own needs Linux or macOS: use WSL 2, or docker compose up, or a PostgreSQL that runs elsewhere")

// Server does not exist on this system.
type Server struct{}

// Start fails on this system.
func Start(context.Context, Config) (*Server, error) { return nil, errSystem }

// Standby is never reached, since there is no Server.
func (*Server) Standby(context.Context, Config) (*Server, error) { return nil, errSystem }

// Remove fails on this system.
func Remove(string) error { return errSystem }

// Port is never reached, since there is no Server.
func (*Server) Port() int { panic(errSystem) }

// URL is never reached, since there is no Server.
func (*Server) URL(string, string) string { panic(errSystem) }

// Stop is never reached, since there is no Server.
func (*Server) Stop() error { return errSystem }

// Kill is never reached, since there is no Server.
func (*Server) Kill() error { return errSystem }
