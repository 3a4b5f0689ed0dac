package models

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/database/rows"
)

// Todo is a row of public.todos.
type Todo struct {
	bun.BaseModel `bun:"table:todos,alias:t"`

	ID        int64     `bun:"id,pk,autoincrement"`
	UserID    uuid.UUID `bun:"user_id" usergraph:"owner"`
	ProjectID *int64    `bun:"project_id"`
	Title     string    `bun:"title"`
	Done      bool      `bun:"done"`
	CreatedAt time.Time `bun:"created_at"`
}

// TodoFilter is the input of that name.
type TodoFilter struct {
	ProjectID *rows.IDFilter       `bun:"project_id"`
	CreatedAt *rows.DateTimeFilter `bun:"created_at"`
}

// The other GraphQL types of todos.
type (
	TodoConnection = rows.Connection[Todo]
	TodoEdge       = rows.Edge[Todo]
	TodoOrder      = rows.Order
)

// TodoByID reads a todo of an owner. It returns nil without an error if there is none.
func TodoByID(ctx context.Context, db bun.IDB, owner uuid.UUID, id rows.ID) (*Todo, error) {
	return rows.One[Todo](ctx, db.NewSelect().Where("t.user_id = ?", owner), id)
}

// TodosOf reads a page of an owner's todos.
func TodosOf(ctx context.Context, db bun.IDB, owner uuid.UUID, page rows.Page, filter *TodoFilter) (*TodoConnection, error) {
	return rows.Paginate[Todo](ctx, db.NewSelect().Where("t.user_id = ?", owner), page, filter)
}

// CreateTodo inserts the named columns of todo for an owner, and returns the row.
func CreateTodo(ctx context.Context, db bun.IDB, owner uuid.UUID, todo *Todo, columns ...string) (*Todo, error) {
	todo.UserID = owner
	return rows.Insert(ctx, db.NewInsert().Column(append(columns, "user_id")...), todo)
}

// UpdateTodo writes the named columns of todo to an owner's row, and returns the row. The error is rows.ErrNotFound if there
// is none.
func UpdateTodo(ctx context.Context, db bun.IDB, owner uuid.UUID, id rows.ID, todo *Todo, columns ...string) (*Todo, error) {
	if len(columns) == 0 {
		return TodoByID(ctx, db, owner, id)
	}
	return rows.Update(ctx, db.NewUpdate().Column(columns...).Where("t.user_id = ?", owner), todo, id)
}

// DeleteTodo deletes a row of an owner, and returns what it was. The error is rows.ErrNotFound if there is none.
func DeleteTodo(ctx context.Context, db bun.IDB, owner uuid.UUID, id rows.ID) (*Todo, error) {
	return rows.Delete[Todo](ctx, db.NewDelete().Where("t.user_id = ?", owner), id)
}

// ProjectsOfTodos reads the project of each of the todos: nil where the owner has none.
func ProjectsOfTodos(ctx context.Context, db bun.IDB, owner uuid.UUID, todos []*Todo) ([]*Project, error) {
	return rows.BelongsTo[Project](ctx, db.NewSelect().Where("p.user_id = ?", owner), todos, "project_id")
}

// TodosOfProjects reads a page of an owner's todos for each of the projects.
func TodosOfProjects(ctx context.Context, db bun.IDB, owner uuid.UUID, projects []*Project, page rows.Page, filter *TodoFilter) ([]*TodoConnection, error) {
	return rows.HasMany[Todo](ctx, db.NewSelect().Where("t.user_id = ?", owner), projects, page, filter, "project_id")
}

// TodosOfUsers reads a page of an owner's todos for each of the users.
func TodosOfUsers(ctx context.Context, db bun.IDB, owner uuid.UUID, users []*User, page rows.Page, filter *TodoFilter) ([]*TodoConnection, error) {
	return rows.HasMany[Todo](ctx, db.NewSelect().Where("t.user_id = ?", owner), users, page, filter, "user_id")
}
