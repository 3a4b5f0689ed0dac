package endpoint

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/uptrace/bun/schema"

	"usergraph/auth"
	"usergraph/database"
	"usergraph/database/rows"
)

// DebugHeader requests extensions.debug. Without it, a response has extensions.debug only if a field is null for a
// known reason.
const DebugHeader = "X-Usergraph-Debug"

// Debug adds extensions.debug to responses: how the answer came about. It is for development only: it reads rows that
// the caller may not see.
type Debug struct {
	// Explain reports whether a row exists, by the texts of its key's columns, and which policies let a role read its table.
	// It runs as a role that bypasses row-level security.
	Explain func(ctx context.Context, table string, key map[string]string, role string) (exists bool, policies []string, err error)
	Log     *slog.Logger
}

// debugInfo is what Debug records about one operation.
type debugInfo struct {
	statements atomic.Int64
	rows       atomic.Int64
	mu         sync.Mutex
	whyNull    []reason
}

// reason says why a field is null without an error.
type reason struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

type debugKey struct{}

// Observe returns an observer for database.Open that counts the statements of each operation and their rows. It then calls next,
// which may be nil. A nil Debug returns next.
func (d *Debug) Observe(next database.Observer) database.Observer {
	if d == nil {
		return next
	}
	return func(ctx context.Context, statement string, took time.Duration, rows int64, err error) {
		if info, ok := ctx.Value(debugKey{}).(*debugInfo); ok {
			info.statements.Add(1)
			info.rows.Add(rows)
		}
		if next != nil {
			next(ctx, statement, took, rows, err)
		}
	}
}

// begin adds an empty debugInfo to ctx.
func (d *Debug) begin(ctx context.Context) context.Context {
	return context.WithValue(ctx, debugKey{}, new(debugInfo))
}

// aroundField is a graphql.FieldMiddleware that explains a null where a root field is expected to return a row. The row is the
// one that the argument id names, or else the one with the caller's id.
func (d *Debug) aroundField(ctx context.Context, next graphql.Resolver) (any, error) {
	result, err := next(ctx)
	if err != nil || !isNull(result) || len(graphql.GetPath(ctx)) > 1 {
		return result, err
	}
	pointer := reflect.TypeOf(result)
	if pointer == nil || pointer.Kind() != reflect.Pointer {
		return result, err
	}
	model, noModel := database.TableOf(pointer.Elem())
	if noModel != nil {
		return result, err
	}
	table := model.Schema + "." + model.Name
	caller, unauthenticated := CallerFrom(ctx)
	if unauthenticated != nil {
		return result, err
	}
	key, known := keyAsked(model.Keys, graphql.GetFieldContext(ctx).Args, caller)
	if !known {
		return result, err
	}
	exists, policies, failed := d.Explain(ctx, table, key, caller.Role)
	if failed != nil {
		d.Log.WarnContext(ctx, "no reason found for a null", "error", failed)
		return result, err
	}
	why := "no such row in " + table
	switch {
	case exists && len(policies) == 0:
		why = fmt.Sprintf("the row is there, but row-level security hides it: no policy lets %s read %s", caller.Role, table)
	case exists:
		why = fmt.Sprintf("the row is there, but row-level security hides it: the policies that let %s read %s are %s", caller.Role, table, strings.Join(policies, ", "))
	}
	if info, ok := ctx.Value(debugKey{}).(*debugInfo); ok {
		info.mu.Lock()
		info.whyNull = append(info.whyNull, reason{graphql.GetPath(ctx).String(), why})
		info.mu.Unlock()
	}
	return result, err
}

// keyAsked returns the texts of the columns of the key that a field was asked for.
func keyAsked(columns []*schema.Field, args map[string]any, caller *Caller) (map[string]string, bool) {
	asked := rows.ID(caller.UserID.String())
	switch id := args["id"].(type) {
	case rows.ID:
		asked = id
	case uuid.UUID:
		asked = rows.ID(id.String())
	default:
		if len(columns) != 1 || columns[0].StructField.Type != reflect.TypeFor[uuid.UUID]() {
			return nil, false
		}
	}
	texts, err := asked.Texts(columns)
	if err != nil {
		return nil, false
	}
	key := map[string]string{}
	for i, column := range columns {
		key[column.Name] = texts[i]
	}
	return key, true
}

// annotate adds extensions.debug if the client asked for it or if a field is null for a known reason.
func (d *Debug) annotate(ctx context.Context, response *graphql.Response) {
	info := ctx.Value(debugKey{}).(*debugInfo)
	operation := graphql.GetOperationContext(ctx)
	info.mu.Lock()
	defer info.mu.Unlock()
	if operation.Headers.Get(DebugHeader) == "" && len(info.whyNull) == 0 {
		return
	}
	told := map[string]any{
		"caller": nil, "role": "anon",
		"statements":   info.statements.Load(),
		"rows":         info.rows.Load(),
		"milliseconds": float64(time.Since(operation.Stats.OperationStart).Microseconds()) / 1000,
	}
	if claims, ok := auth.FromContext(ctx); ok {
		told["caller"], told["role"] = claims.UserID, claims.Role
	}
	if len(info.whyNull) > 0 {
		told["whyNull"], info.whyNull = info.whyNull, nil
	}
	response.Extensions = with(response.Extensions, "debug", told)
}

func isNull(value any) bool {
	v := reflect.ValueOf(value)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}
