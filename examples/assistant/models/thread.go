package models

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/database/rows"
)

// Thread is a row of public.threads.
type Thread struct {
	bun.BaseModel `bun:"table:threads,alias:t"`

	ID        int64     `bun:"id,pk,autoincrement"`
	UserID    uuid.UUID `bun:"user_id" usergraph:"owner"`
	Title     string    `bun:"title"`
	CreatedAt time.Time `bun:"created_at"`
}

// ThreadFilter is the input of that name.
type ThreadFilter struct {
	CreatedAt *rows.DateTimeFilter `bun:"created_at"`
}

// The other GraphQL types of threads.
type (
	ThreadConnection = rows.Connection[Thread]
	ThreadEdge       = rows.Edge[Thread]
	ThreadOrder      = rows.Order
)

// ThreadByID reads a thread of an owner. It returns nil without an error if there is none.
func ThreadByID(ctx context.Context, db bun.IDB, owner uuid.UUID, id rows.ID) (*Thread, error) {
	return rows.One[Thread](ctx, db.NewSelect().Where("t.user_id = ?", owner), id)
}

// ThreadsOf reads a page of an owner's threads.
func ThreadsOf(ctx context.Context, db bun.IDB, owner uuid.UUID, page rows.Page, filter *ThreadFilter) (*ThreadConnection, error) {
	return rows.Paginate[Thread](ctx, db.NewSelect().Where("t.user_id = ?", owner), page, filter)
}

// CreateThread inserts the named columns of thread for an owner, and returns the row.
func CreateThread(ctx context.Context, db bun.IDB, owner uuid.UUID, thread *Thread, columns ...string) (*Thread, error) {
	thread.UserID = owner
	return rows.Insert(ctx, db.NewInsert().Column(append(columns, "user_id")...), thread)
}

// UpdateThread writes the named columns of thread to an owner's row, and returns the row. The error is rows.ErrNotFound if there
// is none.
func UpdateThread(ctx context.Context, db bun.IDB, owner uuid.UUID, id rows.ID, thread *Thread, columns ...string) (*Thread, error) {
	if len(columns) == 0 {
		return ThreadByID(ctx, db, owner, id)
	}
	return rows.Update(ctx, db.NewUpdate().Column(columns...).Where("t.user_id = ?", owner), thread, id)
}

// DeleteThread deletes a row of an owner, and returns what it was. The error is rows.ErrNotFound if there is none.
func DeleteThread(ctx context.Context, db bun.IDB, owner uuid.UUID, id rows.ID) (*Thread, error) {
	return rows.Delete[Thread](ctx, db.NewDelete().Where("t.user_id = ?", owner), id)
}

// ThreadsOfUsers reads a page of an owner's threads for each of the users.
func ThreadsOfUsers(ctx context.Context, db bun.IDB, owner uuid.UUID, users []*User, page rows.Page, filter *ThreadFilter) ([]*ThreadConnection, error) {
	return rows.HasMany[Thread](ctx, db.NewSelect().Where("t.user_id = ?", owner), users, page, filter, "user_id")
}
