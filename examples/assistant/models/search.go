package models

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/database/rows"
)

// A search finds so many notes, and at most so many.
const (
	found    = 5
	maxFound = 20
)

// SearchNotes reads the notes of an owner that a search finds, the best first.
func SearchNotes(ctx context.Context, db bun.IDB, owner uuid.UUID, query string, first *int) ([]*Note, error) {
	limit := found
	if first != nil {
		limit = *first
	}
	if limit < 1 || limit > maxFound {
		return nil, &rows.InputError{Message: fmt.Sprintf("first: a search finds 1 to %d notes", maxFound)}
	}
	var notes []*Note
	err := db.NewSelect().Model(&notes).Where("n.user_id = ?", owner).
		Where("to_tsvector('english', n.body) @@ websearch_to_tsquery('english', ?)", query).
		OrderExpr("ts_rank(to_tsvector('english', n.body), websearch_to_tsquery('english', ?)) desc, n.id desc", query).
		Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("search notes: %w", err)
	}
	return notes, nil
}
