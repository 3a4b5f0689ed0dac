package database

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"usergraph/internal/peek"
)

// Whoever waits awake is there when the other side says something or leaves, and gives up when it says nothing.
func TestWaitAwake(t *testing.T) {
	for name, test := range map[string]struct {
		atMost time.Duration
		act    func(net.Conn) error
	}{
		"something comes":  {time.Hour, func(c net.Conn) error { _, err := io.WriteString(c, "answer"); return err }},
		"the other leaves": {time.Hour, net.Conn.Close},
		"nothing comes":    {time.Millisecond, nil},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			ours, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer ours.Close()
			theirs, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer theirs.Close()
			acted := make(chan error, 1)
			if test.act != nil {
				time.AfterFunc(20*time.Millisecond, func() { acted <- test.act(theirs) })
			} else {
				acted <- nil
			}
			raw := peek.At(ours)
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
			waitAwake(raw, test.atMost)
			if said := !peek.Quiet(raw); said != (test.act != nil) {
				t.Errorf("the other side has said something: %t", said)
			}
			if err := <-acted; err != nil {
				t.Error(err)
			}
		})
	}
}
