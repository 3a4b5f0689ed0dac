package chat

import (
	"encoding/json"
	"fmt"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// stream writes the UI message stream of the Vercel AI SDK, version 1: no field more than its clients insist on, since they
// refuse those that they do not know. https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol
type stream struct {
	send   func([]byte) error
	inText bool // text-start was sent, and no text-end
}

// event is an event of the stream.
type event struct {
	Type       string          `json:"type"`
	ID         string          `json:"id,omitempty"`
	Delta      string          `json:"delta,omitempty"`
	ToolCallID string          `json:"toolCallId,omitempty"`
	ToolName   string          `json:"toolName,omitempty"`
	Input      json.RawMessage `json:"input,omitempty"`
	Output     json.RawMessage `json:"output,omitempty"`
	ErrorText  string          `json:"errorText,omitempty"`
}

func (s *stream) write(events ...event) error {
	for _, e := range events {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if err := s.send(text); err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) start() error { return s.write(event{Type: "start"}) }

func (s *stream) startStep() error { return s.write(event{Type: "start-step"}) }

func (s *stream) text(delta string) error {
	if !s.inText {
		s.inText = true
		if err := s.write(event{Type: "text-start", ID: "text"}); err != nil {
			return err
		}
	}
	return s.write(event{Type: "text-delta", ID: "text", Delta: delta})
}

func (s *stream) endText() error {
	if !s.inText {
		return nil
	}
	s.inText = false
	return s.write(event{Type: "text-end", ID: "text"})
}

func (s *stream) endStep() error { return s.write(event{Type: "finish-step"}) }

func (s *stream) toolInput(id, name string, input json.RawMessage) error {
	return s.write(event{Type: "tool-input-available", ToolCallID: id, ToolName: name, Input: input})
}

func (s *stream) toolOutput(id, result string, ok bool) error {
	if !ok {
		return s.write(event{Type: "tool-output-error", ToolCallID: id, ErrorText: result})
	}
	return s.write(event{Type: "tool-output-available", ToolCallID: id, Output: asJSON(result)})
}

func (s *stream) finish() error {
	if err := s.write(event{Type: "finish"}); err != nil {
		return err
	}
	return s.send([]byte("[DONE]"))
}

// failed is the last event of a stream that fails. Its text begins with a code of docs/errors.md.
func failed(err *gqlerror.Error) []byte {
	text, _ := json.Marshal(event{Type: "error", ErrorText: fmt.Sprintf("%v: %s", err.Extensions["code"], err.Message)})
	return text
}

// asJSON is a result of a tool as JSON: it may have been cut.
func asJSON(result string) json.RawMessage {
	if json.Valid([]byte(result)) {
		return json.RawMessage(result)
	}
	text, _ := json.Marshal(result)
	return text
}

// parts are those of a UIMessage, as the page shows it again.
type parts []part

type part struct {
	Type       string          `json:"type"`
	Text       string          `json:"text,omitempty"`
	ToolCallID string          `json:"toolCallId,omitempty"`
	State      string          `json:"state,omitempty"`
	Input      json.RawMessage `json:"input,omitempty"`
	Output     json.RawMessage `json:"output,omitempty"`
	ErrorText  string          `json:"errorText,omitempty"`
}

func (p *parts) text(text string) { *p = append(*p, part{Type: "text", Text: text}) }

func (p *parts) tool(id, name string, input json.RawMessage, result string, ok bool) {
	called := part{Type: "tool-" + name, ToolCallID: id, State: "output-available", Input: input}
	if ok {
		called.Output = asJSON(result)
	} else {
		called.State, called.ErrorText = "output-error", result
	}
	*p = append(*p, called)
}

// MarshalJSON implements json.Marshaler: no parts are an empty list.
func (p parts) MarshalJSON() ([]byte, error) {
	if p == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]part(p))
}
