package models

import (
	"context"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/database/rows"
)

// Label is a row of public.labels, which everybody may read.
type Label struct {
	bun.BaseModel `bun:"table:labels,alias:l"`

	ID    string  `bun:"name,pk"`
	Color *string `bun:"color"`
}

// TodoLabel is a row of public.todo_labels.
type TodoLabel struct {
	bun.BaseModel `bun:"table:todo_labels,alias:tl"`

	TodoID    int64     `bun:"todo_id,pk"`
	LabelName string    `bun:"label_name,pk"`
	UserID    uuid.UUID `bun:"user_id" usergraph:"owner"`
}

// ID returns the id of the key's two columns.
func (t *TodoLabel) ID() rows.ID { return rows.KeyOf(t) }

// LabelFilter is the input of that name.
type LabelFilter struct {
	ID    *rows.IDFilter     `bun:"name"`
	Color *rows.StringFilter `bun:"color"`
}

// The other GraphQL types of labels.
type (
	LabelConnection     = rows.Connection[Label]
	TodoLabelConnection = rows.Connection[TodoLabel]
)

// LabelByID reads a label. It returns nil without an error if there is none.
func LabelByID(ctx context.Context, db bun.IDB, id rows.ID) (*Label, error) {
	return rows.One[Label](ctx, db.NewSelect(), id)
}

// Labels reads a page of the labels.
func Labels(ctx context.Context, db bun.IDB, page rows.Page, filter *LabelFilter) (*LabelConnection, error) {
	return rows.Paginate[Label](ctx, db.NewSelect(), page, filter)
}

// LabelsOfTodoLabels reads the label of each label of a todo.
func LabelsOfTodoLabels(ctx context.Context, db bun.IDB, labels []*TodoLabel) ([]*Label, error) {
	return rows.BelongsTo[Label](ctx, db.NewSelect(), labels, "label_name")
}

// TodoLabelByID reads a label of an owner's todo. It returns nil without an error if there is none.
func TodoLabelByID(ctx context.Context, db bun.IDB, owner uuid.UUID, id rows.ID) (*TodoLabel, error) {
	return rows.One[TodoLabel](ctx, db.NewSelect().Where("tl.user_id = ?", owner), id)
}

// LabelsOfTodos reads a page of the labels of each todo.
func LabelsOfTodos(ctx context.Context, db bun.IDB, owner uuid.UUID, todos []*Todo, page rows.Page) ([]*TodoLabelConnection, error) {
	return rows.HasMany[TodoLabel](ctx, db.NewSelect().Where("tl.user_id = ?", owner), todos, page, nil, "todo_id")
}

// TodosOfTodoLabels reads the todo of each label.
func TodosOfTodoLabels(ctx context.Context, db bun.IDB, owner uuid.UUID, labels []*TodoLabel) ([]*Todo, error) {
	return rows.BelongsTo[Todo](ctx, db.NewSelect().Where("t.user_id = ?", owner), labels, "todo_id")
}
