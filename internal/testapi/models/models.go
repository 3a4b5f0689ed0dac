// Package models is the stored half of testapi.
package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/database/rows"
)

// User is a row of public.users, as internal/pgtest makes it.
type User struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID        uuid.UUID `bun:"id,pk" usergraph:"owner"`
	FullName  *string   `bun:"full_name"`
	AvatarURL *string   `bun:"avatar_url"`
}

// UserByID reads a user. It returns nil without an error if there is no such row, or row-level security hides it.
func UserByID(ctx context.Context, db bun.IDB, id uuid.UUID) (*User, error) {
	user := new(User)
	err := db.NewSelect().Model(user).Where("u.id = ?", id).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("user by id: %w", err)
	}
	return user, nil
}

// UpdateUser writes the named columns of user to the row with its id, and reads the row back into user.
// It returns rows.ErrNotFound if there is no such row, or row-level security hides it.
func UpdateUser(ctx context.Context, db bun.IDB, user *User, columns ...string) error {
	err := db.NewUpdate().Model(user).Column(columns...).WherePK().Returning("?Columns").Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("update user: %w", rows.ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("update user: %w", err)
	}
	return nil
}
