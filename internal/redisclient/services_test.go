//go:build services && unix

package redisclient

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"usergraph/internal/redistest"
)

// newClient returns a client that must not fail, unless failed is given. A busy machine may need longer than New would wait.
func newClient(t *testing.T, url string, failed func(error)) *Client {
	t.Helper()
	if failed == nil {
		failed = func(err error) { t.Error("told: ", err) }
	}
	client, err := open(url, time.Minute, failed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// command is a question of one command.
func command(ctx context.Context, client *Client, name string, args ...any) (reply any, err error) {
	err = client.Ask(ctx, func(conn redis.Conn) error {
		reply, err = conn.Do(name, args...)
		return err
	})
	return reply, err
}

// direct is a connection past the client.
func direct(t *testing.T, server *redistest.Server) redis.Conn {
	t.Helper()
	conn, err := redis.DialURLContext(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestUserPasswordAndDatabase(t *testing.T) {
	server := redistest.Start(t, "")
	admin := direct(t, server)
	if _, err := admin.Do("ACL", "SETUSER", "graph", "on", ">p@ss/w:rd", "~*", "+@all"); err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + server.Port
	if got, err := redis.String(command(t.Context(), newClient(t, "redis://graph:p%40ss%2Fw%3Ard@"+address+"/3", nil), "ACL", "WHOAMI")); err != nil || got != "graph" {
		t.Error(got, err)
	}
	if _, err := command(t.Context(), newClient(t, "redis://graph:p%40ss%2Fw%3Ard@"+address+"/3", nil), "SET", "key", "value"); err != nil {
		t.Error(err)
	}
	if _, err := admin.Do("SELECT", 3); err != nil {
		t.Fatal(err)
	}
	if got, err := redis.String(admin.Do("GET", "key")); err != nil || got != "value" {
		t.Error(got, err)
	}
	if _, err := admin.Do("CONFIG", "SET", "requirepass", "hunter2"); err != nil {
		t.Fatal(err)
	}
	if _, err := command(t.Context(), newClient(t, "redis://:hunter2@"+address, nil), "PING"); err != nil {
		t.Error(err)
	}
	for _, url := range []string{"redis://:hunter3@" + address, "redis://graph:hunter3@" + address, "redis://" + address, "redis://:hunter2@" + address + "/99"} {
		var told error
		_, err := command(t.Context(), newClient(t, url, func(err error) { told = err }), "PING")
		if err == nil || told == nil || strings.Contains(told.Error(), "hunter") {
			t.Errorf("%s: %v, told: %v", url, err, told)
		}
	}
}

// What Redis has closed while nobody used it is no failure.
func TestIdleConnectionsBreak(t *testing.T) {
	server := redistest.Start(t, "")
	client := newClient(t, server.URL(), nil)
	all := func() {
		var together sync.WaitGroup
		for range 5 {
			together.Go(func() {
				if _, err := command(t.Context(), client, "PING"); err != nil {
					t.Error(err)
				}
			})
		}
		together.Wait()
	}
	all()
	for range 3 {
		if _, err := direct(t, server).Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"); err != nil {
			t.Fatal(err)
		}
		all()
	}
	server.Kill()
	redistest.Start(t, server.Port)
	all()
}

// A failover in which the old primary lives on as a replica, and its name is the new one's.
func TestTheOldPrimaryIsLeft(t *testing.T) {
	before, after := redistest.Start(t, ""), redistest.Start(t, "")
	var port atomic.Pointer[string]
	port.Store(&before.Port)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", "127.0.0.1:"+*port.Load())
			if err != nil {
				in.Close()
				continue
			}
			go func() { _, _ = io.Copy(out, in); out.Close() }()
			go func() { _, _ = io.Copy(in, out); in.Close() }()
		}
	}()
	client := newClient(t, "redis://"+listener.Addr().String(), func(error) {})
	if _, err := command(t.Context(), client, "SET", "key", "before"); err != nil {
		t.Fatal(err)
	}
	if _, err := direct(t, before).Do("REPLICAOF", "127.0.0.1", after.Port); err != nil {
		t.Fatal(err)
	}
	port.Store(&after.Port)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, err = command(t.Context(), client, "SET", "key", "after"); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestAClientWhoGoesIsNoFailure(t *testing.T) {
	server := redistest.Start(t, "")
	client := newClient(t, server.URL(), nil)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 { // dialling, waiting and asking
		_, _ = command(gone, client, "PING")
	}
	if _, err := command(t.Context(), client, "PING"); err != nil {
		t.Error(err)
	}
}

func TestConnectionsAreBoundedAndClose(t *testing.T) {
	server := redistest.Start(t, "")
	client := newClient(t, server.URL(), func(error) {})
	bound := 10 * runtime.GOMAXPROCS(0)
	admin := direct(t, server)
	var together sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range 5 * bound {
		together.Go(func() {
			for range 20 {
				_, _ = command(ctx, client, "PING")
			}
		})
	}
	for range 20 {
		list, err := redis.String(admin.Do("CLIENT", "LIST"))
		if err != nil {
			t.Fatal(err)
		}
		if conns := strings.Count(list, "\n") - 1; conns > bound {
			t.Errorf("%d connections", conns)
		}
	}
	_ = client.Close() // while it is in use, and callers go
	cancel()
	together.Wait()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		list, err := redis.String(admin.Do("CLIENT", "LIST"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(list, "\n") == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left open:\n%s", list)
		}
	}
}

// A certificate counts only if somebody has signed it whom the system trusts, and for this name.
func TestTLS(t *testing.T) {
	if url := os.Getenv("TEST_REDIS_URL"); url != "" { // the process that TestTLS starts
		if _, err := command(t.Context(), newClient(t, url, nil), "PING"); err != nil {
			t.Fatal(err)
		}
		return
	}
	folder := t.TempDir()
	authority := writeCertificate(t, folder)
	port := freePort(t)
	redisServer := exec.Command("redis-server", "--port", "0", "--tls-port", port, "--bind", "127.0.0.1", "--save", "",
		"--dir", folder, "--tls-cert-file", filepath.Join(folder, "cert.pem"), "--tls-key-file", filepath.Join(folder, "key.pem"),
		"--tls-ca-cert-file", authority, "--tls-auth-clients", "no")
	if err := redisServer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = redisServer.Process.Kill(); _ = redisServer.Wait() })
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		url, authority string
		want           bool
	}{
		{"rediss://127.0.0.1:" + port, authority, true},
		{"rediss://localhost:" + port, authority, false}, // the certificate is for 127.0.0.1
		{"rediss://127.0.0.1:" + port, "", false},
		{"redis://127.0.0.1:" + port, authority, false},
	} {
		process := exec.Command(os.Args[0], "-test.run=^TestTLS$")
		process.Env = append(os.Environ(), "TEST_REDIS_URL="+test.url, "SSL_CERT_FILE="+test.authority)
		out, err := process.CombinedOutput()
		if failed := new(exec.ExitError); err != nil && !errors.As(err, &failed) {
			t.Fatal(err)
		}
		if (err == nil) != test.want {
			t.Errorf("%+v: %v\n%s", test, err, out)
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// writeCertificate writes cert.pem and key.pem for 127.0.0.1, and returns the file that one must trust.
func writeCertificate(t *testing.T, folder string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: certificate}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, "cert.pem")
}
