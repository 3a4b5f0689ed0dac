package rows

import (
	"context"
	"reflect"
	"slices"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

const (
	// defaultPage is the number of rows in a page that names none.
	defaultPage = 20
	// maxPage bounds the rows of a page: more takes long to read, and nobody looks at more at once.
	maxPage = 100
)

// Page says which rows of a list to read: the first ones after a cursor, or the last ones before one. Without First and
// Last it is the first 20. More than 100 is an InputError.
type Page struct {
	First, Last   *int
	After, Before *string
	// Order is the order of the list. Nil is the order of the key.
	Order *Order
}

// backward reports whether the page is read from the end of the list.
func (p Page) backward() bool { return p.Last != nil || p.First == nil && p.Before != nil }

// size returns the number of rows, at most 100.
func (p Page) size() (int, error) {
	size := defaultPage
	switch {
	case p.First != nil && p.Last != nil:
		return 0, badInput("first and last do not go together: ask for the one or the other")
	case p.backward() && p.After != nil:
		return 0, badInput("after goes with first, before with last")
	case p.First != nil && p.Before != nil:
		return 0, badInput("before goes with last, after with first")
	case p.First != nil:
		size = *p.First
	case p.Last != nil:
		size = *p.Last
	}
	if size < 0 || size > maxPage {
		return 0, badInput("a page has 0 to %d rows, and %d were asked for: ask for more pages", maxPage, size)
	}
	return size, nil
}

// plan is a page of a table: its ordering in the direction of reading, where it begins, and how many rows it has.
type plan struct {
	ordering marked   // of the list
	reading  ordering // of the statement
	place    []*string
	size     int
}

func (p Page) plan(table *schema.Table) (plan, error) {
	size, err := p.size()
	if err != nil {
		return plan{}, err
	}
	all, err := orderingOf(table, p.Order)
	if err != nil {
		return plan{}, err
	}
	read, cursor := plan{ordering: all, reading: all.ordering, size: size}, p.After
	if p.backward() {
		read.reading, cursor = all.reversed(), p.Before
	}
	if cursor != nil {
		read.place, err = all.place(*cursor)
	}
	return read, err
}

// Paginate reads a page of a query. The query has no model, order or limit: it is db.NewSelect() with the conditions that
// every row must fulfil, each in a Where, none in a WhereOr. The filter is nil, or a pointer to a struct whose fields are
// pointers to Filter with the column in the tag bun.
func Paginate[T any](ctx context.Context, query *bun.SelectQuery, page Page, filter any) (*Connection[T], error) {
	table := tableOf[T]()
	read, err := page.plan(table)
	if err != nil {
		return nil, err
	}
	query = query.Model((*T)(nil))
	if err := where(query, table, filter); err != nil {
		return nil, err
	}
	var found []*T
	if err := scan(ctx, read.reading.ordered(query, read.place, read.size+1), &found); err != nil {
		return nil, err
	}
	connection := connectionOf(page, read, found)
	connection.count = func(ctx context.Context) (int, error) {
		count, err := query.Clone().Count(ctx)
		return int(count), err
	}
	keep(ctx, connection.Nodes)
	return connection, nil
}

// connectionOf returns the page of rows that were read, one more than it has if there is one.
func connectionOf[T any](page Page, read plan, found []*T) *Connection[T] {
	more := len(found) > read.size
	found = found[:min(len(found), read.size)]
	c := &Connection[T]{Nodes: found, ordering: read.ordering}
	c.PageInfo.HasNextPage, c.PageInfo.HasPreviousPage = more, read.place != nil
	if page.backward() {
		slices.Reverse(found)
		c.PageInfo.HasNextPage, c.PageInfo.HasPreviousPage = read.place != nil, more
	}
	if len(found) > 0 {
		start, end := c.cursor(found[0]), c.cursor(found[len(found)-1])
		c.PageInfo.StartCursor, c.PageInfo.EndCursor = &start, &end
	}
	return c
}

// Connection is a page of rows, as Relay's specification has it, and its rows without edges.
// https://relay.dev/graphql/connections.htm
type Connection[T any] struct {
	Nodes    []*T
	PageInfo PageInfo

	ordering marked
	count    func(context.Context) (int, error)
}

// Edges returns the rows with their cursors.
func (c *Connection[T]) Edges() []*Edge[T] {
	edges := make([]*Edge[T], len(c.Nodes))
	for i, node := range c.Nodes {
		edges[i] = &Edge[T]{Node: node, connection: c}
	}
	return edges
}

// TotalCount counts the rows of the list, on all its pages. PostgreSQL reads all of them for it.
func (c *Connection[T]) TotalCount(ctx context.Context) (int, error) { return c.count(ctx) }

func (c *Connection[T]) cursor(row *T) string { return c.ordering.cursorOf(reflect.ValueOf(row)) }

// Edge is a row in a page.
type Edge[T any] struct {
	Node *T

	connection *Connection[T]
}

// Cursor returns the place of the row in the order of its list.
func (e *Edge[T]) Cursor() string { return e.connection.cursor(e.Node) }

// PageInfo says whether there is more before and after a page. As Relay's specification allows, it does not look at the
// side that the page was not read towards: there, a page that begins at a cursor has more.
type PageInfo struct {
	HasNextPage, HasPreviousPage bool
	StartCursor, EndCursor       *string // nil if the page is empty
}
