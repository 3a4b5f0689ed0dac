//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// question is one thing that is asked of all contenders of a list, and what PostgreSQL says is the answer.
type question struct {
	document     string // in the schema of examples/billing, which peers/schema.graphql has a part of
	postgraphile string // in the schema that PostGraphile makes of the tables; $user is the caller's id
	method, path string // of those without GraphQL
	variables    func(c caller) map[string]any
	query        func(c caller) url.Values // of path
	// truth is SQL for the answer to the user $1, as JSON.
	truth string
	// made are the fields of a row that the database makes. Where there are some, answers differ from request to request.
	made []string
	want func(c caller) string // what each answer has once
}

const pageSize = 20

const todosTruth = `select json_build_object('todos', json_build_object(
	'nodes', (select json_agg(%[1]s order by t.created_at desc, t.id desc) from (
		select * from public.todos where user_id = $1 order by created_at desc, id desc limit 20 offset %[2]d) t left join public.projects p on p.id = t.project_id),
	'pageInfo', json_build_object('hasNextPage', (select count(*) > %[2]d + 20 from public.todos where user_id = $1))))::text`

const (
	todoTruth        = `json_build_object('id', t.id, 'title', t.title, 'done', t.done, 'createdAt', t.created_at)`
	todoProjectTruth = `json_build_object('id', t.id, 'title', t.title, 'done', t.done, 'createdAt', t.created_at,
		'project', case when p.id is not null then json_build_object('name', p.name, 'color', p.color) end)`
)

func firstPage(caller) map[string]any { return map[string]any{"first": pageSize} }

func firstQuery(caller) url.Values { return url.Values{"first": {fmt.Sprint(pageSize)}} }

func always(text string) func(caller) string { return func(caller) string { return text } }

var (
	meQuestion = question{
		document: "query Me { me { id fullName avatarUrl } }",
		method:   "GET", path: "/me",
		truth: `select json_build_object('me', json_build_object('id', id, 'fullName', full_name, 'avatarUrl', avatar_url))::text from public.users where id = $1`,
		want:  func(c caller) string { return `"` + c.name + `"` },
	}
	// todosWithProjects is W1.
	todosWithProjects = question{
		document: "query Todos($first: Int) { todos(first: $first) { nodes { id title done createdAt project { name color } } pageInfo { hasNextPage } } }",
		postgraphile: "query Todos($user: UUID!, $first: Int) { todos: allTodos(condition: {userId: $user}, orderBy: [CREATED_AT_DESC, ROW_ID_DESC], first: $first) " +
			"{ nodes { id: rowId title done createdAt project: projectByProjectId { name color } } pageInfo { hasNextPage } } }",
		method: "GET", path: "/todos/with-projects",
		variables: firstPage, query: firstQuery,
		truth: fmt.Sprintf(todosTruth, todoProjectTruth, 0),
		want:  always(`"hasNextPage":`),
	}
	// todos is W2.
	todos = question{
		document: "query Todos($first: Int) { todos(first: $first) { nodes { id title done createdAt } pageInfo { hasNextPage } } }",
		postgraphile: "query Todos($user: UUID!, $first: Int) { todos: allTodos(condition: {userId: $user}, orderBy: [CREATED_AT_DESC, ROW_ID_DESC], first: $first) " +
			"{ nodes { id: rowId title done createdAt } pageInfo { hasNextPage } } }",
		method: "GET", path: "/todos",
		variables: firstPage, query: firstQuery,
		truth: fmt.Sprintf(todosTruth, todoTruth, 0),
		want:  always(`"hasNextPage":`),
	}
	plan = question{
		document: "query Plan { me { id fullName userSubscriptions(first: 1) { nodes { id status price { id unitAmount currency product { id name } } } } } }",
		postgraphile: "query Plan($user: UUID!) { me: userByRowId(rowId: $user) { id: rowId fullName userSubscriptions: userSubscriptionsByUserId(first: 1) " +
			"{ nodes { id: rowId status price: priceByPriceId { id: rowId unitAmount currency product: productByProductId { id: rowId name } } } } } }",
		method: "GET", path: "/plan",
		truth: `select json_build_object('me', json_build_object('id', u.id, 'fullName', u.full_name, 'userSubscriptions', json_build_object('nodes', (
			select json_agg(json_build_object('id', s.id, 'status', s.status, 'price', json_build_object('id', p.id, 'unitAmount', p.unit_amount,
				'currency', p.currency, 'product', json_build_object('id', d.id, 'name', d.name))))
			from public.subscriptions s join public.prices p on p.id = s.price_id join public.products d on d.id = p.product_id
			where s.user_id = u.id))))::text from public.users u where u.id = $1`,
		want: func(c caller) string { return `"` + c.name + `"` },
	}
	productsWithPrices = question{
		document: "query Products($first: Int, $prices: Int) { products(first: $first) { nodes { id name prices(first: $prices) { nodes { id unitAmount currency } } } } }",
		postgraphile: "query Products($first: Int, $prices: Int) { products: allProducts(orderBy: ROW_ID_ASC, first: $first) " +
			"{ nodes { id: rowId name prices: pricesByProductId(orderBy: ROW_ID_ASC, first: $prices) { nodes { id: rowId unitAmount currency } } } } }",
		method: "GET", path: "/products",
		variables: func(caller) map[string]any { return map[string]any{"first": pageSize, "prices": 10} },
		query:     func(caller) url.Values { return url.Values{"first": {fmt.Sprint(pageSize)}, "prices": {"10"}} },
		truth: `select json_build_object('products', json_build_object('nodes', (
			select json_agg(json_build_object('id', d.id, 'name', d.name, 'prices', json_build_object('nodes', (
				select json_agg(json_build_object('id', p.id, 'unitAmount', p.unit_amount, 'currency', p.currency) order by p.id)
				from public.prices p where p.product_id = d.id))) order by d.id) from public.products d)))::text where $1::uuid is not null`,
		want: always(`"price_020_5"`),
	}
	newTodo = question{
		document:     "mutation Add($input: CreateTodoInput!) { createTodo(input: $input) { id title done createdAt } }",
		postgraphile: "mutation Add($input: TodoInput!) { createTodo(input: {todo: $input}) { todo { id: rowId title done createdAt } } }",
		method:       "POST", path: "/todos",
		variables: func(c caller) map[string]any { return map[string]any{"input": input(c)} },
		truth: `select json_build_object('createTodo', json_build_object('title', 'New of ' || full_name, 'done', false))::text
			from public.users where id = $1`,
		made: []string{"id", "createdAt"},
		want: func(c caller) string { return `"New of ` + c.name + `"` },
	}
)

// input is a new todo in the caller's first project.
func input(c caller) map[string]any {
	return map[string]any{"projectId": fmt.Sprint(c.number*userProjects + 1), "title": "New of " + c.name}
}

// pageAfter asks for a page of the first user's todos that begins after a row: W2 with a cursor. A server without GraphQL
// gets what is in the cursor.
func pageAfter(row int, cursor string, createdAt, id string) question {
	q := todos
	q.document = "query Todos($first: Int, $after: String) { todos(first: $first, after: $after) { nodes { id title done createdAt } pageInfo { hasNextPage } } }"
	q.variables = func(c caller) map[string]any { return map[string]any{"first": pageSize, "after": cursor} }
	q.query = func(c caller) url.Values {
		return url.Values{"first": {fmt.Sprint(pageSize)}, "after": {createdAt}, "id": {id}}
	}
	q.truth = fmt.Sprintf(todosTruth, todoTruth, row)
	return q
}

// graphQL is the body of a GraphQL request.
func graphQL(document string, variables map[string]any) string {
	text, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		panic(err) // the questions have strings and numbers
	}
	return string(text)
}

// contender makes one that is asked this question. It is built and started as the one called of.
func (q question) contender(of, name string) contender {
	c, ok := contenderCalled(of)
	if !ok {
		panic("there is no contender " + of)
	}
	c.name, c.database = name, listsName
	variables := q.variables
	if variables == nil {
		variables = func(caller) map[string]any { return nil }
	}
	bytesOf := func(address string, from caller) []byte { // REST, HS256
		return q.rest(address, q.path, from.hs256, from)
	}
	switch of {
	case "usergraph":
		c.does = "examples/billing on this engine: ES256, GraphQL, row-level security"
		c.build = buildBilling
		bytesOf = func(address string, from caller) []byte {
			return message("POST", address, "/graphql", from.es256, graphQL(q.document, variables(from)))
		}
	case "tutorial", "yoga", "mercurius":
		bytesOf = func(address string, from caller) []byte {
			return message("POST", address, "/graphql", from.hs256, graphQL(q.document, variables(from)))
		}
	case "postgraphile":
		bytesOf = func(address string, from caller) []byte {
			with := map[string]any{"user": from.id}
			maps.Copy(with, variables(from))
			return message("POST", address, "/graphql", from.hs256, graphQL(q.postgraphile, with))
		}
	case "supabase":
		bytesOf = func(address string, from caller) []byte { return q.rest(address, q.path, from.es256, from) }
	}
	c.request = func(address string, from caller) request {
		return request{bytesOf(address, from), []byte(q.want(from)), 1}
	}
	return c
}

// joined is the hand-written server that reads what a row belongs to with the row.
func (q question) joined() contender {
	q.path += "/joined"
	c := q.contender("handwritten", "handwritten-join")
	c.does = "the same, todos and projects by one statement with a join"
	return c
}

func (q question) rest(address, path, token string, c caller) []byte {
	if q.query != nil {
		path += "?" + q.query(c).Encode()
	}
	body := ""
	if q.method == "POST" {
		text, err := json.Marshal(input(c))
		if err != nil {
			panic(err) // strings
		}
		body = string(text)
	}
	return message(q.method, address, path, token, body)
}

func contenderCalled(name string) (contender, bool) {
	for _, c := range contenders {
		if c.name == name {
			return c, true
		}
	}
	return contender{}, false
}

// verify compares the answer to each of the callers with what the database says, and demands the same bytes from then on.
func (b *bench) verify(q question) func(context.Context, *score) error {
	return func(ctx context.Context, s *score) error {
		conn, err := pgx.Connect(ctx, b.cluster.admin(s.contender.database))
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		return ask(ctx, s.server.address, s.requests, func(n int, body []byte) error {
			var truth string
			if err := conn.QueryRow(ctx, q.truth, b.callers[n].id).Scan(&truth); err != nil {
				return err
			}
			if err := equal([]byte(truth), body, q.made); err != nil {
				return fmt.Errorf("wrong answer: %w:\n%.2000s\nPostgreSQL says:\n%.2000s", err, body, truth)
			}
			if q.made == nil {
				s.requests[n].want = bytes.Clone(body)
			}
			return nil
		})
	}
}

// equal compares an answer with the truth. Servers differ in how they write numbers, instants and enum values, and in an
// object around the row that a mutation has made.
func equal(truth, answer []byte, made []string) error {
	want, err := decode(truth)
	if err != nil {
		return err
	}
	got, err := decode(answer)
	if err != nil {
		return err
	}
	if object, ok := got.(map[string]any); ok {
		if object["errors"] != nil {
			return errors.New("it has errors")
		}
		if data, ok := object["data"]; ok {
			got = data
		}
	}
	if object, ok := got.(map[string]any); ok {
		if created, ok := object["createTodo"].(map[string]any); ok {
			if row, ok := created["todo"].(map[string]any); ok {
				object["createTodo"], created = row, row
			}
			for _, field := range made {
				if created[field] == nil || created[field] == "" {
					return fmt.Errorf("%s is missing", field)
				}
				delete(created, field)
			}
		}
		if _, ok := object["fullName"]; ok { // GET /me has no field around it
			got = map[string]any{"me": object}
		}
	}
	if !reflect.DeepEqual(normal(want), normal(got)) {
		return errors.New("it differs")
	}
	return nil
}

func decode(text []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return value, decoder.Decode(&value)
}

// normal writes numbers as texts, instants in UTC, and the status of a subscription in small letters.
func normal(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, field := range v {
			v[key] = normal(field)
			if text, ok := v[key].(string); ok && key == "status" {
				v[key] = strings.ToLower(text)
			}
		}
	case []any:
		for i := range v {
			v[i] = normal(v[i])
		}
	case json.Number:
		return v.String()
	case string:
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return at.UTC().Format(time.RFC3339Nano)
		}
	}
	return value
}
