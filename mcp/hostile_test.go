package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"usergraph/auth"
)

// marker is in every text of a hostile message, and must not be in an answer.
const marker = "s3cr3t"

// words show that Go or the SDK speak.
var words = []string{marker, "json:", "goroutine", "unmarshal", "Unmarshal", "struct", "jsonrpc2", "sdk", "panic", "invalid character", "<nil>", "reflect", "nil pointer", ".go:"}

// maxQuoted bounds an answer that quotes an argument.
const maxQuoted = 600

// statuses are those that a caller who is signed in can get.
var statuses = map[int]bool{200: true, 202: true, 400: true, 404: true, 405: true, 406: true, 413: true, 415: true, 503: true}

// hostileHandler serves tools with arguments of all kinds. errs counts what is logged as an error.
func hostileHandler(t testing.TB) (h http.Handler, errs *atomic.Int64) {
	errs = new(atomic.Int64)
	handler, err := newHandlerWithLog(t, slog.New(errorCounter{errs}), true,
		`"Reads anything." query ReadAnything($id: ID!, $ids: [UUID!], $since: DateTime, $at: Seconds, $size: Float = 1.5, $small: Boolean! = false, $color: Color = RED, $point: Point) {
			anything(id: $id, ids: $ids, since: $since, at: $at, size: $size, small: $small, color: $color, point: $point)
		}`,
		`"Finds pets." query FindPets($filter: Filter, $choice: Choice) { find(filter: $filter, choice: $choice) { __typename } }`,
		`"Changes." mutation Change { set }`, `"Needs two factors." query Strong { strong }`)
	if err != nil {
		t.Fatal(err)
	}
	return handler, errs
}

// errorCounter counts records of the level of errors.
type errorCounter struct{ count *atomic.Int64 }

func (e errorCounter) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelError
}
func (e errorCounter) Handle(context.Context, slog.Record) error { e.count.Add(1); return nil }
func (e errorCounter) WithAttrs([]slog.Attr) slog.Handler        { return e }
func (e errorCounter) WithGroup(string) slog.Handler             { return e }

// answersWell sends a body with headers, and returns what is wrong with the answer, or "".
func answersWell(h http.Handler, header http.Header, body []byte) (problem string) {
	r := httptest.NewRequest(http.MethodPost, "/mcp", bytes.NewReader(body))
	r.Header = header
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(auth.NewContext(r.Context(), caller)))
	text := w.Body.String()
	if !statuses[w.Code] {
		return fmt.Sprintf("status %d: %s", w.Code, text)
	}
	if w.Code == http.StatusAccepted {
		if text != "" {
			return "a notification is answered: " + text
		}
		return ""
	}
	var answer struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Result  json.RawMessage `json:"result"`
		Error   *struct {
			Code    *int    `json:"code"`
			Message *string `json:"message"`
		} `json:"error"`
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&answer); err != nil && !strings.Contains(err.Error(), `"data"`) {
		return fmt.Sprintf("no response, %v: %s", err, text)
	}
	if answer.JSONRPC != "2.0" || answer.ID == nil || (answer.Result == nil) == (answer.Error == nil) ||
		answer.Error != nil && (answer.Error.Code == nil || answer.Error.Message == nil || *answer.Error.Message == "") {
		return "no response of JSON-RPC: " + text
	}
	if answer.Error == nil && w.Code != http.StatusOK {
		return fmt.Sprintf("a result with status %d", w.Code)
	}
	var failed struct{ IsError bool }
	if answer.Error == nil && (json.Unmarshal(answer.Result, &failed) != nil || !failed.IsError) {
		return ""
	}
	shown := strings.Replace(text, `"id":`+string(answer.ID), "", 1)                              // the id is the client's
	shown = strings.Replace(shown, `"requested":"`+header.Get("Mcp-Protocol-Version")+`"`, "", 1) // the protocol demands it
	// What GraphQL says of an argument quotes it, shortened, so that a model can mend it.
	quotes := strings.Contains(shown, `"text":"GRAPHQL_VALIDATION_FAILED: Variable `)
	if quotes && len(shown) > maxQuoted {
		return fmt.Sprintf("it says %d bytes of an argument: %s", len(shown), text)
	}
	for _, word := range words {
		if strings.Contains(shown, word) && !(quotes && word == marker) {
			return fmt.Sprintf("it says %q: %s", word, text)
		}
	}
	return ""
}

// good are messages from which hostile ones are made.
var good = []string{
	`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":null}}`,
	`{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"ReadAnything","arguments":{"id":"1","ids":["a0000000-0000-4000-8000-000000000001"],"since":"2026-01-01T00:00:00Z","at":1,"size":1.5,"small":true,"color":"RED","point":{"x":1,"y":2}}}}`,
	`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"FindPets","arguments":{"filter":{"all":[{"color":"GREEN"},{"at":{"x":1}}]},"choice":{"id":"1"}},"_meta":{"progressToken":1}}}`,
	`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"Change","arguments":{},"task":{"ttl":1}}}`,
	`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{"listChanged":true},"sampling":{},"elicitation":{}},"clientInfo":{"name":"x","version":"1","icons":[{"src":"https://x/"}]}}}`,
	`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"x","version":"1"}}}}`,
	`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"Strong","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/logLevel":"debug"},"inputResponses":{"a":{"action":"accept"}},"requestState":"x"}}`,
	`{"jsonrpc":"2.0","id":1,"method":"ping"}`,
	`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"x"}}`,
	`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///etc/passwd"}}`,
	`{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"x"},"argument":{"name":"x","value":"y"}}}`,
	`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true}}}`,
	`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"x"}}`,
	`{"jsonrpc":"2.0","id":1,"result":{"roots":[]}}`,
}

// odd values take the place of others.
func odd(r *rand.Rand) any {
	return []any{
		nil, true, marker, "", marker + strings.Repeat("x", 3000), strings.Repeat(marker, 9000), 0, -1, 1.5, 1e300, json.Number("1e999"), json.Number("-0"), json.Number("99999999999999999999"),
		[]any{}, []any{marker}, map[string]any{}, map[string]any{marker: marker}, []any{[]any{[]any{marker}}}, "\u0000" + marker, "\u202e" + marker, "2026-07-28", "tools/call",
	}[r.IntN(22)]
}

// spoil changes a value somewhere within.
func spoil(r *rand.Rand, value any) any {
	switch of := value.(type) {
	case map[string]any:
		if len(of) == 0 || r.IntN(8) == 0 {
			return odd(r)
		}
		names := make([]string, 0, len(of))
		for name := range of {
			names = append(names, name)
		}
		name := names[r.IntN(len(names))]
		switch r.IntN(10) {
		case 0:
			delete(of, name)
		case 1:
			of[marker] = odd(r)
		case 2:
			of[strings.ToUpper(name)] = of[name]
			delete(of, name)
		default:
			of[name] = spoil(r, of[name])
		}
		return of
	case []any:
		if len(of) == 0 || r.IntN(4) == 0 {
			return odd(r)
		}
		i := r.IntN(len(of))
		of[i] = spoil(r, of[i])
		return of
	}
	return odd(r)
}

// hostile makes a body and headers.
func hostile(r *rand.Rand) (http.Header, []byte) {
	var message any
	_ = json.Unmarshal([]byte(good[r.IntN(len(good))]), &message)
	header := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	if of, ok := message.(map[string]any); ok && r.IntN(2) == 0 {
		header.Set("Mcp-Protocol-Version", []string{"2025-03-26", "2025-11-25", "2026-07-28", "2026-07-28", "2026-07-28", "9999-01-01", marker}[r.IntN(7)])
		method, _ := of["method"].(string)
		params, _ := of["params"].(map[string]any)
		name, _ := params["name"].(string)
		header.Set("Mcp-Method", method)
		header.Set("Mcp-Name", name)
		if r.IntN(2) == 0 && params != nil {
			params["_meta"] = map[string]any{"io.modelcontextprotocol/protocolVersion": header.Get("Mcp-Protocol-Version"), "io.modelcontextprotocol/clientCapabilities": map[string]any{}}
		}
	}
	for range r.IntN(4) {
		message = spoil(r, message)
	}
	switch r.IntN(40) {
	case 0:
		header.Set([]string{"Accept", "Content-Type", "Mcp-Method", "Mcp-Name", "Mcp-Session-Id", "Last-Event-Id", "Mcp-Param-X"}[r.IntN(7)], marker)
	case 1:
		message = []any{message, message}
	}
	body, err := json.Marshal(message)
	if err != nil { // a number that encoding/json refuses
		body = []byte(`{"jsonrpc":"2.0","id":1e999}`)
	}
	if len(body) > 0 && r.IntN(10) == 0 {
		switch i := r.IntN(len(body)); r.IntN(3) {
		case 0:
			body = body[:i]
		case 1:
			body[i] = byte(r.IntN(256))
		default:
			body = append(body, body[i:]...)
		}
	}
	return header, body
}

// Whatever a caller sends, the answer is one of JSON-RPC in this server's own words, and nothing is an error of the server's.
func TestHostileMessages(t *testing.T) {
	h, errs := hostileHandler(t)
	for seed := range uint64(4000) {
		header, body := hostile(rand.New(rand.NewPCG(seed, 0)))
		if problem := answersWell(h, header, body); problem != "" {
			t.Errorf("seed %d: %v %s\n%s", seed, header, body, problem)
		}
		if t.Failed() && seed > 400 {
			break
		}
	}
	if errs.Load() > 0 {
		t.Errorf("%d errors are logged", errs.Load())
	}
}

// go test ./mcp -fuzz FuzzMessages
func FuzzMessages(f *testing.F) {
	h, errs := hostileHandler(f)
	for _, message := range good {
		f.Add([]byte(message), "2026-07-28", "tools/call", "ReadAnything")
		f.Add([]byte(message), "", "", "")
	}
	f.Fuzz(func(t *testing.T, body []byte, version, method, name string) {
		header := http.Header{"Content-Type": {"application/json"}, "Accept": {"*/*"}}
		for name, value := range map[string]string{"Mcp-Protocol-Version": version, "Mcp-Method": method, "Mcp-Name": name} {
			if value != "" {
				header.Set(name, value)
			}
		}
		if problem := answersWell(h, header, body); problem != "" && !strings.HasPrefix(problem, "it says") {
			t.Errorf("%s", problem)
		}
		if errs.Load() > 0 {
			t.Error("an error is logged")
		}
	})
}
