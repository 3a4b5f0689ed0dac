package endpoint_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"usergraph/endpoint"
)

// events is an event stream being read.
type events struct {
	t      *testing.T
	answer *http.Response
	lines  *bufio.Reader
	cancel context.CancelFunc
}

// post sends a document as a user, or as nobody if that is uuid.Nil.
func (s *liveServer) post(user uuid.UUID, accept, body string, changes ...func(jwt.MapClaims)) *events {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/graphql", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", accept)
	if user != uuid.Nil {
		request.Header.Set("Authorization", "Bearer "+s.issuer.Token(user, changes...))
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		cancel()
		answer.Body.Close()
	})
	return &events{s.t, answer, bufio.NewReader(answer.Body), cancel}
}

const watchName = `{"query":"subscription { me { fullName } }"}`

// event is the next event, without comments; "end" at the end of the stream.
func (e *events) event() string {
	e.t.Helper()
	var text strings.Builder
	for {
		line, err := e.lines.ReadString('\n')
		switch {
		case err == io.EOF && text.Len() == 0:
			return "end"
		case err != nil:
			e.t.Fatal(text.String(), err)
		case line == "\n" && text.Len() > 0:
			return text.String()
		case line != "\n" && !strings.HasPrefix(line, ":"):
			text.WriteString(line)
		}
	}
}

func (e *events) expect(want ...string) {
	e.t.Helper()
	for _, w := range want {
		if got := e.event(); got != w {
			e.t.Fatalf("got  %q\nwant %q", got, w)
		}
	}
}

func nextEvent(name string) string {
	return `event: next` + "\n" + `data: {"data":{"me":{"fullName":"` + name + `"}}}` + "\n"
}

const completeEvent = "event: complete\ndata:\n"

func TestEventStream(t *testing.T) {
	s := newLiveServer(t)
	e := s.post(ada, "text/event-stream", watchName)
	if e.answer.StatusCode != 200 || e.answer.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" || e.answer.Header.Get("Cache-Control") != "no-store" {
		t.Error(e.answer.Status, e.answer.Header)
	}
	e.expect(nextEvent("Ada"))
	s.rename(ada, "Ada King")
	e.expect(nextEvent("Ada King"))
	s.rename(bob, "Robert")
	s.pg.Exec(t, "update users set avatar_url = 'https://example.com/a.png' where id = $1", ada)
	s.rename(ada, "Ada Lovelace")
	e.expect(nextEvent("Ada Lovelace"))
	e.cancel()
	s.until("nothing is watched", func() bool { return s.handler.Watches() == 0 && s.handler.Connections() == 0 })
}

// Queries and errors are events too.
func TestEventStreamOfOne(t *testing.T) {
	s := newLiveServer(t)
	s.post(ada, "text/event-stream;q=1, application/json", `{"query":"{ me { fullName } }"}`).expect(nextEvent("Ada"), completeEvent, "end")
	for _, test := range []struct {
		user       uuid.UUID
		body, code string
	}{
		{ada, `{"query":"{"}`, "GRAPHQL_PARSE_FAILED"},
		{ada, `{"query":"{ nothing }"}`, "GRAPHQL_VALIDATION_FAILED"},
		{ada, `{"query":"subscription { a: me { id } b: me { id } }"}`, "GRAPHQL_VALIDATION_FAILED"},
		{ada, `{`, "BAD_REQUEST"},
		{ada, `{}`, "BAD_REQUEST"},
		{ada, `[]`, "BAD_REQUEST"},
		{uuid.Nil, watchName, "UNAUTHENTICATED"},
	} {
		e := s.post(test.user, "text/event-stream", test.body)
		if got := e.event(); !strings.HasPrefix(got, `event: next`+"\n"+`data: {"errors":[`) || !strings.Contains(got, `"`+test.code+`"`) {
			t.Errorf("%s: %s", test.body, got)
		}
		e.expect(completeEvent, "end")
	}
}

// Only who asks for events first gets them. A subscription that would lose events is refused.
func TestEventStreamAccept(t *testing.T) {
	s := newLiveServer(t)
	for accept, streams := range map[string]bool{
		"text/event-stream":                                       true,
		"TEXT/EVENT-STREAM; q=0.9, application/json":              true,
		"application/json, text/event-stream":                     false,
		"application/graphql-response+json, text/event-stream":    false,
		"application/json":                                        false,
		"*/*":                                                     false,
		"multipart/mixed;subscriptionSpec=1.0, application/json":  false,
		"application/graphql-response+json, multipart/mixed, */*": false,
	} {
		e := s.post(ada, accept, watchName)
		kind := e.answer.Header.Get("Content-Type")
		if streams != strings.HasPrefix(kind, "text/event-stream") {
			t.Errorf("%s: %s", accept, kind)
		}
		if streams {
			e.expect(nextEvent("Ada"))
			continue
		}
		text, err := io.ReadAll(e.answer.Body)
		if err != nil || !strings.Contains(string(text), `"BAD_REQUEST"`) || !strings.Contains(string(text), "graphql-transport-ws") {
			t.Errorf("%s: %s %v", accept, text, err)
		}
	}
}

// A stream ends with its token, and says so.
func TestEventStreamExpiry(t *testing.T) {
	s := newLiveServer(t)
	e := s.post(ada, "text/event-stream", watchName, func(c jwt.MapClaims) { c["exp"] = time.Now().Unix() - 3 })
	e.expect(nextEvent("Ada"))
	if got := e.event(); !strings.Contains(got, `"TOKEN_EXPIRED"`) {
		t.Error(got)
	}
	e.expect(completeEvent, "end")
}

// Comments keep the connection alive while nothing changes.
func TestEventStreamKeepAlive(t *testing.T) {
	s := newLiveServer(t, func(o *endpoint.Options) { o.Hurry(soon, 20*time.Millisecond, soon, soon) })
	e := s.post(ada, "text/event-stream", watchName)
	e.expect(nextEvent("Ada"))
	for comments := 0; comments < 5; {
		line, err := e.lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == ":\n" {
			comments++
		}
	}
	s.rename(ada, "Ada King")
	e.expect(nextEvent("Ada King"))
}

// A server that stops ends its streams without a complete, so that clients connect again.
func TestEventStreamShutdown(t *testing.T) {
	s := newLiveServer(t)
	e := s.post(ada, "text/event-stream", watchName)
	e.expect(nextEvent("Ada"))
	if err := s.handler.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	e.expect("end")
	refused := s.post(ada, "text/event-stream", watchName)
	text, _ := io.ReadAll(refused.answer.Body)
	if refused.answer.StatusCode != 503 || refused.answer.Header.Get("Retry-After") == "" || !strings.Contains(string(text), `"UNAVAILABLE"`) {
		t.Error(refused.answer.Status, string(text))
	}
}

// Over HTTP/2 a deadline ends a stream even while nothing is written: it must not outlast the write that it is for.
func TestEventStreamRestsOverHTTP2(t *testing.T) {
	const write = 100 * time.Millisecond
	s := newLiveServer(t, func(o *endpoint.Options) { o.Hurry(soon, soon, soon, write) })
	server := httptest.NewUnstartedServer(s.root)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	transport := &http.Transport{Protocols: server.Config.Protocols}
	t.Cleanup(transport.CloseIdleConnections)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/graphql", strings.NewReader(watchName))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"text/event-stream"}, "Authorization": {"Bearer " + s.issuer.Token(ada)}}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.ProtoMajor != 2 {
		t.Fatal(answer.Proto)
	}
	e := &events{t: t, answer: answer, lines: bufio.NewReader(answer.Body)}
	e.expect(nextEvent("Ada"))
	time.Sleep(3 * write)
	s.rename(ada, "Ada King")
	e.expect(nextEvent("Ada King"))
}

// Who does not read is cut off.
func TestEventStreamSlowClient(t *testing.T) {
	s := newLiveServer(t, func(o *endpoint.Options) { o.Hurry(soon, soon, soon, 200*time.Millisecond) })
	e := s.post(ada, "text/event-stream", `{"query":"subscription { me { fullName `+aliases(28)+` } }"}`)
	if got := e.event(); !strings.Contains(got, "Ada") {
		t.Error(got)
	}
	for round := 0; s.handler.Connections() == 1; round++ {
		s.pg.Exec(t, "update users set avatar_url = $2 where id = $1", ada, longURL+time.Now().String())
		if round > 10_000 {
			t.Fatal("it is never cut off")
		}
	}
}
