package graph

import (
	"context"
	"sync"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/auth"
	"usergraph/database"
	"usergraph/models"
)

// caller is who an operation acts as. There is one for each operation.
type caller struct {
	database.Caller
	UserID uuid.UUID
	Email  string

	// A query reads one state of the caller's row; what a mutation or a subscription reads may have changed.
	once    bool
	read    sync.Once
	user    *models.User
	userErr error
}

type callerKey struct{}

// withCaller puts the caller of an operation into its context. Anonymous operations get none.
func withCaller(ctx context.Context, operation ast.Operation, lag lag) context.Context {
	claims, ok := auth.FromContext(ctx)
	if !ok {
		return ctx
	}
	subject := claims.UserID.String()
	return context.WithValue(ctx, callerKey{}, &caller{
		Caller: database.Caller{
			Role:     claims.Role,
			Subject:  subject,
			Claims:   claims.Payload,
			ReadOnly: operation != ast.Mutation,
			MayLag:   lag.allows(ctx, operation, subject),
		},
		UserID: claims.UserID,
		Email:  claims.Email,
		once:   operation == ast.Query,
	})
}

// callerFrom returns the caller of the operation, or ErrUnauthenticated.
func callerFrom(ctx context.Context) (*caller, error) {
	caller, ok := ctx.Value(callerKey{}).(*caller)
	if !ok {
		return nil, ErrUnauthenticated
	}
	return caller, nil
}

// self reads the caller's own row: once for a query, however many aliases ask for it.
func (c *caller) self(ctx context.Context, db *database.DB) (*models.User, error) {
	if !c.once {
		return models.UserByID(ctx, db.As(c.Caller), c.UserID)
	}
	c.read.Do(func() {
		c.user, c.userErr = models.UserByID(ctx, db.As(c.Caller), c.UserID)
	})
	return c.user, c.userErr
}
