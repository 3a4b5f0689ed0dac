// Package llm answers one question: how is a model asked?
//
// Client speaks the streamed chat completions that providers and local servers have in common: OpenAI and those compatible
// with it, Ollama, vLLM, llama.cpp.
package llm

import (
	"context"
	"encoding/json"
	"errors"
)

// Model answers questions.
type Model interface {
	// Answer returns the whole answer, and calls said for each piece of its text as it comes. With an error it returns what
	// has come until then.
	Answer(ctx context.Context, question Question, said func(text string) error) (Answer, error)
}

// Question is what a model is asked: a conversation, and the tools that it may call.
type Question struct {
	Messages []Message `json:"messages"`
	Tools    []Tool    `json:"tools,omitempty"`
	// MaxTokens bounds the answer.
	MaxTokens int `json:"max_tokens"`
}

// Message is a message of a conversation. The role is system, user, assistant or tool.
type Message struct {
	Role       string     `json:"role"`
	Content    string     `json:"content"`
	ToolCalls  []ToolCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"` // of role tool: the call that this answers
}

// Tool is a function that the model may ask to call.
type Tool struct {
	Type     string   `json:"type"`
	Function Function `json:"function"`
}

// Function describes a function. Parameters is a JSON Schema.
type Function struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
}

// ToolCall is a call that the model asks for. Arguments is JSON as the model has written it, which may be wrong.
type ToolCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// Answer is what a model has answered.
type Answer struct {
	Text  string
	Calls []ToolCall
	// Tokens are those of question and answer: as the provider has counted them, or an estimate if it has not.
	Tokens int
}

// The ways in which a model fails.
var (
	ErrUnavailable = errors.New("the model does not answer")
	ErrBusy        = errors.New("the model has too many questions")
	ErrBroken      = errors.New("the answer of the model broke off")
)

// bytesPerToken is low, so that estimates are rather too high: English has four, other languages have fewer.
const bytesPerToken = 3

// Estimate returns about how many tokens a question and its longest answer have.
func Estimate(question Question) int {
	text, _ := json.Marshal(question)
	return len(text)/bytesPerToken + question.MaxTokens
}
