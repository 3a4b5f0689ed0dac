// Package models holds the rows of the database, which are the GraphQL types too.
package models

import (
	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// User is a row of public.users.
type User struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID        uuid.UUID `bun:"id,pk,type:uuid"`
	FullName  *string   `bun:"full_name"`
	AvatarURL *string   `bun:"avatar_url"`
}
