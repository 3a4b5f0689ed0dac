// Package redistest answers one question: where does a test get a Redis that it may break?
package redistest

import (
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Server is a Redis of its own, empty, on loopback. It keeps nothing on disk.
type Server struct {
	Port    string
	Process *os.Process // for signals
	exited  chan struct{}
}

// Start runs a Redis until the test ends, on a free port if port is "". It needs apt-get install redis-server.
func Start(t testing.TB, port string) *Server {
	t.Helper()
	if port == "" {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ = net.SplitHostPort(listener.Addr().String())
		listener.Close()
	}
	command := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := command.Start(); err != nil {
		t.Fatalf("a Redis for the tests (apt-get install redis-server): %v", err)
	}
	s := &Server{Port: port, Process: command.Process, exited: make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(s.exited)
	}()
	t.Cleanup(s.Kill)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_, _ = io.WriteString(conn, "PING\r\n")
			_, err = conn.Read(make([]byte, 5))
			conn.Close()
		}
		if err == nil {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatal("the Redis for the tests does not start: ", err)
		}
	}
}

// URL is what REDIS_URL takes.
func (s *Server) URL() string { return "redis://127.0.0.1:" + s.Port + "/0" }

// Kill ends it at once, and returns when its port is free.
func (s *Server) Kill() {
	_ = s.Process.Kill()
	<-s.exited
}
