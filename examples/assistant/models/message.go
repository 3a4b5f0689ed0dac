package models

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/database/rows"
)

// Message is a row of public.messages.
type Message struct {
	bun.BaseModel `bun:"table:messages,alias:m"`

	ID        int64           `bun:"id,pk,autoincrement"`
	ThreadID  int64           `bun:"thread_id"`
	UserID    uuid.UUID       `bun:"user_id" usergraph:"owner"`
	Author    MessageAuthor   `bun:"author"`
	Parts     json.RawMessage `bun:"parts"`
	Ending    MessageEnding   `bun:"ending"`
	CreatedAt time.Time       `bun:"created_at"`
}

// MessageFilter is the input of that name.
type MessageFilter struct {
	ThreadID  *rows.IDFilter       `bun:"thread_id"`
	CreatedAt *rows.DateTimeFilter `bun:"created_at"`
}

// The other GraphQL types of messages.
type (
	MessageConnection   = rows.Connection[Message]
	MessageEdge         = rows.Edge[Message]
	MessageOrder        = rows.Order
	MessageAuthor       = rows.Enum
	MessageAuthorFilter = rows.EnumFilter
	MessageEnding       = rows.Enum
	MessageEndingFilter = rows.EnumFilter
)

// MessageByID reads a message of an owner. It returns nil without an error if there is none.
func MessageByID(ctx context.Context, db bun.IDB, owner uuid.UUID, id rows.ID) (*Message, error) {
	return rows.One[Message](ctx, db.NewSelect().Where("m.user_id = ?", owner), id)
}

// MessagesOf reads a page of an owner's messages.
func MessagesOf(ctx context.Context, db bun.IDB, owner uuid.UUID, page rows.Page, filter *MessageFilter) (*MessageConnection, error) {
	return rows.Paginate[Message](ctx, db.NewSelect().Where("m.user_id = ?", owner), page, filter)
}

// CreateMessage inserts the named columns of message for an owner, and returns the row.
func CreateMessage(ctx context.Context, db bun.IDB, owner uuid.UUID, message *Message, columns ...string) (*Message, error) {
	message.UserID = owner
	return rows.Insert(ctx, db.NewInsert().Column(append(columns, "user_id")...), message)
}

// MessagesOfUsers reads a page of an owner's messages for each of the users.
func MessagesOfUsers(ctx context.Context, db bun.IDB, owner uuid.UUID, users []*User, page rows.Page, filter *MessageFilter) ([]*MessageConnection, error) {
	return rows.HasMany[Message](ctx, db.NewSelect().Where("m.user_id = ?", owner), users, page, filter, "user_id")
}
