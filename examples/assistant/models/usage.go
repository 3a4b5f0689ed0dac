package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// Usage is a row of public.usage. Reserve and Settle change it.
type Usage struct {
	bun.BaseModel `bun:"table:usage,alias:us"`

	UserID uuid.UUID `bun:"user_id,pk" usergraph:"owner"`
	Limit  int32     `bun:"token_limit"`
	Day    time.Time `bun:"day"`
	Used   int32     `bun:"used"`
}

// ErrQuota means that the limit of the day has no room for another call of the model.
var ErrQuota = errors.New("the tokens of the day are used up")

// AfterScanRow begins the count again on a new day.
func (u *Usage) AfterScanRow(context.Context) error {
	if today := time.Now().UTC().Truncate(24 * time.Hour); u.Day.Before(today) {
		u.Day, u.Used = today, 0
	}
	return nil
}

// ResetsAt is the end of the day.
func (u *Usage) ResetsAt() time.Time { return u.Day.UTC().AddDate(0, 0, 1) }

// UsageOf reads the usage of an owner. It returns nil without an error if row-level security hides it.
func UsageOf(ctx context.Context, db bun.IDB, owner uuid.UUID) (*Usage, error) {
	usage := new(Usage)
	err := db.NewSelect().Model(usage).Where("us.user_id = ?", owner).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("usage: %w", err)
	}
	return usage, nil
}

// Reserve reserves tokens of the caller for a call of the model, and returns the key that settles it. The error is ErrQuota if
// there is no room.
func Reserve(ctx context.Context, db bun.IDB, tokens int) (uuid.UUID, error) {
	var key uuid.NullUUID
	if err := db.NewRaw("select assistant.reserve(?)", tokens).Scan(ctx, &key); err != nil {
		return uuid.Nil, fmt.Errorf("reserve: %w", err)
	}
	if !key.Valid {
		return uuid.Nil, ErrQuota
	}
	return key.UUID, nil
}

// Settle settles a call with the tokens that it has used.
func Settle(ctx context.Context, db bun.IDB, key uuid.UUID, tokens int) error {
	var charged int
	if err := db.NewRaw("select assistant.settle(?, ?)", key, tokens).Scan(ctx, &charged); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	return nil
}
