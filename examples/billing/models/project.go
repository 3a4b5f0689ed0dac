package models

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/database/rows"
)

// Project is a row of public.projects.
type Project struct {
	bun.BaseModel `bun:"table:projects,alias:p"`

	ID        int64     `bun:"id,pk,autoincrement"`
	UserID    uuid.UUID `bun:"user_id" usergraph:"owner"`
	Name      string    `bun:"name"`
	Color     string    `bun:"color"`
	CreatedAt time.Time `bun:"created_at"`
}

// ProjectFilter is the input of that name.
type ProjectFilter struct {
	CreatedAt *rows.DateTimeFilter `bun:"created_at"`
}

// The other GraphQL types of projects.
type (
	ProjectConnection = rows.Connection[Project]
	ProjectEdge       = rows.Edge[Project]
	ProjectOrder      = rows.Order
)

// ProjectByID reads a project of an owner. It returns nil without an error if there is none.
func ProjectByID(ctx context.Context, db bun.IDB, owner uuid.UUID, id rows.ID) (*Project, error) {
	return rows.One[Project](ctx, db.NewSelect().Where("p.user_id = ?", owner), id)
}

// ProjectsOf reads a page of an owner's projects.
func ProjectsOf(ctx context.Context, db bun.IDB, owner uuid.UUID, page rows.Page, filter *ProjectFilter) (*ProjectConnection, error) {
	return rows.Paginate[Project](ctx, db.NewSelect().Where("p.user_id = ?", owner), page, filter)
}

// CreateProject inserts the named columns of project for an owner, and returns the row.
func CreateProject(ctx context.Context, db bun.IDB, owner uuid.UUID, project *Project, columns ...string) (*Project, error) {
	project.UserID = owner
	return rows.Insert(ctx, db.NewInsert().Column(append(columns, "user_id")...), project)
}

// UpdateProject writes the named columns of project to an owner's row, and returns the row. The error is rows.ErrNotFound if there
// is none.
func UpdateProject(ctx context.Context, db bun.IDB, owner uuid.UUID, id rows.ID, project *Project, columns ...string) (*Project, error) {
	if len(columns) == 0 {
		return ProjectByID(ctx, db, owner, id)
	}
	return rows.Update(ctx, db.NewUpdate().Column(columns...).Where("p.user_id = ?", owner), project, id)
}

// DeleteProject deletes a row of an owner, and returns what it was. The error is rows.ErrNotFound if there is none.
func DeleteProject(ctx context.Context, db bun.IDB, owner uuid.UUID, id rows.ID) (*Project, error) {
	return rows.Delete[Project](ctx, db.NewDelete().Where("p.user_id = ?", owner), id)
}

// ProjectsOfUsers reads a page of an owner's projects for each of the users.
func ProjectsOfUsers(ctx context.Context, db bun.IDB, owner uuid.UUID, users []*User, page rows.Page, filter *ProjectFilter) ([]*ProjectConnection, error) {
	return rows.HasMany[Project](ctx, db.NewSelect().Where("p.user_id = ?", owner), users, page, filter, "user_id")
}
