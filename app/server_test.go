package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"usergraph/endpoint"
	"usergraph/internal/pgtest"
)

func noEnvironment(string) string { return "" }

// devServer runs `usergraph dev` inside the test until it ends.
func devServer(t *testing.T, args ...string) (url, token string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, append([]string{"dev", "--port", "0", "--auth-port", "0"}, args...), noEnvironment, in)
		in.CloseWithError(errors.Join(err, io.EOF))
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error("usergraph dev:", err)
		}
	})
	url, token = readBanner(t, out)
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return url, token
}

var curlLine = regexp.MustCompile(`^curl -s (\S+)/graphql .*Bearer ([^']+)'`)

// readBanner reads the output until the server listens, and returns the address and the token of its curl line.
func readBanner(t *testing.T, out io.Reader) (url, token string) {
	t.Helper()
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	var seen []string
	for lines.Scan() {
		seen = append(seen, lines.Text())
		if found := curlLine.FindStringSubmatch(lines.Text()); found != nil {
			url, token = found[1], found[2]
		}
		if url != "" && strings.Contains(lines.Text(), "listening") {
			return url, token
		}
	}
	t.Fatalf("the server does not start (%v):\n%s", lines.Err(), strings.Join(seen, "\n"))
	return "", ""
}

// ask sends a query and returns the status and the body.
func ask(t *testing.T, url, token, query string) (status int, body string) {
	t.Helper()
	return send(t, newQuestion(t, url, token, query))
}

// newQuestion returns a request that is not yet sent.
func newQuestion(t *testing.T, url, token, query string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/graphql", strings.NewReader(fmt.Sprintf(`{"query":%q}`, query)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return request
}

// send returns the status and the body of the response.
func send(t *testing.T, request *http.Request) (status int, body string) {
	t.Helper()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestDevAnswers(t *testing.T) {
	data := pgtest.Dir(t)
	url, token := devServer(t, "--data", data)
	const query = "{ me { fullName } }"

	if status, body := ask(t, url, token, query); status != 200 || body != `{"data":{"me":{"fullName":"Ada Lovelace"}}}` {
		t.Errorf("as Ada: %d %s", status, body)
	}
	if status, body := ask(t, url, "", query); status != 200 || !strings.Contains(body, `"UNAUTHENTICATED"`) || !strings.Contains(body, `"me":null`) {
		t.Errorf("anonymous: %d %s", status, body)
	}
	altered := token[:len(token)-20] + "AAAA" + token[len(token)-16:]
	if status, body := ask(t, url, altered, query); status != 401 || !strings.Contains(body, `"TOKEN_INVALID"`) {
		t.Errorf("altered: %d %s", status, body)
	}
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/": 200, "/nothing": 404} {
		answer, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want || answer.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %d, request id %q", path, answer.StatusCode, answer.Header.Get("X-Request-Id"))
		}
	}

	port := url[strings.LastIndex(url, ":")+1:]
	err := run(t.Context(), []string{"dev", "--port", port, "--data", data}, noEnvironment, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "--port") {
		t.Errorf("the port is taken: %v", err)
	}
	err = run(t.Context(), []string{"dev", "--port", "0", "--auth-port", "0", "--data", data}, noEnvironment, io.Discard)
	if err == nil {
		t.Error("the same data was opened twice")
	}
}

func TestTokenCommand(t *testing.T) {
	var printed strings.Builder
	var usage usageError
	if err := run(t.Context(), []string{"token", "--url", "http://127.0.0.1:1"}, noEnvironment, &printed); !errors.As(err, &usage) {
		t.Errorf("a token without usergraph dev: %v", err)
	}
	url, _ := devServer(t, "--data", pgtest.Dir(t))
	for _, test := range []struct{ as, expires, want string }{
		{"bob@example.com", "1h", "Bob Kahn"},
		{"noname@example.com", "1h", `"fullName":null`},
		{"ada@example.com", "-5m", "TOKEN_EXPIRED"},
	} {
		printed.Reset()
		if err := run(t.Context(), []string{"token", "--url", url, "--as", test.as, "--expires", test.expires}, noEnvironment, &printed); err != nil {
			t.Fatal(err)
		}
		if _, body := ask(t, url, strings.TrimSpace(printed.String()), "{ me { fullName } }"); !strings.Contains(body, test.want) {
			t.Errorf("as %s: %s, want %s", test.as, body, test.want)
		}
	}
	if err := run(t.Context(), []string{"token", "--url", url, "--as", "eve@example.com"}, noEnvironment, &printed); !errors.As(err, &usage) {
		t.Errorf("a token for nobody: %v", err)
	}
}

// A killed server leaves no PostgreSQL behind and loses nothing.
func TestKilledAgainAndAgain(t *testing.T) {
	data := pgtest.Dir(t)
	for round := range 20 {
		server := exec.Command(os.Args[0], "dev", "--port", "0", "--auth-port", "0", "--data", data)
		server.Env = append(os.Environ(), asProgram+"=1")
		server.Stderr = os.Stderr
		out, err := server.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Process.Kill() })
		url, token := readBanner(t, out)
		if round > 0 {
			want := fmt.Sprintf("round %d", round-1)
			if _, body := ask(t, url, token, "{ me { fullName } }"); !strings.Contains(body, want) {
				t.Errorf("%s is lost: %s", want, body)
			}
		}
		if _, body := ask(t, url, token, fmt.Sprintf(`mutation { updateMe(input: {fullName: "round %d"}) { id } }`, round)); strings.Contains(body, "errors") {
			t.Fatal(body)
		}
		if err := server.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = server.Wait()
	}
	deadline := time.Now().Add(30 * time.Second)
	for exec.Command("pgrep", "-f", data).Run() == nil {
		if time.Now().After(deadline) {
			t.Fatal("a PostgreSQL is left behind")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// In development, a client that asks learns how long a request took.
func TestDevTellsWhatAnAnswerTook(t *testing.T) {
	url, token := devServer(t, "--data", t.TempDir())
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/graphql", strings.NewReader(`{"query":"{ a: me { fullName } b: me { id } }"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set(endpoint.DebugHeader, "1")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || !strings.Contains(string(body), `"rows":1,"statements":1`) || !strings.Contains(string(body), "Ada Lovelace") {
		t.Errorf("%s %v", body, err)
	}
}

// The reason why a row is hidden: it does not exist, or policies hide it.
func TestExplain(t *testing.T) {
	fresh := pgtest.New(t)
	fresh.Exec(t, pgtest.Seed)
	look := explain(fresh.AdminURL)
	ada, nobody := uuid.MustParse("a0000000-0000-4000-8000-000000000001"), uuid.MustParse("d0000000-0000-4000-8000-000000000004")
	for _, step := range []struct {
		sql      string
		id       uuid.UUID
		exists   bool
		policies string
	}{
		{"select 1", ada, true, "[\"users read their own row\"]"},
		{"select 1", nobody, false, "[\"users read their own row\"]"},
		{"create policy everything on public.users using (false)", ada, true, `[everything "users read their own row"]`},
		{"create policy others on public.users for select to anon using (false)", ada, true, `[everything "users read their own row"]`},
		{`drop policy "users read their own row" on public.users; drop policy everything on public.users`, ada, true, "[]"},
	} {
		fresh.Exec(t, step.sql)
		exists, policies, err := look(t.Context(), "public.users", map[string]string{"id": step.id.String()}, "authenticated")
		if err != nil || exists != step.exists || fmt.Sprint(policies) != step.policies {
			t.Errorf("after %s: %t %v %v, want %t %s", step.sql, exists, policies, err, step.exists, step.policies)
		}
	}
}

// A key has any types and any number of columns.
func TestExplainKeys(t *testing.T) {
	fresh := pgtest.New(t)
	fresh.Exec(t, `create table public."Marks" (n bigint, "Day" date, label text, primary key (n, "Day", label)); insert into public."Marks" values (7, '2026-11-29', 'a')`)
	look := explain(fresh.AdminURL)
	for n, want := range map[string]bool{"7": true, "8": false} {
		exists, _, err := look(t.Context(), "public.Marks", map[string]string{"n": n, "Day": "2026-11-29", "label": "a"}, "authenticated")
		if err != nil || exists != want {
			t.Errorf("%s: %t %v", n, exists, err)
		}
	}
}
