package llm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	key   = "sk-hunter2"
	hello = `data: {"choices":[{"delta":{"content":"Hello"}}]}` + "\n\n"
	stop  = `data: {"choices":[{"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	usage = `data: {"choices":[],"usage":{"total_tokens":42}}` + "\n\n"
	done  = "data: [DONE]\n\n"
)

var question = Question{Messages: []Message{{Role: "user", Content: "Hello?"}}, MaxTokens: 7}

// say sends text at once.
func say(w http.ResponseWriter, text string) {
	_, _ = io.WriteString(w, text)
	_ = http.NewResponseController(w).Flush()
}

// says is a provider that answers with a stream.
func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		say(w, text)
	}
}

// refuses is a provider that answers with a status and a field Retry-After.
func refuses(status int, after string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		w.WriteHeader(status)
	}
}

// aborts is a provider that closes the connection after it has said text.
func aborts(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if text != "" {
			say(w, text)
		}
		panic(http.ErrAbortHandler)
	}
}

// raw is a provider that answers with these bytes.
func raw(t *testing.T, response string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, response)
	}
}

// onLoopback returns a client of a provider.
func onLoopback(t *testing.T, provider http.Handler) *Client {
	t.Helper()
	server := httptest.NewServer(provider)
	client := New(server.URL+"/v1/", "a-model", key)
	t.Cleanup(func() {
		client.http.CloseIdleConnections()
		server.Close()
	})
	return client
}

// pipes are connections in memory. Time in a bubble of synctest stands still while somebody waits for a socket, but not
// while somebody waits for a pipe.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error {
	close(p)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// inBubble returns a client of a provider, both in the bubble of the test.
func inBubble(t *testing.T, provider http.Handler) *Client {
	t.Helper()
	listener, server := make(pipes), &http.Server{Handler: provider}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()
	client := New("http://localhost", "a-model", key)
	client.http.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		listener <- far
		return near, nil
	}
	t.Cleanup(func() {
		client.http.CloseIdleConnections()
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return client
}

// quiet is for answers of which the pieces do not matter.
func quiet(string) error { return nil }

func TestRequest(t *testing.T) {
	for name, key := range map[string]string{"with a key": key, "without": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requests, bodies := make(chan *http.Request, 1), make(chan []byte, 1)
			client := onLoopback(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				requests <- r
				bodies <- body
				says(hello+stop+done)(w, r)
			}))
			client.key = key
			if _, err := client.Answer(t.Context(), question, quiet); err != nil {
				t.Fatal(err)
			}
			got, body := <-requests, <-bodies
			var authorization []string
			if key != "" {
				authorization = []string{"Bearer " + key}
			}
			if got.Method != http.MethodPost || got.URL.Path != "/v1/chat/completions" || !slices.Equal(got.Header["Authorization"], authorization) ||
				got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Accept") != "text/event-stream" {
				t.Error(got.Method, got.URL, got.Header)
			}
			want := `{"model":"a-model","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Hello?"}],"max_tokens":7}`
			if string(body) != want {
				t.Errorf("%s", body)
			}
		})
	}
}

// A question is asked again, after a pause, until the beginning of an answer has come, and three times at most.
func TestRetries(t *testing.T) {
	const own = -1 // the client's own pause, which is random
	in := func(pause time.Duration, layout string) string {
		// The clock of a bubble begins here.
		return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(pause).Format(layout)
	}
	good := says(hello + stop + usage + done)
	type providers = []http.HandlerFunc
	for name, test := range map[string]struct {
		providers providers // the first request is for the first, …
		pauses    []time.Duration
		want      error
	}{
		"good":                   {providers{good}, nil, nil},
		"429":                    {providers{refuses(429, ""), good}, []time.Duration{own}, nil},
		"500":                    {providers{refuses(500, ""), good}, []time.Duration{own}, nil},
		"502 and 503":            {providers{refuses(502, ""), refuses(503, ""), good}, []time.Duration{own, own}, nil},
		"no connection":          {providers{aborts(""), good}, []time.Duration{own}, nil},
		"no HTTP":                {providers{raw(t, "220 smtp\r\n"), good}, []time.Duration{own}, nil},
		"429 for ever":           {providers{refuses(429, ""), refuses(429, ""), refuses(429, ""), good}, []time.Duration{own, own}, ErrBusy},
		"503 for ever":           {providers{refuses(503, ""), refuses(503, ""), refuses(503, ""), good}, []time.Duration{own, own}, ErrUnavailable},
		"no connection for ever": {providers{aborts(""), aborts(""), aborts(""), good}, []time.Duration{own, own}, ErrUnavailable},
		"the last error counts":  {providers{refuses(429, ""), aborts(""), refuses(500, ""), good}, []time.Duration{own, own}, ErrUnavailable},
		"429, then 401":          {providers{refuses(429, ""), refuses(401, ""), good}, []time.Duration{own}, ErrUnavailable},

		"seconds":                 {providers{refuses(429, "3"), good}, []time.Duration{3 * time.Second}, nil},
		"as long as one waits":    {providers{refuses(429, "10"), good}, []time.Duration{maxPause}, nil},
		"longer":                  {providers{refuses(429, "11"), good}, nil, ErrBusy},
		"seconds of a 503":        {providers{refuses(503, "9"), good}, []time.Duration{9 * time.Second}, nil},
		"seconds, twice":          {providers{refuses(429, "3"), refuses(429, "4"), good}, []time.Duration{3 * time.Second, 4 * time.Second}, nil},
		"seconds, then none":      {providers{refuses(429, "3"), refuses(429, ""), good}, []time.Duration{3 * time.Second, own}, nil},
		"no seconds":              {providers{refuses(429, "0"), good}, []time.Duration{own}, nil},
		"an hour":                 {providers{refuses(429, "3600"), good}, nil, ErrBusy},
		"three hundred years":     {providers{refuses(429, "10000000000"), good}, nil, ErrBusy},
		"no number of 64 bits":    {providers{refuses(429, "99999999999999999999"), good}, nil, ErrBusy},
		"below zero":              {providers{refuses(429, "-3"), good}, []time.Duration{own}, nil},
		"far below zero":          {providers{refuses(429, "-10000000000"), good}, []time.Duration{own}, nil},
		"a fraction":              {providers{refuses(429, "3.5"), good}, []time.Duration{own}, nil},
		"a duration":              {providers{refuses(429, "3s"), good}, []time.Duration{own}, nil},
		"garbage":                 {providers{refuses(429, "soon"), good}, []time.Duration{own}, nil},
		"a date":                  {providers{refuses(429, in(3*time.Second, http.TimeFormat)), good}, []time.Duration{3 * time.Second}, nil},
		"a date of RFC 850":       {providers{refuses(429, in(3*time.Second, "Monday, 02-Jan-06 15:04:05 GMT")), good}, []time.Duration{3 * time.Second}, nil},
		"a date of asctime":       {providers{refuses(429, in(3*time.Second, time.ANSIC)), good}, []time.Duration{3 * time.Second}, nil},
		"a date in an hour":       {providers{refuses(429, in(time.Hour, http.TimeFormat)), good}, nil, ErrBusy},
		"a date that has been":    {providers{refuses(429, in(-time.Hour, http.TimeFormat)), good}, []time.Duration{own}, nil},
		"a date that is too long": {providers{refuses(429, in(3*time.Second, http.TimeFormat)+" soon"), good}, []time.Duration{own}, nil},

		"204": {providers{refuses(204, ""), good}, nil, ErrUnavailable},
		"307": {providers{http.RedirectHandler("/", http.StatusTemporaryRedirect).ServeHTTP, good}, nil, ErrUnavailable},
		"400": {providers{refuses(400, ""), good}, nil, ErrUnavailable},
		"401": {providers{refuses(401, ""), good}, nil, ErrUnavailable},
		"403": {providers{refuses(403, "1"), good}, nil, ErrUnavailable},
		"404": {providers{refuses(404, ""), good}, nil, ErrUnavailable},
		"413": {providers{refuses(413, "1"), good}, nil, ErrUnavailable},

		"after a token":       {providers{says(hello), good}, nil, ErrBroken},
		"cut off after one":   {providers{aborts(hello), good}, nil, ErrBroken},
		"error after one":     {providers{says(hello + `data: {"error":{"code":429}}` + "\n\n"), good}, nil, ErrBroken},
		"after the headers":   {providers{says(""), good}, nil, ErrBroken},
		"cut off after those": {providers{aborts(":\n\n"), good}, nil, ErrBroken},
	} {
		t.Run(name, func(t *testing.T) {
			for range 10 { // since pauses are random
				synctest.Test(t, func(t *testing.T) {
					var asked []time.Time
					client := inBubble(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						asked = append(asked, time.Now())
						test.providers[len(asked)-1](w, r)
					}))
					answer, err := client.Answer(t.Context(), question, quiet)
					if !errors.Is(err, test.want) || err == nil && (answer.Text != "Hello" || answer.Tokens != 42) {
						t.Errorf("%+v %v", answer, err)
					}
					if len(asked) != len(test.pauses)+1 {
						t.Fatalf("asked %d times", len(asked))
					}
					for i, want := range test.pauses {
						got := asked[i+1].Sub(asked[i])
						least := firstPause << i / 2
						if want == own && (got < least || got >= 3*least) || want != own && got != want {
							t.Errorf("pause %d is %s", i+1, got)
						}
					}
				})
			}
		})
	}
}

// A provider that is silent is left, and sees that.
func TestTimeouts(t *testing.T) {
	// alive sends comments, with pauses.
	alive := func(pause time.Duration, comments int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			say(w, hello)
			for range comments {
				select {
				case <-time.After(pause):
					say(w, ": alive\n\n")
				case <-r.Context().Done():
					return
				}
			}
			say(w, stop+done)
		}
	}
	for name, test := range map[string]struct {
		provider http.HandlerFunc
		asked    int
		took     time.Duration
		text     string
		want     error
	}{
		// The second attempt has what the first has left of answerTimeout.
		"no headers": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 2, answerTimeout, "", ErrUnavailable},
		"headers in time": {func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(headerTimeout - time.Second)
			says(hello+stop+done)(w, r)
		}, 1, headerTimeout - time.Second, "Hello", nil},
		"no token": {func(w http.ResponseWriter, r *http.Request) {
			say(w, "")
			<-r.Context().Done()
		}, 1, silence, "", ErrBroken},
		"no second token": {func(w http.ResponseWriter, r *http.Request) {
			say(w, hello)
			<-r.Context().Done()
		}, 1, silence, "Hello", ErrBroken},
		"half a line": {func(w http.ResponseWriter, r *http.Request) {
			say(w, hello+"data: {")
			<-r.Context().Done()
		}, 1, silence, "Hello", ErrBroken},
		"pauses below silence":        {alive(silence-time.Second, 4), 1, 4 * (silence - time.Second), "Hello", nil},
		"pauses above silence":        {alive(silence+time.Second, 1), 1, silence, "Hello", ErrBroken},
		"comments, but no answer":     {alive(silence-time.Second, 1000), 1, answerTimeout, "Hello", ErrBroken},
		"a connection that stays":     {func(w http.ResponseWriter, r *http.Request) { say(w, hello+stop+done); <-r.Context().Done() }, 1, 0, "Hello", nil},
		"a refusal that does not end": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404); say(w, "{"); <-r.Context().Done() }, 1, 0, "", ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked, ended := 0, 0
				client := inBubble(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					asked++
					defer func() { ended++ }()
					_, _ = io.Copy(io.Discard, r.Body) // a server sees that its client leaves when it has read the body
					test.provider(w, r)
				}))
				begin := time.Now()
				answer, err := client.Answer(t.Context(), question, quiet)
				if took := time.Since(begin); took != test.took || answer.Text != test.text || !errors.Is(err, test.want) {
					t.Errorf("%s, %+v %v", took, answer, err)
				}
				synctest.Wait()
				if asked != test.asked || ended != test.asked {
					t.Errorf("asked %d times, ended %d times", asked, ended)
				}
			})
		})
	}
}

// A caller that leaves in a pause does not wait for its end.
func TestCancelInPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		client := inBubble(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			refuses(429, "9")(w, r)
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		answer, err := client.Answer(ctx, question, quiet)
		if took := time.Since(begin); took != time.Second || !errors.Is(err, ErrBusy) || answer.Tokens != 0 || asked != 1 {
			t.Errorf("%s, asked %d times, %+v %v", took, asked, answer, err)
		}
	})
}

// A caller that leaves in the middle of an answer ends the connection.
func TestCancelInAnswer(t *testing.T) {
	gone := errors.New("gone")
	for name, test := range map[string]struct {
		said func(cancel func()) error
		want []error
	}{
		"the context ends":     {func(cancel func()) error { cancel(); return nil }, []error{ErrBroken, context.Canceled}},
		"what is said is lost": {func(func()) error { return gone }, []error{gone}},
		"both":                 {func(cancel func()) error { cancel(); return gone }, []error{gone}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			left := make(chan struct{}, 2)
			client := onLoopback(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				says(hello)(w, r)
				<-r.Context().Done()
				left <- struct{}{}
			}))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			answer, err := client.Answer(ctx, question, func(string) error { return test.said(cancel) })
			for _, want := range test.want {
				if !errors.Is(err, want) {
					t.Error(err)
				}
			}
			if answer.Text != "Hello" || answer.Tokens == 0 {
				t.Errorf("%+v", answer)
			}
			<-left
			if len(left) > 0 {
				t.Error("it was asked again")
			}
		})
	}
}

// delta is an event with pieces of calls.
func delta(pieces string) string {
	return `data: {"choices":[{"delta":{"tool_calls":[` + pieces + `]}}]}` + "\n\n"
}

func calls(of ...string) (calls []ToolCall) {
	for i := 0; i < len(of); i += 3 {
		call := ToolCall{ID: of[i], Type: "function"}
		call.Function.Name, call.Function.Arguments = of[i+1], of[i+2]
		calls = append(calls, call)
	}
	return calls
}

func TestStreams(t *testing.T) {
	const estimate = 0
	piece := func(text string) string { return strings.Replace(hello, "Hello", text, 1) }
	count := func(usage string) string { return `data: {"choices":[],"usage":` + usage + "}\n\n" }
	call := func(index int, id, name, arguments string) string {
		return fmt.Sprintf(`{"index":%d,"id":%q,"type":"function","function":{"name":%q,"arguments":%q}}`, index, id, name, arguments)
	}
	more := func(index int, arguments string) string {
		return fmt.Sprintf(`{"index":%d,"function":{"arguments":%q}}`, index, arguments)
	}
	for name, test := range map[string]struct {
		stream string
		text   string
		calls  []ToolCall
		tokens int // that the provider has counted
		want   error
	}{
		"good":                         {hello + piece(" you") + stop + usage + done, "Hello you", nil, 42, nil},
		"CRLF":                         {strings.ReplaceAll(hello+stop+usage+done, "\n", "\r\n"), "Hello", nil, 42, nil},
		"no spaces":                    {strings.ReplaceAll(hello+stop+usage+done, "data: ", "data:"), "Hello", nil, 42, nil},
		"other fields, and comments":   {": hi\n\nevent: x\nid: 1\nretry: 9\n" + hello + "data:\n\n" + stop + usage + done, "Hello", nil, 42, nil},
		"lines of no field":            {"garbage\n\x00\xff\n\n" + hello + stop + usage + done, "Hello", nil, 42, nil},
		"null":                         {`data: {"choices":[{"delta":{"content":null,"tool_calls":null},"finish_reason":null}],"usage":null,"error":null}` + "\n\n" + hello + stop + done, "Hello", nil, estimate, nil},
		"a role, and nothing":          {`data: {"choices":[{"delta":{"role":"assistant","content":""}}]}` + "\n\n" + hello + stop + done, "Hello", nil, estimate, nil},
		"a character 0":                {piece(`a\u0000b`) + stop + done, "ab", nil, estimate, nil},
		"nothing after the end counts": {hello + done + piece("!") + "data: garbage\n\n", "Hello", nil, estimate, nil},

		"no [DONE]":             {hello + stop, "Hello", nil, estimate, nil},
		"no [DONE], no newline": {hello + strings.TrimSpace(stop), "Hello", nil, estimate, nil},
		"no reason":             {hello + done, "Hello", nil, estimate, nil},
		"neither":               {hello, "Hello", nil, estimate, ErrBroken},
		"nothing":               {"", "", nil, estimate, ErrBroken},
		"half an event":         {hello + stop[:len(stop)/2], "Hello", nil, estimate, ErrBroken},

		"an event that is no JSON": {hello + "data: <html>\n\n" + stop + done, "Hello", nil, estimate, ErrBroken},
		"an event of another form": {hello + `data: {"choices":"x"}` + "\n\n" + stop + done, "Hello", nil, estimate, ErrBroken},
		"an error":                 {hello + `data: {"error":{"message":"overloaded"}}` + "\n\n" + stop + done, "Hello", nil, estimate, ErrBroken},
		"a page":                   {"<!doctype html>\n<title>Welcome</title>\n", "", nil, estimate, ErrBroken},
		"an answer that is whole":  {`{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}],"usage":{"total_tokens":42}}`, "", nil, estimate, ErrBroken},

		"a line that is long":     {":" + strings.Repeat("x", maxLineBytes-2) + "\n" + hello + stop + done, "Hello", nil, estimate, nil},
		"a line that is too long": {hello + ":" + strings.Repeat("x", maxLineBytes) + "\n" + stop + done, "Hello", nil, estimate, bufio.ErrTooLong},
		"a stream too long":       {hello + strings.Repeat(":"+strings.Repeat("x", maxLineBytes-2)+"\n", maxStreamBytes/maxLineBytes) + stop + done, "Hello", nil, estimate, ErrBroken},
		"a text that is long":     {piece(strings.Repeat("x", maxTextBytes)) + stop + done, strings.Repeat("x", maxTextBytes), nil, estimate, nil},
		"a text that is too long": {piece(strings.Repeat("x", maxTextBytes)) + piece("y") + stop + done, strings.Repeat("x", maxTextBytes), nil, estimate, ErrBroken},

		"counted in each event":       {hello + count(`{"total_tokens":7}`) + stop + usage + done, "Hello", nil, 42, nil},
		"counted with the last piece": {`data: {"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}],"usage":{"total_tokens":42}}` + "\n\n" + done, "Hello", nil, 42, nil},
		"counted, then broken":        {hello + usage, "Hello", nil, 42, ErrBroken},
		"no tokens":                   {hello + stop + count(`{"total_tokens":0}`) + done, "Hello", nil, estimate, nil},
		"no total":                    {hello + stop + count(`{"prompt_tokens":3}`) + done, "Hello", nil, estimate, nil},
		"tokens below zero":           {hello + stop + count(`{"total_tokens":-42}`) + done, "Hello", nil, estimate, nil},
		"too many tokens":             {hello + stop + count(`{"total_tokens":1000001}`) + done, "Hello", nil, estimate, nil},

		"a call in pieces":          {delta(call(0, "a", "Notes", "")) + delta(more(0, `{"q":`)) + delta(more(0, `1}`)) + stop + done, "", calls("a", "Notes", `{"q":1}`), estimate, nil},
		"text, and a call":          {hello + delta(call(0, "a", "Notes", "{}")) + stop + done, "Hello", calls("a", "Notes", "{}"), estimate, nil},
		"calls in turns":            {delta(call(0, "a", "Notes", "[")) + delta(call(1, "b", "Who", "{")) + delta(more(0, "]")) + delta(more(1, "}")) + stop + done, "", calls("a", "Notes", "[]", "b", "Who", "{}"), estimate, nil},
		"calls in an event":         {delta(call(0, "a", "Notes", "[")+","+call(1, "b", "Who", "{")) + delta(more(1, "}")+","+more(0, "]")) + stop + done, "", calls("a", "Notes", "[]", "b", "Who", "{}"), estimate, nil},
		"no index":                  {delta(`{"id":"a","function":{"name":"Notes","arguments":"{}"}}`) + stop + done, "", calls("a", "Notes", "{}"), estimate, nil},
		"calls with the same index": {delta(call(0, "a", "Notes", "[")) + delta(more(0, "]")) + delta(call(0, "b", "Notes", "{")) + delta(more(0, "}")) + stop + done, "", calls("a", "Notes", "[]", "b", "Notes", "{}"), estimate, nil},
		"an id in each piece":       {delta(call(0, "a", "Notes", "{")) + delta(call(0, "a", "", "}")) + stop + done, "", calls("a", "Notes", "{}"), estimate, nil},
		"other ids in each piece":   {delta(call(0, "a", "Notes", "{")) + delta(call(0, "b", "", "}")) + stop + done, "", calls("a", "Notes", "{}"), estimate, nil},

		"the second call first": {delta(call(1, "b", "Who", "{}")) + delta(call(0, "a", "Notes", "{}")) + stop + done, "", nil, estimate, ErrBroken},
		"a call left out":       {delta(call(0, "a", "Notes", "{}")) + delta(call(2, "b", "Who", "{}")) + stop + done, "", calls("a", "Notes", "{}"), estimate, ErrBroken},
		"an index below zero":   {delta(call(-1, "a", "Notes", "{}")) + stop + done, "", nil, estimate, ErrBroken},
		"four calls":            {delta(call(0, "a", "A", "")+","+call(1, "b", "B", "")+","+call(2, "c", "C", "")+","+call(3, "d", "D", "")) + stop + done, "", calls("a", "A", "", "b", "B", "", "c", "C", "", "d", "D", ""), estimate, nil},
		"five calls":            {delta(call(0, "a", "A", "")+","+call(1, "b", "B", "")+","+call(2, "c", "C", "")+","+call(3, "d", "D", "")+","+call(4, "e", "E", "")) + stop + done, "", calls("a", "A", "", "b", "B", "", "c", "C", "", "d", "D", ""), estimate, ErrBroken},
		"five with one index":   {delta(call(0, "a", "A", "")+","+call(0, "b", "B", "")+","+call(0, "c", "C", "")+","+call(0, "d", "D", "")+","+call(0, "e", "E", "")) + stop + done, "", calls("a", "A", "", "b", "B", "", "c", "C", "", "d", "D", ""), estimate, ErrBroken},
		"arguments too long":    {delta(call(0, "a", "A", strings.Repeat("x", maxArguments-1))) + delta(more(0, "y")) + stop + done, "", calls("a", "A", strings.Repeat("x", maxArguments-1)+"y"), estimate, ErrBroken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan int64, 1)
			client := onLoopback(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked <- r.ContentLength
				says(test.stream)(w, r)
			}))
			var said strings.Builder
			got, err := client.Answer(t.Context(), question, func(text string) error {
				said.WriteString(text)
				return nil
			})
			if !errors.Is(err, test.want) || test.want != nil && !errors.Is(err, ErrBroken) {
				t.Error(err)
			}
			if got.Text != test.text || said.String() != test.text || !reflect.DeepEqual(got.Calls, test.calls) {
				t.Errorf("%.999v, said %.99q", got, said.String())
			}
			least := int(<-asked)/bytesPerToken + len(test.text)/bytesPerToken
			if test.tokens != estimate && got.Tokens != test.tokens || test.tokens == estimate && (got.Tokens < least || got.Tokens > least+10) {
				t.Errorf("%d tokens, at least %d", got.Tokens, least)
			}
		})
	}
}

// A model may write a token an event, and a provider that does not count is estimated at no less.
func TestEstimateOfShortTokens(t *testing.T) {
	client := onLoopback(t, says(strings.Repeat(strings.Replace(hello, "Hello", "x", 1), 300)+done))
	answer, err := client.Answer(t.Context(), question, quiet)
	if err != nil || answer.Tokens < 300 {
		t.Errorf("%d tokens, %v", answer.Tokens, err)
	}
}

// A provider that sends the key back brings it into no error and no log, and a redirect takes it nowhere.
func TestKeyStaysHere(t *testing.T) {
	var logged bytes.Buffer
	defer log.SetOutput(log.Writer())
	log.SetOutput(&logged)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Error("a redirect was followed", r.Header) }))
	defer elsewhere.Close()
	event, _ := json.Marshal(map[string]any{"error": map[string]string{"message": "Incorrect API key provided: " + key}})
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
	t.Run("providers", func(t *testing.T) { // that are parallel
		for name, test := range map[string]struct {
			provider http.HandlerFunc
			want     error
		}{
			"a refusal": {func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("WWW-Authenticate", "Bearer "+key)
				http.Error(w, string(event), http.StatusUnauthorized)
			}, ErrUnavailable},
			"a status":                        {raw(t, "HTTP/1.1 401 "+key+"\r\nContent-Length: 0\r\n\r\n"), ErrUnavailable},
			"a redirect":                      {http.RedirectHandler(elsewhere.URL+"/"+key, http.StatusTemporaryRedirect).ServeHTTP, ErrUnavailable},
			"a redirect to nowhere":           {raw(t, "HTTP/1.1 307 No\r\nLocation: http://"+key+":%/\r\nContent-Length: 0\r\n\r\n"), ErrUnavailable},
			"a line that is no status":        {raw(t, key+"\r\n\r\n"), ErrUnavailable},
			"a status that is no number":      {raw(t, "HTTP/1.1 "+key+" No\r\n\r\n"), ErrUnavailable},
			"a field without a colon":         {raw(t, "HTTP/1.1 200 OK\r\nAuthorization Bearer "+key+"\r\n\r\n"), ErrUnavailable},
			"a length that is none":           {raw(t, "HTTP/1.1 200 OK\r\nContent-Length: "+key+"\r\n\r\n"), ErrUnavailable},
			"an event":                        {says(string(event)), ErrBroken},
			"an event that is an error":       {says("data: " + string(event) + "\n\n"), ErrBroken},
			"an event that is not JSON":       {says("data: " + key + "\n\n"), ErrBroken},
			"a trailer":                       {raw(t, chunked+"\r\n0\r\nAuthorization Bearer "+key+"\r\n\r\n"), ErrBroken},
			"the length of a piece":           {raw(t, chunked+"\r\n"+key+"\r\n\r\n"), ErrBroken},
			"the name of a tool out of order": {says(delta(`{"index":7,"function":{"name":"` + key + `"}}`)), ErrBroken},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				_, err := onLoopback(t, test.provider).Answer(t.Context(), question, quiet)
				if !errors.Is(err, test.want) {
					t.Error(err)
				}
				log.Print(err)
			})
		}
		t.Run("a key that is no field", func(t *testing.T) {
			t.Parallel()
			client := onLoopback(t, says(hello+done))
			client.key = key + "\n"
			_, err := client.Answer(t.Context(), question, quiet)
			if !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
			log.Print(err)
		})
	})
	if strings.Contains(logged.String(), "hunter2") {
		t.Error(logged.String())
	}
}
