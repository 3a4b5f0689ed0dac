package rows

import (
	"context"
	"reflect"
	"slices"
	"sync"
)

// A relation of many rows is read by one statement. gqlgen batches the rows of one list, but the rows of a level are in many
// lists: the todos of each project, the project of each todo. What one statement has read is a group, and a relation of one
// of its rows is read for the whole group. The answer of an operation remembers its groups.

type groupsKey struct{}

// groups are the rows that an answer's statements have read.
type groups struct {
	mu     sync.Mutex
	all    []*group
	mapped int // how many of all are in byRow
	byRow  map[any]*group
}

// group is a slice of pointers to rows that one statement has read, and the relations that were read for all of them.
type group struct {
	rows      any
	mu        sync.Mutex
	relations map[string]*relation
}

// relation holds a result for each row of a group, in their order.
type relation struct {
	mu      sync.Mutex
	results any
	byRow   any // the same by the pointer to the row; nil until it is asked for
	err     error
	done    bool
}

// WithGroups returns a context in which relations are read for all rows of a statement at once. The engine calls it for
// each answer. Without it, they are read for the rows that they are asked for.
func WithGroups(ctx context.Context) context.Context {
	return context.WithValue(ctx, groupsKey{}, new(groups))
}

// keep remembers the rows that a statement has read.
func keep[T any](ctx context.Context, read []*T) {
	known, ok := ctx.Value(groupsKey{}).(*groups)
	if !ok || len(read) == 0 {
		return
	}
	known.mu.Lock()
	defer known.mu.Unlock()
	known.all = append(known.all, &group{rows: slices.Clone(read)}) // whoever has the list may sort it
}

// of returns the group of a row, or nil.
func (g *groups) of(row any) *group {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, one := range g.all[g.mapped:] {
		list := reflect.ValueOf(one.rows)
		if g.byRow == nil {
			g.byRow = make(map[any]*group, list.Len())
		}
		for i := range list.Len() {
			g.byRow[list.Index(i).Interface()] = one
		}
	}
	g.mapped = len(g.all)
	return g.byRow[row]
}

// relation returns the relation of a key, which nobody may have read yet.
func (g *group) relation(key string) *relation {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.relations == nil {
		g.relations = map[string]*relation{}
	}
	one := g.relations[key]
	if one == nil {
		one = new(relation)
		g.relations[key] = one
	}
	return one
}

// groupOf returns the group that has these rows and no others, or nil: most lists are what one statement has read.
func groupOf[P any](g *groups, rows []*P) *group {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, one := range g.all {
		if list, ok := one.rows.([]*P); ok && slices.Equal(list, rows) {
			return one
		}
	}
	return nil
}

// related returns the related row or list of each row. It reads those of the row's group at once, by load, which returns
// one result for each of the rows that it gets. The key tells relations of the same rows apart.
func related[P, R any](ctx context.Context, rows []*P, key string, load func(context.Context, []*P) ([]*R, error)) ([]*R, error) {
	known, ok := ctx.Value(groupsKey{}).(*groups)
	if !ok {
		return load(ctx, rows)
	}
	if of := groupOf(known, rows); of != nil {
		all, err := resultsOf(ctx, of, key, load)
		return slices.Clone(all), err
	}
	results := make([]*R, len(rows))
	var alone []*P // rows that no statement of this answer has read
	var places []int
	var last *group
	var all map[*P]*R // the results of last
	for i, row := range rows {
		of := known.of(row)
		if of == nil {
			alone, places = append(alone, row), append(places, i)
			continue
		}
		if of != last {
			if _, err := resultsOf(ctx, of, key, load); err != nil {
				return nil, err
			}
			last, all = of, resultsByRow[P, R](of, key)
		}
		results[i] = all[row]
	}
	if alone != nil {
		found, err := load(ctx, alone)
		if err != nil {
			return nil, err
		}
		for i, place := range places {
			results[place] = found[i]
		}
	}
	return results, nil
}

// resultsOf returns the results for all rows of a group. The first caller reads them, the others wait.
func resultsOf[P, R any](ctx context.Context, of *group, key string, load func(context.Context, []*P) ([]*R, error)) ([]*R, error) {
	one := of.relation(key)
	one.mu.Lock()
	defer one.mu.Unlock()
	if !one.done {
		found, err := load(ctx, of.rows.([]*P))
		if err != nil && ctx.Err() != nil {
			return nil, err // says nothing to fields that have time left
		}
		one.results, one.err, one.done = found, err, true
	}
	results, _ := one.results.([]*R)
	return results, one.err
}

// resultsByRow returns what resultsOf has returned, by row.
func resultsByRow[P, R any](of *group, key string) map[*P]*R {
	one := of.relation(key)
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.byRow == nil {
		rows, results := of.rows.([]*P), one.results.([]*R)
		byRow := make(map[*P]*R, len(rows))
		for i, result := range results {
			byRow[rows[i]] = result
		}
		one.byRow = byRow
	}
	return one.byRow.(map[*P]*R)
}
