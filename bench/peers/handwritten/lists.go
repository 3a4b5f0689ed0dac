package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// The answers have the shape of GraphQL's: pages of nodes, with hasNextPage.

type todosAnswer[T any] struct {
	Todos page[T] `json:"todos"`
}

type page[T any] struct {
	Nodes    []T `json:"nodes"`
	PageInfo struct {
		HasNextPage bool `json:"hasNextPage"`
	} `json:"pageInfo"`
}

// todosOf makes a page of its rows, of which one more than it has were asked for.
func todosOf[T any](found []T, size int) (answer todosAnswer[T]) {
	answer.Todos.Nodes, answer.Todos.PageInfo.HasNextPage = found[:min(len(found), size)], len(found) > size
	return answer
}

type todo struct {
	ID        int64     `json:"id"`
	Title     string    `json:"title"`
	Done      bool      `json:"done"`
	CreatedAt time.Time `json:"createdAt"`
	projectID *int64
}

type todoWithProject struct {
	todo
	Project *project `json:"project"`
}

type project struct {
	Name  string `json:"name"`
	Color string `json:"color"`
}

const (
	selectTodos = `select id, title, done, created_at, project_id from public.todos
		where user_id = $1 order by created_at desc, id desc limit $2`
	selectTodosAfter = `select id, title, done, created_at, project_id from public.todos
		where user_id = $1 and (created_at, id) < ($3, $4) order by created_at desc, id desc limit $2`
	selectProjects = `select id, name, color from public.projects where user_id = $1 and id = any($2)`
	selectJoined   = `select t.id, t.title, t.done, t.created_at, p.name, p.color
		from public.todos t left join public.projects p on p.id = t.project_id and p.user_id = t.user_id
		where t.user_id = $1 order by t.created_at desc, t.id desc limit $2`
	selectPlan = `select u.id::text, u.full_name, s.id, s.status::text, p.id, p.unit_amount, p.currency, d.id, d.name
		from public.users u join public.subscriptions s on s.user_id = u.id
		join public.prices p on p.id = s.price_id join public.products d on d.id = p.product_id
		where u.id = $1 order by s.id limit 1`
	selectProducts = `select id, name from public.products order by id limit $1`
	selectPrices   = `select p.product_id, p.id, p.unit_amount, p.currency
		from unnest($1::text[]) with ordinality as keys(id, n) cross join lateral (
			select * from public.prices where product_id = keys.id order by id limit $2) p order by keys.n, p.id`
	insertTodo = `insert into public.todos (user_id, project_id, title) values ($1, $2, $3) returning id, title, done, created_at`
)

// number is a parameter of the request, such as the number of rows in a page.
func number(r *http.Request, name string) (int, error) { return strconv.Atoi(r.URL.Query().Get(name)) }

func (db database) todos(r *http.Request, user string) ([]byte, error) {
	size, err := number(r, "first")
	if err != nil {
		return nil, err
	}
	statement, args := selectTodos, []any{user, size + 1}
	if after := r.URL.Query().Get("after"); after != "" {
		at, err := time.Parse(time.RFC3339Nano, after)
		if err != nil {
			return nil, err
		}
		id, err := strconv.ParseInt(r.URL.Query().Get("id"), 10, 64)
		if err != nil {
			return nil, err
		}
		statement, args = selectTodosAfter, append(args, at, id)
	}
	var all []todo
	found, err := db.Query(r.Context(), statement, args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var t todo
		if err := found.Scan(&t.ID, &t.Title, &t.Done, &t.CreatedAt, &t.projectID); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	return json.Marshal(todosOf(all, size))
}

// todosWithProjects reads the todos with one statement and their projects with another.
func (db database) todosWithProjects(r *http.Request, user string) ([]byte, error) {
	size, err := number(r, "first")
	if err != nil {
		return nil, err
	}
	var all []todoWithProject
	found, err := db.Query(r.Context(), selectTodos, user, size+1)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var t todoWithProject
		if err := found.Scan(&t.ID, &t.Title, &t.Done, &t.CreatedAt, &t.projectID); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	answer := todosOf(all, size)
	projects := map[int64]*project{}
	var ids []int64
	for _, t := range answer.Todos.Nodes {
		if t.projectID == nil {
			continue
		}
		if _, known := projects[*t.projectID]; !known {
			projects[*t.projectID] = nil
			ids = append(ids, *t.projectID)
		}
	}
	if err := db.projects(r.Context(), user, ids, projects); err != nil {
		return nil, err
	}
	for i, t := range answer.Todos.Nodes {
		if t.projectID != nil {
			answer.Todos.Nodes[i].Project = projects[*t.projectID]
		}
	}
	return json.Marshal(answer)
}

func (db database) projects(ctx context.Context, user string, ids []int64, projects map[int64]*project) error {
	found, err := db.Query(ctx, selectProjects, user, ids)
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		var id int64
		p := new(project)
		if err := found.Scan(&id, &p.Name, &p.Color); err != nil {
			return err
		}
		projects[id] = p
	}
	return found.Err()
}

func (db database) todosJoined(r *http.Request, user string) ([]byte, error) {
	size, err := number(r, "first")
	if err != nil {
		return nil, err
	}
	var all []todoWithProject
	found, err := db.Query(r.Context(), selectJoined, user, size+1)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var t todoWithProject
		var name, color *string
		if err := found.Scan(&t.ID, &t.Title, &t.Done, &t.CreatedAt, &name, &color); err != nil {
			return nil, err
		}
		if name != nil && color != nil {
			t.Project = &project{*name, *color}
		}
		all = append(all, t)
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	return json.Marshal(todosOf(all, size))
}

type price struct {
	ID         string   `json:"id"`
	UnitAmount *int64   `json:"unitAmount"`
	Currency   *string  `json:"currency"`
	Product    *product `json:"product,omitempty"`
}

type product struct {
	ID     string  `json:"id"`
	Name   *string `json:"name"`
	Prices *prices `json:"prices,omitempty"`
}

type prices struct {
	Nodes []*price `json:"nodes"`
}

type subscription struct {
	ID     string  `json:"id"`
	Status *string `json:"status"`
	Price  price   `json:"price"`
}

// plan reads user, subscription, price and product by one join.
func (db database) plan(r *http.Request, user string) ([]byte, error) {
	var answer struct {
		Me struct {
			ID            string  `json:"id"`
			FullName      *string `json:"fullName"`
			Subscriptions struct {
				Nodes [1]subscription `json:"nodes"`
			} `json:"userSubscriptions"`
		} `json:"me"`
	}
	me := &answer.Me
	s := &me.Subscriptions.Nodes[0]
	s.Price.Product = new(product)
	err := db.QueryRow(r.Context(), selectPlan, user).Scan(&me.ID, &me.FullName, &s.ID, &s.Status,
		&s.Price.ID, &s.Price.UnitAmount, &s.Price.Currency, &s.Price.Product.ID, &s.Price.Product.Name)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// products reads a page of products, and a page of prices for each of them.
func (db database) products(r *http.Request, _ string) ([]byte, error) {
	size, err := number(r, "first")
	if err != nil {
		return nil, err
	}
	each, err := number(r, "prices")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Products struct {
			Nodes []*product `json:"nodes"`
		} `json:"products"`
	}
	byID := map[string]*product{}
	var ids []string
	found, err := db.Query(r.Context(), selectProducts, size)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		p := &product{Prices: &prices{Nodes: []*price{}}}
		if err := found.Scan(&p.ID, &p.Name); err != nil {
			return nil, err
		}
		answer.Products.Nodes = append(answer.Products.Nodes, p)
		byID[p.ID], ids = p, append(ids, p.ID)
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	priced, err := db.Query(r.Context(), selectPrices, ids, each)
	if err != nil {
		return nil, err
	}
	defer priced.Close()
	for priced.Next() {
		var of string
		p := new(price)
		if err := priced.Scan(&of, &p.ID, &p.UnitAmount, &p.Currency); err != nil {
			return nil, err
		}
		list := byID[of].Prices
		list.Nodes = append(list.Nodes, p)
	}
	if err := priced.Err(); err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

func (db database) createTodo(r *http.Request, user string) ([]byte, error) {
	var input struct {
		ProjectID *int64 `json:"projectId,string"`
		Title     string `json:"title"`
	}
	if err := json.NewDecoder(r.Body).Decode(&input); err != nil {
		return nil, err
	}
	var answer struct {
		CreateTodo todo `json:"createTodo"`
	}
	t := &answer.CreateTodo
	err := db.QueryRow(r.Context(), insertTodo, user, input.ProjectID, input.Title).Scan(&t.ID, &t.Title, &t.Done, &t.CreatedAt)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}
