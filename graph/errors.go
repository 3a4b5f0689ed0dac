package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"usergraph/database"
	"usergraph/models"
)

// The codes that a client finds in extensions.code. docs/errors.md says what to do about each.
const (
	CodeUnauthenticated = "UNAUTHENTICATED"
	CodeForbidden       = "FORBIDDEN"
	CodeNotFound        = "NOT_FOUND"
	CodeConflict        = "CONFLICT"
	CodeBadUserInput    = "BAD_USER_INPUT"
	CodeBadRequest      = "BAD_REQUEST"
	CodeUnavailable     = "UNAVAILABLE"
	CodeTimeout         = "TIMEOUT"
	CodeRateLimited     = "RATE_LIMITED"
	CodeInternal        = "INTERNAL_SERVER_ERROR"

	CodeSubscriptionsUnavailable = "SUBSCRIPTIONS_UNAVAILABLE"
)

// publicErrors says what a client learns of an error. What it does not name is logged and shown as an internal error.
var publicErrors = []struct {
	err           error
	code, message string
}{
	{ErrUnauthenticated, CodeUnauthenticated, "sign in to use this field"},
	{models.ErrNotFound, CodeNotFound, "not found"},
	{database.ErrConflict, CodeConflict, "this conflicts with what is stored"},
	{database.ErrInvalid, CodeBadUserInput, "a value is not acceptable"},
	{database.ErrForbidden, CodeForbidden, "this is not allowed"},
	{database.ErrTimeout, CodeTimeout, "this took too long"},
	{context.DeadlineExceeded, CodeTimeout, "this took too long"},
	{context.Canceled, CodeUnavailable, "the request was cancelled"},
	{database.ErrNotAnnounced, CodeSubscriptionsUnavailable, "this server does not hear of changes: it needs DATABASE_LISTEN_URL, or its migrations"},
	{database.ErrUnavailable, CodeUnavailable, "the database cannot be reached, try again"},
}

// badInput is an error that tells the client what is wrong with a value.
func badInput(format string, args ...any) error {
	err := gqlerror.Errorf(format, args...)
	errcode.Set(err, CodeBadUserInput)
	return err
}

// presenter makes of every error what the client may see.
type presenter struct {
	log *slog.Logger
}

func (p presenter) present(ctx context.Context, err error) *gqlerror.Error {
	shown := &gqlerror.Error{Path: graphql.GetPath(ctx)}
	var written *gqlerror.Error
	if errors.As(err, &written) {
		if written.Err == nil {
			// Ours, or gqlgen's own: its text was written for the client.
			if written.Path == nil {
				written.Path = shown.Path
			}
			if _, coded := written.Extensions["code"]; !coded {
				errcode.Set(written, CodeBadRequest)
			}
			return written
		}
		shown.Path, shown.Locations = written.Path, written.Locations
	}
	for _, known := range publicErrors {
		if errors.Is(err, known.err) {
			shown.Message = known.message
			errcode.Set(shown, known.code)
			return shown
		}
	}
	p.log.ErrorContext(ctx, "internal error", "error", err, "path", shown.Path.String())
	shown.Message = "internal error"
	errcode.Set(shown, CodeInternal)
	return shown
}

// recovered turns a panic in a resolver into an internal error; the stack goes to the log.
func (p presenter) recovered(ctx context.Context, panicked any) error {
	p.log.ErrorContext(ctx, "panic in a resolver", "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
	err := gqlerror.Errorf("internal error")
	errcode.Set(err, CodeInternal)
	return err
}
