package llm

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// What a provider may send.
const (
	maxLineBytes   = 1 << 20
	maxStreamBytes = 8 << 20
	maxTextBytes   = 16 << 10
	maxCalls       = 4
	maxArguments   = 4 << 10
	maxTokens      = 1_000_000
)

// chunk is an event of a stream.
type chunk struct {
	Choices []struct {
		Delta struct {
			Content   string
			ToolCalls []struct {
				Index    int
				ID       string
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}
		FinishReason string `json:"finish_reason"`
	}
	Usage *struct {
		TotalTokens int `json:"total_tokens"`
	}
	Error json.RawMessage
}

// read reads an answer to a question of so many bytes. It calls alive for each line.
func read(body io.Reader, asked int, alive func(), said func(string) error) (answer Answer, err error) {
	chunks, counted := 0, 0
	var text strings.Builder
	defer func() {
		answer.Text = text.String()
		if answer.Tokens = counted; counted == 0 {
			answer.Tokens = asked/bytesPerToken + max(chunks, text.Len()/bytesPerToken)
		}
	}()
	lines := bufio.NewScanner(io.LimitReader(body, maxStreamBytes))
	lines.Buffer(nil, maxLineBytes)
	finished := false
	places := map[int]int{} // in answer.Calls, by index
	for lines.Scan() {
		alive()
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data:"))
		if data = bytes.TrimSpace(data); !ok || len(data) == 0 {
			continue // a comment, or the end of an event
		}
		if string(data) == "[DONE]" {
			finished = true
			break
		}
		var event chunk
		if err := json.Unmarshal(data, &event); err != nil {
			return answer, fmt.Errorf("%w: an event is not JSON of the protocol", ErrBroken)
		}
		if len(event.Error) > 0 && string(event.Error) != "null" {
			return answer, fmt.Errorf("%w: the provider reports an error", ErrBroken)
		}
		if event.Usage != nil && event.Usage.TotalTokens > 0 && event.Usage.TotalTokens <= maxTokens {
			counted = event.Usage.TotalTokens
		}
		if len(event.Choices) == 0 {
			continue
		}
		chunks++
		choice := event.Choices[0]
		finished = finished || choice.FinishReason != ""
		for _, call := range choice.Delta.ToolCalls {
			place, begun := places[call.Index]
			// Ollama and others have sent all calls with index 0. https://github.com/ollama/ollama/issues/15457
			another := begun && call.Function.Name != "" && call.ID != "" && call.ID != answer.Calls[place].ID
			if !begun || another {
				if call.Index < 0 || call.Index > len(answer.Calls) || len(answer.Calls) == maxCalls {
					return answer, fmt.Errorf("%w: more than %d calls of tools, or out of order", ErrBroken, maxCalls)
				}
				place = len(answer.Calls)
				places[call.Index] = place
				answer.Calls = append(answer.Calls, ToolCall{ID: call.ID, Type: "function"})
			}
			known := &answer.Calls[place]
			known.Function.Name += call.Function.Name
			known.Function.Arguments += call.Function.Arguments
			if len(known.Function.Name)+len(known.Function.Arguments) > maxArguments {
				return answer, fmt.Errorf("%w: the arguments of a tool are too long", ErrBroken)
			}
		}
		// jsonb knows no character 0.
		if piece := strings.ReplaceAll(choice.Delta.Content, "\x00", ""); piece != "" {
			if text.Len()+len(piece) > maxTextBytes {
				return answer, fmt.Errorf("%w: it is too long", ErrBroken)
			}
			text.WriteString(piece)
			if err := said(piece); err != nil {
				return answer, err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return answer, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if !finished {
		return answer, fmt.Errorf("%w: it has no end", ErrBroken)
	}
	return answer, nil
}
