//go:build services

package drills_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"usergraph/auth/authtest"
	"usergraph/internal/pgtest"
)

// timeout is how long a drill waits for what must happen soon. Nothing is asserted about less.
const timeout = 30 * time.Second

// binary is the built program.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		folder, err := os.MkdirTemp("", "usergraph-drills-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(folder)
		binary = filepath.Join(folder, "usergraph")
		build := exec.Command("go", "build", "-trimpath", "-o", binary, "../internal/testapi/server") // as the image is built, but for the profile
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// server is a running `usergraph serve`.
type server struct {
	url     string
	admin   string // the URL of the admin listener
	process *exec.Cmd
	log     *logBuffer
	ended   chan struct{} // closed when the process has gone
}

// logBuffer keeps what a server logs.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start runs `usergraph serve` with these settings, NAME=value, until the test ends.
func start(t *testing.T, settings ...string) *server {
	t.Helper()
	return startProgram(t, binary, settings...)
}

// startProgram is start for another program.
func startProgram(t *testing.T, program string, settings ...string) *server {
	t.Helper()
	port, adminAddress := freePort(t), "127.0.0.1:"+freePort(t)
	s := &server{url: "http://127.0.0.1:" + port, admin: "http://" + adminAddress, process: exec.Command(program, "serve"), log: &logBuffer{}, ended: make(chan struct{})}
	s.process.Dir = t.TempDir()
	s.process.Env = append([]string{"HOST=127.0.0.1", "PORT=" + port, "ADMIN_ADDR=" + adminAddress}, settings...)
	s.process.Stdout, s.process.Stderr = s.log, s.log
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.process.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		_ = s.process.Process.Kill()
		<-s.ended
		if t.Failed() {
			t.Logf("%s logged:\n%s", s.url, lastLines(s.log.String(), 30))
		}
	})
	eventually(t, s.url+" answers /livez", func() error {
		select {
		case <-s.ended:
			t.Fatalf("the server has ended:\n%s", s.log)
		default:
		}
		return getOK(s.url + "/livez")
	})
	return s
}

// signal sends the process a signal.
func (s *server) signal(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// stop asks the server to end and waits until it has.
func (s *server) stop(t *testing.T) {
	t.Helper()
	s.signal(t, syscall.SIGTERM)
	s.waitForEnd(t)
}

// waitForEnd wants the server to end well.
func (s *server) waitForEnd(t *testing.T) {
	t.Helper()
	select {
	case <-s.ended:
	case <-time.After(timeout):
		t.Fatal("the server does not end")
	}
	if code := s.process.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the server ended with %d:\n%s", code, lastLines(s.log.String(), 10))
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// freePort returns a port that nobody listens on at this moment.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// eventually tries until there is no error, and returns how long that took.
func eventually(t *testing.T, what string, try func() error) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		err := try()
		took := time.Since(began)
		if err == nil {
			return took.Round(time.Millisecond)
		}
		if took > timeout {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func getOK(url string) error {
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d %s", url, answer.StatusCode, body)
	}
	return nil
}

// surroundings are what a server needs: a database with users in it, and who signs their tokens.
type surroundings struct {
	issuer  *authtest.Issuer
	callers []caller
	admin   *pgtest.Database // by its superuser
}

// caller is a user of the database with a token.
type caller struct {
	name, token string
	id          uuid.UUID
}

// settings are those of a server on a database.
func (s *surroundings) settings(databaseURL string) []string {
	return []string{
		"DATABASE_URL=" + databaseURL,
		"SUPABASE_URL=" + strings.TrimSuffix(s.issuer.URL(), "/auth/v1"),
	}
}

// populate adds users to a migrated database.
func populate(t *testing.T, adminURL string, users int) *surroundings {
	t.Helper()
	s := &surroundings{issuer: authtest.New(t), admin: &pgtest.Database{AdminURL: adminURL}}
	for i := range users {
		id, name := uuid.New(), fmt.Sprintf("user %d", i)
		s.admin.Exec(t, "insert into auth.users (id, raw_user_meta_data) values ($1, jsonb_build_object('full_name', $2::text))", id, name)
		s.callers = append(s.callers, caller{name, s.issuer.Token(id), id})
	}
	return s
}

// migrate applies the project's migrations.
func migrate(t *testing.T, adminURL string) {
	t.Helper()
	if err := pgtest.Migration(adminURL).Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// client keeps as many connections as a drill has askers.
var client = &http.Client{
	Timeout:   timeout,
	Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
}

// answer is what came of a question.
type answer struct {
	status int
	header http.Header
	code   string // extensions.code of the first error
	name   string // of the caller, as the server tells it
	body   string
}

// ask sends an operation as a caller, or as nobody.
func ask(ctx context.Context, url, token, query string) (answer, error) {
	return askBy(ctx, client, url, token, query)
}

// clientFrom returns a client whose requests come from an address of this machine.
func clientFrom(ip string) *http.Client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	return &http.Client{Timeout: timeout, Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
}

func askBy(ctx context.Context, client *http.Client, url, token, query string) (answer, error) {
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		return answer{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/graphql", bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	var parsed struct {
		Data struct {
			Me *struct {
				FullName string `json:"fullName"`
			} `json:"me"`
		} `json:"data"`
		Errors []struct {
			Extensions struct {
				Code string `json:"code"`
			} `json:"extensions"`
		} `json:"errors"`
	}
	got := answer{status: response.StatusCode, header: response.Header, body: string(text)}
	if err := json.Unmarshal(text, &parsed); err != nil {
		return got, fmt.Errorf("%d %q: %w", got.status, text, err)
	}
	if len(parsed.Errors) > 0 {
		got.code = parsed.Errors[0].Extensions.Code
	}
	if parsed.Data.Me != nil {
		got.name = parsed.Data.Me.FullName
	}
	return got, nil
}

const whoAmI = "{ me { fullName } }"

// renames is a change after which everything is as before, answered like whoAmI.
func (c caller) renames() string {
	return fmt.Sprintf("mutation { me: updateMe(input: {fullName: %q}) { fullName } }", c.name)
}

// works wants a caller's own name.
func works(ctx context.Context, url string, c caller) error {
	got, err := ask(ctx, url, c.token, whoAmI)
	if err == nil && got.name != c.name {
		err = fmt.Errorf("%s is told %d %s", c.name, got.status, got.body)
	}
	return err
}

// load asks all the time as all callers, and counts what it is told.
type load struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	good    int
	slowest time.Duration  // of the good ones
	codes   map[string]int // answers with an error, by code
	failed  []error        // requests without an answer
	strange []string       // another caller's name, or no code
}

// begin starts to ask url with so many requests at a time.
func begin(t *testing.T, url string, callers []caller, askers int) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{cancel: cancel, codes: map[string]int{}}
	for i := range askers {
		l.done.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				c := callers[n%len(callers)]
				question := whoAmI
				if n%10 == 0 {
					question = c.renames()
				}
				asked := time.Now()
				got, err := ask(ctx, url, c.token, question)
				if ctx.Err() == nil {
					l.count(c, got, err, time.Since(asked))
				}
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

func (l *load) count(c caller, got answer, err error, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.failed = append(l.failed, err)
	case got.name == c.name:
		l.good++
		l.slowest = max(l.slowest, took)
	case got.name == "" && got.code != "":
		l.codes[got.code]++
	default:
		l.strange = append(l.strange, fmt.Sprintf("%s is told %d %s", c.name, got.status, got.body))
	}
}

// end stops asking.
func (l *load) end() {
	l.cancel()
	l.done.Wait()
}

// more waits until so many further answers were good.
func (l *load) more(t *testing.T, answers int) {
	t.Helper()
	before := l.goodSoFar()
	eventually(t, "good answers", func() error {
		if now := l.goodSoFar(); now < before+answers {
			return fmt.Errorf("%d of %d", now-before, answers)
		}
		return nil
	})
}

// hear waits until so many answers had a code.
func (l *load) hear(t *testing.T, code string, answers int) {
	t.Helper()
	eventually(t, code, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.codes[code] < answers {
			return fmt.Errorf("%d of %d", l.codes[code], answers)
		}
		return nil
	})
}

func (l *load) goodSoFar() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.good
}

// onlyCodes ends the load and wants every answer to be good or to have one of these codes.
func (l *load) onlyCodes(t *testing.T, allowed ...string) {
	t.Helper()
	l.end()
	t.Logf("%d good answers, the slowest after %s, and with codes %v", l.good, l.slowest.Round(time.Millisecond), l.codes)
	nothing := l.good == 0 && len(l.codes) == 0
	for _, code := range allowed {
		delete(l.codes, code)
	}
	if nothing || len(l.codes) > 0 || len(l.strange) > 0 || len(l.failed) > 0 {
		t.Errorf("%d good, other codes %v, strange %v, without an answer: %v", l.good, l.codes, first(l.strange), errors.Join(first(l.failed)...))
	}
}

func first[T any](list []T) []T { return list[:min(len(list), 3)] }

// warm has a server answer some requests, so that its pool and its caches are what they are in use, and returns what it
// holds afterwards.
func (s *server) warm(t *testing.T, callers []caller) holding {
	t.Helper()
	asked := begin(t, s.url, callers, 16)
	asked.more(t, 500)
	asked.onlyCodes(t)
	return s.holds(t)
}

// recovers waits for a good answer.
func (s *server) recovers(t *testing.T, c caller) {
	t.Helper()
	took := eventually(t, "a good answer", func() error { return works(t.Context(), s.url, c) })
	t.Logf("the first good answer %s after all was well", took)
}
