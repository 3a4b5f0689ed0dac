// Package chat answers one question: how does a user talk with the model?
//
// Chat is the route POST /chat. It takes {"thread": "<id>", "text": "…"}, and answers with the UI message stream of the Vercel AI
// SDK. The model may call the tools that agents have by MCP; they run in this process, as the user.
//
//	chat.go     the route: what is checked, reserved and stored before the model is asked
//	answer.go   the answer: rounds of the model and of tools, what they cost, and what is stored
//	stream.go   the UI message stream, and the same as parts of a stored message
//	prompt.go   what the model is told
package chat

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"example.com/assistant/llm"
	"example.com/assistant/models"
	"usergraph/database/rows"
	"usergraph/endpoint"
	"usergraph/mcp"
)

const (
	// maxText bounds what a user says at once, in characters.
	maxText = 4000
	// maxRounds bounds how often a question asks the model: each time but the last it may call tools.
	maxRounds = 4
	// maxAnswer bounds what the model answers in a round, in tokens.
	maxAnswer = 1024
	// afterwards bounds what is still written when an answer has ended, or its client has left.
	afterwards = 5 * time.Second
)

// Errors are what clients learn of errors of this package and of the model.
var Errors = []endpoint.PublicError{
	{Err: models.ErrQuota, Code: "QUOTA_EXCEEDED", Message: "the tokens of today are used up: me { usage { resetsAt } } says when there are new ones"},
	{Err: llm.ErrBusy, Code: endpoint.CodeRateLimited, Message: "the model has too many questions, try again later"},
	{Err: llm.ErrUnavailable, Code: endpoint.CodeUnavailable, Message: "the model does not answer, try again"},
	{Err: llm.ErrBroken, Code: endpoint.CodeUnavailable, Message: "the answer of the model broke off, try again"},
}

// Chat is the handler.
type Chat struct {
	engine *endpoint.Engine
	model  llm.Model
	tools  *mcp.Tools
}

// New returns the handler. The tools are the queries of the documents that have a description.
func New(engine *endpoint.Engine, documents fs.FS, model llm.Model) (*Chat, error) {
	read, err := endpoint.ReadDocuments(documents)
	if err != nil {
		return nil, err
	}
	tools, err := mcp.NewTools(engine.Handler(), read, false)
	if err != nil {
		return nil, err
	}
	return &Chat{engine, model, tools}, nil
}

// ServeHTTP answers a question.
func (c *Chat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Vercel-Ai-Ui-Message-Stream", "v1")
	c.engine.Handler().Stream(w, r, endpoint.EventStream{Open: c.open, Fail: failed})
}

// open stores the question, and returns the function that answers it.
func (c *Chat) open(r *http.Request, message map[string]any) (func(context.Context, func([]byte) error) error, error) {
	caller, err := endpoint.CallerOf(r)
	if err != nil {
		return nil, err
	}
	id, _ := message["thread"].(string)
	said, _ := message["text"].(string)
	if id == "" || strings.TrimSpace(said) == "" {
		return nil, endpoint.Errorf(endpoint.CodeBadUserInput, `send {"thread": "<id>", "text": "…"}`)
	}
	if utf8.RuneCountInString(said) > maxText || strings.ContainsRune(said, 0) {
		return nil, endpoint.Errorf(endpoint.CodeBadUserInput, "a text has at most %d characters, and none that is 0", maxText)
	}
	ctx, db := r.Context(), c.engine.As(caller)
	thread, err := models.ThreadByID(ctx, db, caller.UserID, rows.ID(id))
	if err != nil {
		return nil, err
	}
	if thread == nil {
		return nil, rows.ErrNotFound
	}
	history, err := models.LastMessages(ctx, db, caller.UserID, thread.ID, maxHistory)
	if err != nil {
		return nil, err
	}
	a := &answer{Chat: c, request: r, db: db, owner: caller.UserID, thread: thread.ID}
	a.question = llm.Question{Messages: prompt(history, said), Tools: describe(c.tools.Of(r)), MaxTokens: maxAnswer}
	if err := a.reserve(ctx); err != nil {
		return nil, err
	}
	var parts parts
	parts.text(said)
	if err := a.store(ctx, "user", "finished", parts); err != nil {
		return nil, fmt.Errorf("%w; settled: %w", err, a.settle(ctx, 0))
	}
	return a.run, nil
}

// reserve reserves the tokens of the next call of the model.
func (a *answer) reserve(ctx context.Context) (err error) {
	a.key, err = models.Reserve(ctx, a.db, llm.Estimate(a.question))
	return err
}

// settle settles the last call of the model, even if the client has left.
func (a *answer) settle(ctx context.Context, tokens int) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	key := a.key
	a.key = uuid.Nil
	return models.Settle(ctx, a.db, key, tokens)
}
