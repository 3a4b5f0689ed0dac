// Package redistest gives a test a real Redis.
package redistest

import (
	"io"
	"net"
	"os/exec"
	"testing"
	"time"
)

// Server is a Redis that ends with the test.
type Server struct {
	// Command is the process, for tests that kill or stop it.
	Command *exec.Cmd

	port string
}

// Start runs redis-server, for example from apt-get install redis-server.
func Start(t testing.TB) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	s := &Server{port: port}
	s.Restart(t)
	return s
}

// Restart runs it again, empty, on the same port.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	command := exec.Command("redis-server", "--port", s.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := command.Start(); err != nil {
		t.Fatalf("a Redis for the tests (apt-get install redis-server): %v", err)
	}
	s.Command = command
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+s.port)
		if err == nil {
			_, _ = io.WriteString(conn, "PING\r\n")
			_, err = conn.Read(make([]byte, 5))
			conn.Close()
		}
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the Redis for the tests does not start: ", err)
		}
	}
}

// URL is what REDIS_URL takes.
func (s *Server) URL() string { return "redis://127.0.0.1:" + s.port + "/0" }
