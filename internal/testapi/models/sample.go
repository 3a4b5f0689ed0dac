package models

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/database/rows"
)

// Sample is a row of public.samples, which has a column of each type.
type Sample struct {
	bun.BaseModel `bun:"table:samples,alias:s"`

	ID      uuid.UUID       `bun:"id,pk"`
	UserID  uuid.UUID       `bun:"user_id" usergraph:"owner"`
	Mood    *rows.Enum      `bun:"mood"`
	Words   []string        `bun:"words,array"`
	Numbers []int32         `bun:"numbers,array"`
	Moods   []rows.Enum     `bun:"moods,array"`
	Big     *int64          `bun:"big"`
	Small   *int16          `bun:"small"`
	Whole   *int32          `bun:"whole"`
	Exact   *rows.Decimal   `bun:"exact"`
	Ratio   *float64        `bun:"ratio"`
	Flag    *bool           `bun:"flag"`
	Ref     *uuid.UUID      `bun:"ref"`
	At      *time.Time      `bun:"at"`
	Local   *time.Time      `bun:"local"`
	Day     *rows.Date      `bun:"day"`
	Payload json.RawMessage `bun:"payload"`
	Raw     json.RawMessage `bun:"raw"`
}

// SampleFilter is the input of that name.
type SampleFilter struct {
	ID    *rows.IDFilter       `bun:"id"`
	Mood  *rows.EnumFilter     `bun:"mood"`
	Big   *rows.BigIntFilter   `bun:"big"`
	Small *rows.IntFilter      `bun:"small"`
	Exact *rows.DecimalFilter  `bun:"exact"`
	Ratio *rows.FloatFilter    `bun:"ratio"`
	Flag  *rows.BooleanFilter  `bun:"flag"`
	Ref   *rows.UUIDFilter     `bun:"ref"`
	At    *rows.DateTimeFilter `bun:"at"`
	Day   *rows.DateFilter     `bun:"day"`
}

// The other GraphQL types of samples.
type (
	Mood             = rows.Enum
	MoodFilter       = rows.EnumFilter
	SampleConnection = rows.Connection[Sample]
	SampleOrder      = rows.Order
)

// SampleByID reads a sample of an owner. It returns nil without an error if there is none.
func SampleByID(ctx context.Context, db bun.IDB, owner uuid.UUID, id rows.ID) (*Sample, error) {
	return rows.One[Sample](ctx, db.NewSelect().Where("s.user_id = ?", owner), id)
}

// SamplesOf reads a page of an owner's samples.
func SamplesOf(ctx context.Context, db bun.IDB, owner uuid.UUID, page rows.Page, filter *SampleFilter) (*SampleConnection, error) {
	return rows.Paginate[Sample](ctx, db.NewSelect().Where("s.user_id = ?", owner), page, filter)
}

// CreateSample inserts the named columns of sample for an owner, and returns the row.
func CreateSample(ctx context.Context, db bun.IDB, owner uuid.UUID, sample *Sample, columns ...string) (*Sample, error) {
	sample.UserID = owner
	return rows.Insert(ctx, db.NewInsert().Column(append(columns, "user_id")...), sample)
}

// UpdateSample writes the named columns of sample to an owner's row, and returns the row.
func UpdateSample(ctx context.Context, db bun.IDB, owner uuid.UUID, id rows.ID, sample *Sample, columns ...string) (*Sample, error) {
	if len(columns) == 0 {
		return SampleByID(ctx, db, owner, id)
	}
	return rows.Update(ctx, db.NewUpdate().Column(columns...).Where("s.user_id = ?", owner), sample, id)
}
