package endpoint

import (
	"context"

	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/auth"
	"usergraph/database"
)

// Writers knows who has changed something so lately that a replica may lack it.
type Writers interface {
	// Note is told of a caller, by their id, when a mutation of theirs is over and before they have its answer.
	Note(ctx context.Context, caller string)
	// Recent says whether what a caller reads must not lag.
	Recent(ctx context.Context, caller string) bool
}

// lag decides whose reads may come from the replica: those of queries, unless the caller has just changed something.
// A subscription reads what has changed this moment, so it never does.
type lag struct {
	replica *database.Replica
	writers Writers // nil if there is no replica
}

func (l lag) allows(ctx context.Context, operation ast.Operation, caller string) bool {
	return operation == ast.Query && l.writers != nil && l.replica.InUse() && !l.writers.Recent(ctx, caller)
}

// note keeps that the caller of ctx has changed something, also where the mutation has failed: some of it may be done.
func (l lag) note(ctx context.Context, operation ast.Operation) {
	if operation != ast.Mutation || l.writers == nil {
		return
	}
	if claims, ok := auth.FromContext(ctx); ok {
		l.writers.Note(ctx, claims.UserID.String())
	}
}
