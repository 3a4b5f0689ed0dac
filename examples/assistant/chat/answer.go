package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"example.com/assistant/llm"
	"example.com/assistant/models"
)

// maxResult bounds what a model is told of the result of a tool, in bytes.
const maxResult = 8 << 10

// answer is the answer to one question.
type answer struct {
	*Chat
	request  *http.Request
	db       bun.IDB // as the user
	owner    uuid.UUID
	thread   int64
	question llm.Question
	key      uuid.UUID // of the call that is reserved and not settled
	parts    parts     // what has been answered
}

// run answers, and stores the answer however it ends.
func (a *answer) run(ctx context.Context, send func([]byte) error) error {
	events := &stream{send: send}
	err := a.rounds(ctx, events)
	ending := "finished"
	switch {
	case ctx.Err() != nil:
		ending = "stopped"
	case err != nil:
		ending = "failed"
		slog.WarnContext(ctx, "a question was not answered", "error", err)
	}
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	if problem := a.store(storing, "assistant", ending, a.parts); problem != nil || err != nil {
		return errors.Join(err, problem)
	}
	return events.finish() // what a client reads after this is stored
}

// rounds asks the model, and runs the tools that it asks for, until it has answered.
func (a *answer) rounds(ctx context.Context, events *stream) error {
	if err := events.start(); err != nil {
		return errors.Join(err, a.settle(ctx, 0))
	}
	for round := 1; ; round++ {
		said, err := a.ask(ctx, events)
		if err != nil {
			return err
		}
		if len(said.Calls) == 0 {
			return events.endStep()
		}
		if round == maxRounds {
			return fmt.Errorf("%w: it calls tools in the last round", llm.ErrBroken)
		}
		a.question.Messages = append(a.question.Messages, llm.Message{Role: "assistant", Content: said.Text, ToolCalls: said.Calls})
		for i, call := range said.Calls {
			id := fmt.Sprintf("%d.%d", round, i) // a model's own ids need not differ
			result, err := a.call(ctx, events, id, call.Function.Name, call.Function.Arguments)
			if err != nil {
				return err
			}
			a.question.Messages = append(a.question.Messages, llm.Message{Role: "tool", ToolCallID: call.ID, Content: result})
		}
		if err := events.endStep(); err != nil {
			return err
		}
		if round+1 == maxRounds {
			a.question.Tools = nil // The last round answers.
		}
		if err := a.reserve(ctx); err != nil {
			return err
		}
	}
}

// ask asks the model once, and settles what that has cost.
func (a *answer) ask(ctx context.Context, events *stream) (llm.Answer, error) {
	if err := events.startStep(); err != nil {
		return llm.Answer{}, errors.Join(err, a.settle(ctx, 0))
	}
	said, err := a.model.Answer(ctx, a.question, events.text)
	if said.Text != "" {
		a.parts.text(said.Text)
	}
	if problem := a.settle(ctx, said.Tokens); problem != nil {
		return said, problem
	}
	if err != nil {
		return said, err
	}
	return said, events.endText()
}

// call runs a tool as the user. A mistake of the model's is its result.
func (a *answer) call(ctx context.Context, events *stream, id, name, arguments string) (string, error) {
	input := json.RawMessage(arguments)
	if !json.Valid(input) || strings.Contains(arguments, `\u0000`) {
		input = json.RawMessage("{}")
	}
	if err := events.toolInput(id, name, input); err != nil {
		return "", err
	}
	result, ok := a.tools.Call(a.request.WithContext(ctx), name, []byte(arguments))
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if len(result) > maxResult {
		result = strings.ToValidUTF8(result[:maxResult], "") + "… The rest is left out: ask for less."
	}
	a.parts.tool(id, name, input, result, ok)
	return result, events.toolOutput(id, result, ok)
}

// store stores a message.
func (a *answer) store(ctx context.Context, author, ending string, parts parts) error {
	text, err := json.Marshal(parts)
	if err != nil {
		return err
	}
	message := &models.Message{ThreadID: a.thread, Author: models.MessageAuthor(author), Ending: models.MessageEnding(ending), Parts: text}
	_, err = models.CreateMessage(ctx, a.db, a.owner, message, "thread_id", "author", "ending", "parts")
	return err
}
