package models

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/database/rows"
)

// Note is a row of public.notes.
type Note struct {
	bun.BaseModel `bun:"table:notes,alias:n"`

	ID        int64     `bun:"id,pk,autoincrement"`
	UserID    uuid.UUID `bun:"user_id" usergraph:"owner"`
	Body      string    `bun:"body"`
	CreatedAt time.Time `bun:"created_at"`
}

// NoteFilter is the input of that name.
type NoteFilter struct {
	CreatedAt *rows.DateTimeFilter `bun:"created_at"`
}

// The other GraphQL types of notes.
type (
	NoteConnection = rows.Connection[Note]
	NoteEdge       = rows.Edge[Note]
	NoteOrder      = rows.Order
)

// NoteByID reads a note of an owner. It returns nil without an error if there is none.
func NoteByID(ctx context.Context, db bun.IDB, owner uuid.UUID, id rows.ID) (*Note, error) {
	return rows.One[Note](ctx, db.NewSelect().Where("n.user_id = ?", owner), id)
}

// NotesOf reads a page of an owner's notes.
func NotesOf(ctx context.Context, db bun.IDB, owner uuid.UUID, page rows.Page, filter *NoteFilter) (*NoteConnection, error) {
	return rows.Paginate[Note](ctx, db.NewSelect().Where("n.user_id = ?", owner), page, filter)
}

// CreateNote inserts the named columns of note for an owner, and returns the row.
func CreateNote(ctx context.Context, db bun.IDB, owner uuid.UUID, note *Note, columns ...string) (*Note, error) {
	note.UserID = owner
	return rows.Insert(ctx, db.NewInsert().Column(append(columns, "user_id")...), note)
}

// UpdateNote writes the named columns of note to an owner's row, and returns the row. The error is rows.ErrNotFound if there
// is none.
func UpdateNote(ctx context.Context, db bun.IDB, owner uuid.UUID, id rows.ID, note *Note, columns ...string) (*Note, error) {
	if len(columns) == 0 {
		return NoteByID(ctx, db, owner, id)
	}
	return rows.Update(ctx, db.NewUpdate().Column(columns...).Where("n.user_id = ?", owner), note, id)
}

// DeleteNote deletes a row of an owner, and returns what it was. The error is rows.ErrNotFound if there is none.
func DeleteNote(ctx context.Context, db bun.IDB, owner uuid.UUID, id rows.ID) (*Note, error) {
	return rows.Delete[Note](ctx, db.NewDelete().Where("n.user_id = ?", owner), id)
}

// NotesOfUsers reads a page of an owner's notes for each of the users.
func NotesOfUsers(ctx context.Context, db bun.IDB, owner uuid.UUID, users []*User, page rows.Page, filter *NoteFilter) ([]*NoteConnection, error) {
	return rows.HasMany[Note](ctx, db.NewSelect().Where("n.user_id = ?", owner), users, page, filter, "user_id")
}
