package endpoint

import (
	"context"

	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/auth"
	"usergraph/database"
)

// Writers records callers with recent mutations, which a replica may not have yet.
type Writers interface {
	// Note records a caller, by user id, after a mutation and before its response is sent.
	Note(ctx context.Context, caller string)
	// Recent reports whether the caller must read from the primary.
	Recent(ctx context.Context, caller string) bool
}

// replicaRouter decides whether an operation may read from the replica. A query may, unless its caller has changed
// something recently. A subscription may not: it reads what has changed just now.
type replicaRouter struct {
	replica *database.Replica
	writers Writers // nil if there is no replica
}

// Anonymous callers have no name, "", and no mutations that they could miss.
func (r replicaRouter) allows(ctx context.Context, operation ast.Operation, caller string) bool {
	return operation == ast.Query && r.writers != nil && r.replica.InUse() && (caller == "" || !r.writers.Recent(ctx, caller))
}

// recordWrite records a mutation of the caller of ctx, even if it has failed: a part of it may be committed.
func (r replicaRouter) recordWrite(ctx context.Context, operation ast.Operation) {
	if operation != ast.Mutation || r.writers == nil {
		return
	}
	if claims, ok := auth.FromContext(ctx); ok {
		r.writers.Note(ctx, claims.UserID.String())
	}
}
