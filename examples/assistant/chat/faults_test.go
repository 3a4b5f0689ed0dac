package chat_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/assistant/standin"
)

const (
	hello    = `data: {"choices":[{"delta":{"content":"Hello"}}]}` + "\n\n"
	finished = `data: {"choices":[{"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	counted  = `data: {"choices":[],"usage":{"total_tokens":42}}` + "\n\ndata: [DONE]\n\n"
)

// events answers with a stream.
func events(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprint(w, text)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error":{"message":"Incorrect API key provided: sk-hunter2"}}`, code)
	}
}

// A provider that fails costs the user what it has counted, says its code and no secret, and leaves the thread as it is.
func TestProvidersThatFail(t *testing.T) {
	for name, test := range map[string]struct {
		provider http.HandlerFunc
		want     string // the last event
		stored   string // of the answer
		used     string // SQL
	}{
		"good":             {events(hello + finished + counted), "[DONE]", `finished [{"text": "Hello", "type": "text"}]`, "= 42"},
		"no count":         {events(hello + finished), "[DONE]", `finished [{"text": "Hello", "type": "text"}]`, "between 100 and 5000"},
		"a count too high": {events(hello + finished + strings.Replace(counted, "42", "999999", 1)), "[DONE]", `finished [{"text": "Hello", "type": "text"}]`, "= 50000"},
		"a count below 0":  {events(hello + finished + strings.Replace(counted, "42", "-42", 1)), "[DONE]", `finished [{"text": "Hello", "type": "text"}]`, "between 100 and 5000"},
		"cut off":          {events(hello), "UNAVAILABLE: the answer of the model broke off", `failed [{"text": "Hello", "type": "text"}]`, "between 100 and 5000"},
		"nothing":          {events(""), "UNAVAILABLE: the answer of the model broke off", `failed []`, "between 100 and 5000"},
		"garbage":          {events(hello + "data: <html>\n\n"), "UNAVAILABLE: the answer of the model broke off", `failed [{"text": "Hello", "type": "text"}]`, "between 100 and 5000"},
		"an error":         {events(hello + `data: {"error":{"message":"sk-hunter2"}}` + "\n\n"), "UNAVAILABLE: the answer of the model broke off", `failed [{"text": "Hello", "type": "text"}]`, "between 100 and 5000"},
		"endless":          {events(strings.Repeat(hello, 5000)), "UNAVAILABLE: the answer of the model broke off", `failed [`, "between 5000 and 50000"},
		"a line too long":  {events(hello + "data: " + strings.Repeat("x", 2<<20)), "UNAVAILABLE: the answer of the model broke off", `failed [`, "between 100 and 5000"},
		"too many tools": {events(`data: {"choices":[{"delta":{"tool_calls":[{"index":9,"id":"a","function":{"name":"Notes","arguments":"{}"}}]}}]}` + "\n\n"),
			"UNAVAILABLE: the answer of the model broke off", `failed []`, "between 100 and 5000"},
		"tools for ever": {events(`data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"WhoAmI","arguments":""}}]},"finish_reason":"tool_calls"}]}` + "\n\n" + counted),
			"UNAVAILABLE: the answer of the model broke off", `failed [{"type": "tool-WhoAmI"`, "= 4 * 42"},
		"arguments that are no JSON": {onceThen(events(`data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"SearchNotes","arguments":"{\"query\":"}}]},"finish_reason":"tool_calls"}]}`+"\n\n"+counted), events(hello+finished+counted)),
			"[DONE]", `finished [{"type": "tool-SearchNotes", "input": {}, "state": "output-error"`, "= 2 * 42"},
		"429":          {status(429), "RATE_LIMITED: the model has too many questions, try again later", `failed []`, "= 0"},
		"500":          {status(500), "UNAVAILABLE: the model does not answer, try again", `failed []`, "= 0"},
		"401":          {status(401), "UNAVAILABLE: the model does not answer, try again", `failed []`, "= 0"},
		"a redirect":   {http.RedirectHandler("https://example.com/", http.StatusTemporaryRedirect).ServeHTTP, "UNAVAILABLE: the model does not answer, try again", `failed []`, "= 0"},
		"500 and good": {onceThen(status(503), events(hello+finished+counted)), "[DONE]", `finished [{"text": "Hello", "type": "text"}]`, "= 42"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, test.provider)
			thread := s.thread(ada)
			code, got := s.ask(ada, thread, "Hello")
			if code != http.StatusOK || !strings.Contains(got[len(got)-1], test.want) {
				t.Errorf("%d %s", code, got)
			}
			stored := s.stored(ada, thread)
			if len(stored) != 2 || !strings.HasPrefix(stored[1], "assistant "+test.stored) {
				t.Errorf("stored %s", stored)
			}
			if all := strings.Join(append(got, stored...), ""); strings.Contains(all, "hunter2") {
				t.Error(all)
			}
			s.Exec(t, "do $$ begin if not (select used "+test.used+" from public.usage where user_id = '"+ada.String()+"') then raise exception 'used %', (select used from public.usage where user_id = '"+ada.String()+"'); end if; end $$")
			s.settled()
		})
	}
}

// onceThen answers the first request by one handler, and the others by another.
func onceThen(first, then http.HandlerFunc) http.HandlerFunc {
	var asked atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			first(w, r)
		} else {
			then(w, r)
		}
	}
}

// slow says Hello, tells that it has, and then only that it lives, until its client has left.
func slow(began, left chan<- struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		events(hello)(w, r)
		_ = http.NewResponseController(w).Flush()
		began <- struct{}{}
		for {
			select {
			case <-time.After(5 * time.Second):
				_, _ = fmt.Fprint(w, ":\n\n")
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				left <- struct{}{}
				return
			}
		}
	}
}

// A client that leaves ends the call of the model. What was said is stored, and what it has cost is settled.
func TestClientLeaves(t *testing.T) {
	began, left := make(chan struct{}), make(chan struct{})
	s := serve(t, slow(began, left))
	thread := s.thread(ada)
	ctx, leave := context.WithCancel(t.Context())
	answer, err := s.post(ctx, ada, thread, "Hello")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	<-began
	for lines := bufio.NewScanner(answer.Body); lines.Scan() && !strings.Contains(lines.Text(), "Hello"); {
	}
	leave()
	<-left
	s.Stop() // waits until the answer is stored
	expectLines(t, s.stored(ada, thread), `user finished [{"text": "Hello", "type": "text"}]`, `assistant stopped [{"text": "Hello", "type": "text"}]`)
	s.settled()
}

// A server that stops ends its answers, stores and settles them, and tells the clients.
func TestServerStops(t *testing.T) {
	began, left := make(chan struct{}, 10), make(chan struct{}, 10)
	s := serve(t, slow(began, left))
	thread := s.thread(ada)
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			if status, got := s.ask(ada, thread, "Hello"); status != http.StatusOK || !strings.Contains(got[len(got)-1], "UNAVAILABLE: the server is stopping") {
				t.Errorf("%d %s", status, got)
			}
		})
	}
	for range 10 {
		<-began
	}
	s.Stop()
	group.Wait()
	if all := strings.Join(s.stored(ada, thread), "\n"); strings.Count(all, "assistant stopped [") != 10 {
		t.Error(all)
	}
	s.settled()
}

// A hundred questions at once use no more than the limit, and get an answer or its code.
func TestQuotaAtOnce(t *testing.T) {
	s := serve(t, standin.StandIn{})
	s.Exec(t, "update public.usage set token_limit = 20000 where user_id = $1", ada)
	thread := s.thread(ada)
	var answered, refused atomic.Int64
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			switch status, got := s.ask(ada, thread, "Hello"); {
			case status == http.StatusOK && got[len(got)-1] == "[DONE]":
				answered.Add(1)
			case status == http.StatusBadRequest && strings.Contains(got[0], "QUOTA_EXCEEDED"):
				refused.Add(1)
			default:
				t.Errorf("%d %s", status, got)
			}
			if used := s.used(ada); used > 20000 {
				t.Error("used", used)
			}
		})
	}
	group.Wait()
	if answered.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d answered, %d refused", answered.Load(), refused.Load())
	}
	s.settled()
}
