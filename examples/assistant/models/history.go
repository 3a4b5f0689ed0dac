package models

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// LastMessages reads the last messages of an owner's thread, the oldest first.
func LastMessages(ctx context.Context, db bun.IDB, owner uuid.UUID, thread int64, most int) ([]*Message, error) {
	var messages []*Message
	err := db.NewSelect().Model(&messages).Where("m.user_id = ?", owner).Where("m.thread_id = ?", thread).
		OrderExpr("m.created_at desc, m.id desc").Limit(int64(most)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("last messages: %w", err)
	}
	slices.Reverse(messages)
	return messages, nil
}
