// Package standin stands in for a model where there is none: it speaks the protocol of OpenAI's chat completions over HTTP,
// and answers the same question in the same way each time.
//
//	what did I note about Berlin?   calls SearchNotes, and reads out what that returns
//	count to 100                    counts, for as long as that takes
//	anything else                   is repeated
//
// It is as gullible as a model can be: an instruction in what a tool returns, CALL <tool> <arguments>, is obeyed.
package standin

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"example.com/assistant/llm"
)

// StandIn is the handler. Pause is the time between two words.
type StandIn struct{ Pause time.Duration }

// Start serves a stand-in on a free port of this machine, and returns its address.
func Start() (url string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: StandIn{20 * time.Millisecond}, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // as long as the program
	return "http://" + listener.Addr().String(), nil
}

var (
	about       = regexp.MustCompile(`(?i)\babout ([^?.!]+)`)
	countTo     = regexp.MustCompile(`(?i)\bcount to (\d{1,4})\b`)
	instruction = regexp.MustCompile(`CALL (\w+) (\{[^}]*\})`)
	noted       = regexp.MustCompile(`"body":("(?:[^"\\]|\\.)*")`)
)

func (s StandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var question llm.Question
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<20)).Decode(&question); err != nil || len(question.Messages) == 0 {
		http.Error(w, `{"error":{"message":"no question"}}`, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	words, tool, arguments := reply(question)
	asked := 0
	for _, message := range question.Messages {
		asked += len(strings.Fields(message.Content))
	}
	send := func(format string, values ...any) bool {
		_, err := fmt.Fprintf(w, "data: "+format+"\n\n", values...)
		return err == nil && http.NewResponseController(w).Flush() == nil
	}
	if tool != "" {
		send(`{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"call_%d","type":"function","function":{"name":%q,"arguments":%s}}]}}]}`,
			len(question.Messages), tool, text(arguments))
		send(`{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}`)
	} else {
		for _, word := range words {
			select {
			case <-r.Context().Done():
				return
			case <-time.After(s.Pause):
			}
			if !send(`{"choices":[{"delta":{"content":%s}}]}`, text(word)) {
				return
			}
		}
		send(`{"choices":[{"delta":{},"finish_reason":"stop"}]}`)
	}
	send(`{"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}`, asked, len(words)+1, asked+len(words)+1)
	send("[DONE]")
}

// reply returns the words of an answer, or a call of a tool.
func reply(question llm.Question) (words []string, tool, arguments string) {
	last := question.Messages[len(question.Messages)-1]
	if last.Role == "tool" {
		if found := instruction.FindStringSubmatch(strings.ReplaceAll(last.Content, `\"`, `"`)); found != nil && len(question.Tools) > 0 {
			return nil, found[1], found[2]
		}
		return strings.SplitAfter(readOut(last.Content), " "), "", ""
	}
	if found := countTo.FindStringSubmatch(last.Content); found != nil {
		number, _ := strconv.Atoi(found[1])
		for i := range number {
			words = append(words, fmt.Sprintf("%d ", i+1))
		}
		return words, "", ""
	}
	if found := about.FindStringSubmatch(last.Content); found != nil && len(question.Tools) > 0 {
		return nil, "SearchNotes", `{"query":` + text(found[1]) + `}`
	}
	return strings.SplitAfter("You said: "+last.Content, " "), "", ""
}

// readOut says which notes a tool has returned.
func readOut(result string) string {
	var notes []string
	for _, found := range noted.FindAllStringSubmatch(result, -1) {
		var note string
		if json.Unmarshal([]byte(found[1]), &note) == nil {
			notes = append(notes, "“"+note+"”")
		}
	}
	if len(notes) == 0 {
		return "I found nothing in your notes."
	}
	return "You noted: " + strings.Join(notes, ", and ") + "."
}

// text is a text as JSON.
func text(of string) string {
	encoded, _ := json.Marshal(of)
	return string(encoded)
}
