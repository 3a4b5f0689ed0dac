package models

import (
	"context"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/database/rows"
)

// Project is a row of public.projects.
type Project struct {
	bun.BaseModel `bun:"table:projects,alias:p"`

	ID      int64     `bun:"id,pk,autoincrement"`
	OwnerID uuid.UUID `bun:"owner_id" usergraph:"owner"`
	Name    string    `bun:"name"`
}

// The other GraphQL types of projects.
type (
	ProjectConnection = rows.Connection[Project]
	ProjectEdge       = rows.Edge[Project]
	ProjectOrder      = rows.Order
)

// ProjectsOf reads a page of an owner's projects.
func ProjectsOf(ctx context.Context, db bun.IDB, owner uuid.UUID, page rows.Page) (*ProjectConnection, error) {
	return rows.Paginate[Project](ctx, db.NewSelect().Where("p.owner_id = ?", owner), page, nil)
}

// ProjectsOfTodos reads the project of each todo: nil where it has none, and where the owner has no such project.
func ProjectsOfTodos(ctx context.Context, db bun.IDB, owner uuid.UUID, todos []*Todo) ([]*Project, error) {
	return rows.BelongsTo[Project](ctx, db.NewSelect().Where("p.owner_id = ?", owner), todos, "project_id")
}

// CreateProject inserts the named columns of project for an owner, and returns the row.
func CreateProject(ctx context.Context, db bun.IDB, owner uuid.UUID, project *Project, columns ...string) (*Project, error) {
	project.OwnerID = owner
	return rows.Insert(ctx, db.NewInsert().Column(append(columns, "owner_id")...), project)
}
