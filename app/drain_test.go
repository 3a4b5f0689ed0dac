package app

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"usergraph/auth/authtest"
	"usergraph/internal/pgtest"
)

// asProgram is the variable that makes this test binary run the program.
const asProgram = "RUN_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		Main(testAPI)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process is a `usergraph serve` that can be killed.
type process struct {
	*exec.Cmd
	url    string
	exited chan error
}

// startProcess runs the server for Ada, and returns her token as well.
func startProcess(t *testing.T, env ...string) (p *process, token string) {
	t.Helper()
	issuer, database := authtest.New(t), pgtest.New(t)
	database.Exec(t, "insert into auth.users (id, raw_user_meta_data) values ($1, $2)", ada, `{"full_name": "Ada Lovelace"}`)
	p = &process{Cmd: exec.Command(os.Args[0], "serve"), exited: make(chan error, 1)}
	p.Dir = t.TempDir() // no .env
	p.Env = append(os.Environ(), "DATABASE_URL="+database.URL, "SUPABASE_URL="+strings.TrimSuffix(issuer.URL(), "/auth/v1"),
		asProgram+"=1", "HOST=127.0.0.1", "PORT=0", "LOG_FORMAT=json")
	p.Env = append(p.Env, env...)
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.Stderr = os.Stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	lines := bufio.NewScanner(out)
	for p.url == "" && lines.Scan() {
		var line struct{ Msg, URL string }
		if err := json.Unmarshal(lines.Bytes(), &line); err == nil && line.Msg == "listening" {
			p.url = line.URL
		}
	}
	if p.url == "" {
		t.Fatal("the server does not start")
	}
	go func() {
		_, _ = io.Copy(io.Discard, out)
		p.exited <- p.Wait()
	}()
	return p, issuer.Token(ada)
}

// Clients that behave like a load balancer lose nothing when the server drains: they check /readyz, send no more
// requests once it fails, and honour Connection: close.
func TestNoRequestFailsWhenTheServerStops(t *testing.T) {
	p, token := startProcess(t, "DRAIN_DELAY=2s")
	var ready, stopped atomic.Bool
	var sent, answered, afterwards, closed atomic.Int64
	ready.Store(true)
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			client := &http.Client{Transport: new(http.Transport)} // a connection of its own, kept alive
			for ready.Load() {
				request, err := http.NewRequest(http.MethodPost, p.url+"/graphql", strings.NewReader(`{"query":"{ me { fullName } }"}`))
				if err != nil {
					t.Error(err)
					return
				}
				request.GetBody = nil // a failed request is not sent again
				request.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}}
				late := stopped.Load()
				sent.Add(1)
				answer, err := client.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if err != nil || answer.StatusCode != 200 || string(body) != `{"data":{"me":{"fullName":"Ada Lovelace"}}}` {
					t.Error(answer.StatusCode, string(body), err)
					return
				}
				answered.Add(1)
				if late {
					afterwards.Add(1)
				}
				if answer.Close {
					closed.Add(1)
				}
			}
		})
	}
	waitFor(t, "some answers", func() bool { return answered.Load() > 200 })
	if closed.Load() > 0 {
		t.Error("connections were closed while the server was not leaving")
	}
	stopped.Store(true)
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "/readyz to say no", func() bool {
		answer, err := http.Get(p.url + "/readyz")
		if err != nil {
			t.Fatal("the server went before it said that it would:", err)
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusServiceUnavailable
	})
	waitFor(t, "answers that close their connection", func() bool { return closed.Load() >= 16 })
	ready.Store(false)
	workers.Wait()
	if err := <-p.exited; err != nil {
		t.Error("exit:", err)
	}
	if sent.Load() != answered.Load() || afterwards.Load() == 0 {
		t.Errorf("%d sent, %d answered, %d of them after SIGTERM", sent.Load(), answered.Load(), afterwards.Load())
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://")); err == nil {
		t.Error("somebody still listens")
	}
}

// A running request is answered, even if the listener closes at once.
func TestARequestThatHasBegunIsAnswered(t *testing.T) {
	p, token := startProcess(t, "DRAIN_DELAY=0s")
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const body = `{"query":"{ me { fullName } }"}`
	fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", token, len(body))
	answers := bufio.NewReader(conn)
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatal(line, err) // the server is waiting for the body
	}
	if _, err := answers.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the listener to close", func() bool {
		probe, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err == nil {
			probe.Close()
		}
		return err != nil
	})
	fmt.Fprint(conn, body)
	answer, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 || !strings.Contains(string(text), "Ada Lovelace") {
		t.Error(answer.StatusCode, string(text), err)
	}
	if err := <-p.exited; err != nil {
		t.Error("exit:", err)
	}
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	p, _ := startProcess(t, "DRAIN_DELAY=1h")
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "/readyz to say no", func() bool {
		answer, err := http.Get(p.url + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusServiceUnavailable
	})
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.exited:
	case <-time.After(time.Minute):
		t.Error("it goes on")
	}
	if status := p.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v", status)
	}
}

// waitFor fails the test if a condition does not become true.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
