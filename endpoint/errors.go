package endpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"usergraph/database"
	"usergraph/database/rows"
)

// The codes in extensions.code of errors. docs/errors.md says what a client does about each.
const (
	CodeUnauthenticated = "UNAUTHENTICATED"
	CodeForbidden       = "FORBIDDEN"
	CodeMFARequired     = "MFA_REQUIRED"
	CodeAccountRequired = "ACCOUNT_REQUIRED"
	CodeRoleRequired    = "ROLE_REQUIRED"
	CodeNotFound        = "NOT_FOUND"
	CodeConflict        = "CONFLICT"
	CodeBadUserInput    = "BAD_USER_INPUT"
	CodeRejected        = "REJECTED"
	CodeUnavailable     = "UNAVAILABLE"
	CodeTimeout         = "TIMEOUT"
	CodeRateLimited     = "RATE_LIMITED"
	CodeResponseLimit   = "RESPONSE_LIMIT_EXCEEDED"
	CodeInternal        = "INTERNAL_SERVER_ERROR"

	CodeBadRequest       = "BAD_REQUEST"
	CodeCrossSite        = "CROSS_SITE_REQUEST"
	CodeParseFailed      = errcode.ParseFailed
	CodeValidationFailed = errcode.ValidationFailed

	CodeDocumentNotFound      = "PERSISTED_QUERY_NOT_FOUND"
	CodeDocumentRequired      = "PERSISTED_QUERY_REQUIRED"
	CodeIntrospectionDisabled = "INTROSPECTION_DISABLED"

	CodeBodyLimit          = "BODY_LIMIT_EXCEEDED"
	CodeOperationLimit     = "OPERATION_LIMIT_EXCEEDED"
	CodeBatchLimit         = "BATCH_LIMIT_EXCEEDED"
	CodeJSONDepthLimit     = "JSON_DEPTH_LIMIT_EXCEEDED"
	CodeValueLimit         = "VALUE_LIMIT_EXCEEDED"
	CodeListLimit          = "LIST_LIMIT_EXCEEDED"
	CodeDocumentLimit      = "DOCUMENT_LIMIT_EXCEEDED"
	CodeTokenLimit         = "TOKEN_LIMIT_EXCEEDED"
	CodeDepthLimit         = "DEPTH_LIMIT_EXCEEDED"
	CodeIntrospectionDepth = "INTROSPECTION_LIMIT_EXCEEDED"
	CodeRootFieldLimit     = "ROOT_FIELD_LIMIT_EXCEEDED"
	CodeFieldLimit         = "FIELD_LIMIT_EXCEEDED"
	CodeAliasLimit         = "ALIAS_LIMIT_EXCEEDED"
	CodeDirectiveLimit     = "DIRECTIVE_LIMIT_EXCEEDED"
	CodeFragmentLimit      = "FRAGMENT_LIMIT_EXCEEDED"
	CodeComplexityLimit    = "COMPLEXITY_LIMIT_EXCEEDED"
	CodeErrorLimit         = "ERROR_LIMIT_EXCEEDED"
	CodeResultLimit        = "RESULT_LIMIT_EXCEEDED"

	CodeSubscriptionsUnavailable = "SUBSCRIPTIONS_UNAVAILABLE"
)

// PublicError maps an error to what clients receive: a code, and a message that says what to do.
type PublicError struct {
	Err           error
	Code, Message string
}

// publicErrors are the engine's public errors. An error that is not listed is logged, and clients receive an internal
// error.
var publicErrors = []PublicError{
	{ErrUnauthenticated, CodeUnauthenticated, "sign in to use this field"},
	{ErrMFARequired, CodeMFARequired, "this needs a second factor: verify one, and send the new token"},
	{ErrAccountRequired, CodeAccountRequired, "this is not for anonymous users: add an identity to the account"},
	{ErrRoleRequired, CodeRoleRequired, "this needs a role that the account does not have"},
	{rows.ErrNotFound, CodeNotFound, "not found"},
	{database.ErrConflict, CodeConflict, "this conflicts with what is stored"},
	{database.ErrInvalid, CodeBadUserInput, "a value is not acceptable"},
	{database.ErrForbidden, CodeForbidden, "this is not allowed"},
	{database.ErrRejected, CodeRejected, "a rule of the database refuses this"},
	{database.ErrTooLarge, CodeResultLimit, "the result is too large: ask for less, such as a smaller page"},
	{database.ErrTimeout, CodeTimeout, "this took too long"},
	{context.DeadlineExceeded, CodeTimeout, "this took too long"},
	{context.Canceled, CodeUnavailable, "the request was cancelled"},
	{database.ErrNotAnnounced, CodeSubscriptionsUnavailable, "this server does not hear of changes: it needs DATABASE_LISTEN_URL, or its migrations"},
	{database.ErrUnavailable, CodeUnavailable, "the database cannot be reached, try again"},
}

// maxMessageLength bounds the message of an error in bytes: the parser's messages quote the document.
const maxMessageLength = 300

// refusef returns an error with a text for the client.
func refusef(code, format string, args ...any) *gqlerror.Error {
	err := gqlerror.Errorf(format, args...)
	errcode.Set(err, code)
	return err
}

// Errorf returns an error with a code of this package and a text for the client.
func Errorf(code, format string, args ...any) error { return refusef(code, format, args...) }

// at sets the location of an error in the document.
func at(position *ast.Position, err *gqlerror.Error) *gqlerror.Error {
	if position != nil {
		err.Locations = []gqlerror.Location{{Line: position.Line, Column: position.Column}}
	}
	return err
}

// badInput returns an error that says what is wrong with a value of the client.
func badInput(format string, args ...any) error {
	return refusef(CodeBadUserInput, format, args...)
}

// invalid returns gqlparser's first error by position in the document. Validation may find hundreds.
func invalid(err error, code string) *gqlerror.Error {
	var first *gqlerror.Error
	if !errors.As(err, &first) {
		return refusef(code, "the document is not acceptable")
	}
	if list, ok := err.(gqlerror.List); ok {
		first = slices.MinFunc(list, func(a, b *gqlerror.Error) int {
			return slices.CompareFunc(a.Locations, b.Locations, func(a, b gqlerror.Location) int {
				return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
			})
		})
	}
	errcode.Set(first, code)
	return first
}

// presenter converts every error into the one that the client receives.
type presenter struct {
	known     []PublicError // the first match counts
	log       *slog.Logger
	requestID func(context.Context) string
}

func (p presenter) present(ctx context.Context, err error) *gqlerror.Error {
	shown := &gqlerror.Error{}
	field := graphql.GetFieldContext(ctx)
	if field != nil {
		shown.Path, shown.Locations = field.Path(), locationOf(field)
	}
	var written *gqlerror.Error
	var input *rows.InputError
	if isInput := errors.As(err, &input); isInput && !errors.As(err, &written) {
		err = badInput("%s", input.Message)
	} else if isInput && written.Err != nil { // gqlgen has added the path of the value
		written.Err, written.Message = nil, input.Message
		if len(written.Path) > len(shown.Path) {
			written.Message = written.Path[len(shown.Path):].String() + ": " + input.Message
		}
		errcode.Set(written, CodeBadUserInput)
	}
	if errors.As(err, &written) {
		if written.Locations == nil {
			written.Locations = shown.Locations
		}
		// gqlgen appends the path of an invalid value inside an argument.
		if field != nil && field.Args == nil && len(written.Path) > len(shown.Path) {
			value := written.Path[len(shown.Path):]
			written.Path = shown.Path
			if _, coded := written.Extensions["code"]; !coded {
				written.Err, written.Message = nil, fmt.Sprintf("the value of %s is not acceptable", value)
				errcode.Set(written, CodeBadUserInput)
			}
		}
		if written.Err == nil {
			// This package or gqlgen wrote the text, and wrote it for the client.
			if written.Path == nil {
				written.Path = shown.Path
			}
			if _, coded := written.Extensions["code"]; !coded {
				errcode.Set(written, CodeBadRequest)
			}
			written.Message = shorten(written.Message)
			return written
		}
		shown.Path, shown.Locations = written.Path, written.Locations
	}
	var refused *database.Error
	ofDatabase := errors.As(err, &refused)
	for _, known := range p.known {
		if !errors.Is(err, known.Err) {
			continue
		}
		if ofDatabase && known.Code == CodeBadUserInput && !hasInput(ctx) {
			break // A policy or a trigger has failed, not a value of the caller.
		}
		shown.Message = known.Message
		if ofDatabase {
			p.warn(ctx, known.Code, refused, shown.Path)
			if refused.Public != "" {
				shown.Message = shorten(strings.ToValidUTF8(refused.Public, "\uFFFD"))
			}
		}
		errcode.Set(shown, known.Code)
		return shown
	}
	p.log.ErrorContext(ctx, "internal error", "error", err, "path", shown.Path.String())
	internal := p.internal(ctx)
	internal.Path, internal.Locations = shown.Path, shown.Locations
	return internal
}

// locationOf returns the location of a field in the document.
func locationOf(field *graphql.FieldContext) []gqlerror.Location {
	for ; field != nil; field = field.Parent { // an item of a list has no location of its own
		if field.Field.Field != nil && field.Field.Position != nil {
			return []gqlerror.Location{{Line: field.Field.Position.Line, Column: field.Field.Position.Column}}
		}
	}
	return nil
}

// warn logs PostgreSQL's message for an error of which the client receives a code.
func (p presenter) warn(ctx context.Context, code string, refused *database.Error, path ast.Path) {
	if errors.Is(refused, context.Canceled) {
		return // The client has disconnected.
	}
	p.log.WarnContext(ctx, "the database has refused a statement",
		"code", code, "sqlstate", refused.SQLState, "message", shorten(refused.Message), "path", path.String())
}

// hasInput reports whether the field of ctx or a parent of it has an argument.
func hasInput(ctx context.Context) bool {
	field := graphql.GetFieldContext(ctx)
	if field == nil {
		return true
	}
	for ; field != nil; field = field.Parent {
		if field.Field.Field != nil && len(field.Field.Arguments) > 0 {
			return true
		}
	}
	return false
}

// recovered converts a panic into an internal error and logs the stack.
func (p presenter) recovered(ctx context.Context, panicked any) error {
	p.log.ErrorContext(ctx, "panic", "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
	return p.internal(ctx)
}

// internal returns the error for a fault of the server. It carries only the request id, which finds the log entry.
func (p presenter) internal(ctx context.Context) *gqlerror.Error {
	err := refusef(CodeInternal, "internal error")
	if p.requestID != nil {
		if id := p.requestID(ctx); id != "" {
			err.Extensions["requestId"] = id
		}
	}
	return err
}

// shorten cuts a message to maxMessageLength, and marks the cut with an ellipsis.
func shorten(message string) string {
	if short := cut(message, maxMessageLength); short != message {
		return short + "…"
	}
	return message
}

// cut returns at most atMost bytes of a text, without splitting a character.
func cut(text string, atMost int) string {
	if len(text) <= atMost {
		return text
	}
	for atMost > 0 && !utf8.RuneStart(text[atMost]) {
		atMost--
	}
	return text[:atMost]
}

// capErrors limits a list of errors, and replaces the rest by an error with their number.
func capErrors(errs gqlerror.List, atMost int) gqlerror.List {
	if len(errs) <= atMost {
		return errs
	}
	more := refusef(CodeErrorLimit, "%d more errors are not told", len(errs)-atMost)
	return append(errs[:atMost:atMost], more)
}

// inOrder sorts errors by the place of their fields in the answer: fields are resolved at once, and fail in any order.
func inOrder(errs gqlerror.List) gqlerror.List {
	slices.SortStableFunc(errs, func(a, b *gqlerror.Error) int {
		for i := range min(len(a.Path), len(b.Path)) {
			first, firstIsIndex := a.Path[i].(ast.PathIndex)
			second, secondIsIndex := b.Path[i].(ast.PathIndex)
			switch {
			case firstIsIndex && secondIsIndex && first != second:
				return cmp.Compare(first, second)
			case !firstIsIndex && !secondIsIndex && a.Path[i] != b.Path[i]:
				return comparePlaces(a.Locations, b.Locations)
			}
		}
		return cmp.Compare(len(a.Path), len(b.Path))
	})
	return errs
}

func comparePlaces(a, b []gqlerror.Location) int {
	if len(a) == 0 || len(b) == 0 {
		return cmp.Compare(len(a), len(b))
	}
	return cmp.Or(cmp.Compare(a[0].Line, b[0].Line), cmp.Compare(a[0].Column, b[0].Column))
}
