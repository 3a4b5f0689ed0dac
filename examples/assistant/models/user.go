package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/database/rows"
	"usergraph/database/values"
)

// User is a row of public.users.
type User struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID        uuid.UUID `bun:"id,pk" usergraph:"owner"`
	FullName  *string   `bun:"full_name"`
	AvatarURL *string   `bun:"avatar_url"`
}

// CheckName returns an error for the client if a name is invalid.
func CheckName(name string) error { return values.CheckLine(name, 200) }

// CheckAvatarURL returns an error for the client if the URL of a picture is invalid.
func CheckAvatarURL(address string) error { return values.CheckWebURL(address, 2048) }

// AfterScanRow enforces the schema's promises on each row that is read: a team's own table may lack the constraints of
// our migrations. bun calls it after each row, in queries, mutations and subscriptions.
func (u *User) AfterScanRow(context.Context) error {
	if u.FullName != nil && CheckName(*u.FullName) != nil {
		u.FullName = nil
	}
	if u.AvatarURL != nil && CheckAvatarURL(*u.AvatarURL) != nil {
		u.AvatarURL = nil
	}
	return nil
}

// UserByID reads a user. It returns nil without an error if the row does not exist or row-level security hides it.
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

// UpdateUser writes the named columns of user to the row of an id, and returns the row. The error is rows.ErrNotFound if
// the row does not exist or row-level security hides it, and for the client if a text breaks what the schema promises.
func UpdateUser(ctx context.Context, db bun.IDB, id uuid.UUID, user *User, columns ...string) (*User, error) {
	if len(columns) == 0 {
		return UserByID(ctx, db, id)
	}
	if err := user.check(); err != nil {
		return nil, err
	}
	return rows.Update(ctx, db.NewUpdate().Column(columns...), user, rows.ID(id.String()))
}

// check returns an error for the client if a text breaks what the schema promises.
func (u *User) check() error {
	if u.FullName != nil {
		if err := CheckName(*u.FullName); err != nil {
			return &rows.InputError{Message: "fullName " + err.Error()}
		}
	}
	if u.AvatarURL != nil {
		if err := CheckAvatarURL(*u.AvatarURL); err != nil {
			return &rows.InputError{Message: "avatarUrl " + err.Error()}
		}
	}
	return nil
}
