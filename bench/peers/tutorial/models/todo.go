package models

import (
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// PageInfo says whether a list goes on.
type PageInfo struct{ HasNextPage bool }

// TodoConnection is a page of todos.
type TodoConnection struct {
	Nodes    []*Todo
	PageInfo *PageInfo
}

// Todo is a row of public.todos.
type Todo struct {
	bun.BaseModel `bun:"table:todos,alias:t"`

	ID        int64     `bun:"id,pk,autoincrement"`
	UserID    uuid.UUID `bun:"user_id,type:uuid"`
	ProjectID *int64    `bun:"project_id"`
	Title     string    `bun:"title"`
	Done      bool      `bun:"done"`
	CreatedAt time.Time `bun:"created_at,nullzero,default:now()"`
}

// CreateTodoInput is a new todo.
type CreateTodoInput struct {
	ProjectID *int64
	Title     string
}

// Project is a row of public.projects.
type Project struct {
	bun.BaseModel `bun:"table:projects,alias:p"`

	ID     int64     `bun:"id,pk,autoincrement"`
	UserID uuid.UUID `bun:"user_id,type:uuid"`
	Name   string    `bun:"name"`
	Color  string    `bun:"color"`
}
