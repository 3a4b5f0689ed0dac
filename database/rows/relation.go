package rows

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// BelongsTo reads the row that each child references: nil if its column is null, and if no row fulfils the conditions or
// row-level security hides it. The columns are those of the children that hold the key of T, in the order of T's fields
// with the tag pk. The query is db.NewSelect() with its conditions, each in a Where. One statement reads for all children
// that were read by one statement.
func BelongsTo[T, C any](ctx context.Context, query *bun.SelectQuery, children []*C, columns ...string) ([]*T, error) {
	table := tableOf[T]()
	references, err := columnsOf(tableOf[C](), columns)
	if err == nil && len(references) != len(table.PKs) {
		err = fmt.Errorf("the key of %s has %d columns, and %v are %d", table.TypeName, len(table.PKs), columns, len(columns))
	}
	if err != nil {
		return nil, err
	}
	query = query.Model((*T)(nil))
	return related(ctx, children, keyOf(query, columns), func(ctx context.Context, children []*C) ([]*T, error) {
		keys := keysOf(references, children)
		if len(keys.texts) == 0 {
			return make([]*T, len(children)), nil
		}
		var found []*T
		if err := scan(ctx, keys.limit(query.Clone(), table, table.PKs), &found); err != nil {
			return nil, err
		}
		keep(ctx, found)
		byKey := make(map[string]*T, len(found))
		for _, row := range found {
			byKey[joinedKey(table.PKs, reflect.ValueOf(row))] = row
		}
		results := make([]*T, len(children))
		for i := range children {
			results[i] = byKey[keys.byRow[i]] // a child without a key has "", which no row has
		}
		return results, nil
	})
}

// HasMany reads a page of the rows that reference each parent. The columns are those of T that hold the key of the parent,
// in the order of its fields with the tag pk. The query and the filter are as for Paginate. One statement reads for all
// parents that were read by one statement, and each page stops at its size.
func HasMany[T, P any](ctx context.Context, query *bun.SelectQuery, parents []*P, page Page, filter any, columns ...string) ([]*Connection[T], error) {
	table, parentTable := tableOf[T](), tableOf[P]()
	read, err := page.plan(table)
	if err != nil {
		return nil, err
	}
	references, err := columnsOf(table, columns)
	if err == nil && len(references) != len(parentTable.PKs) {
		err = fmt.Errorf("the key of %s has %d columns, and %v are %d", parentTable.TypeName, len(parentTable.PKs), columns, len(columns))
	}
	if err != nil {
		return nil, err
	}
	query = query.Model((*T)(nil))
	if err := where(query, table, filter); err != nil {
		return nil, err
	}
	key := keyOf(read.reading.ordered(query.Clone(), read.place, read.size+1), columns)
	return related(ctx, parents, key, func(ctx context.Context, parents []*P) ([]*Connection[T], error) {
		keys := keysOf(parentTable.PKs, parents)
		own := query.Clone()
		for i, reference := range references {
			own.Where(fmt.Sprintf("%s = keys.k%d", of(table, reference), i))
		}
		counts := &counts{query: own, keys: keys, references: references}
		inner := read.reading.ordered(own.Clone(), read.place, read.size+1)
		list, args := keys.list(references)
		var found []*T
		lateral := query.NewSelect().Model((*T)(nil)).
			ModelTableExpr(list+" CROSS JOIN LATERAL (?) AS ?TableAlias", append(args, inner)...).
			OrderExpr(read.reading.String())
		if err := scan(ctx, lateral, &found); err != nil {
			return nil, err
		}
		byKey := map[string][]*T{}
		for _, row := range found {
			k := joinedKey(references, reflect.ValueOf(row))
			byKey[k] = append(byKey[k], row)
		}
		var all []*T
		results := make([]*Connection[T], len(parents))
		for i := range parents {
			k := keys.byRow[i]
			results[i] = connectionOf(page, read, byKey[k])
			results[i].count = func(ctx context.Context) (int, error) { return counts.of(ctx, k) }
			all = append(all, results[i].Nodes...)
		}
		keep(ctx, all)
		return results, nil
	})
}

// HasOne reads the row that references each parent, of several the first in an order, and nil if there is none. The order
// "" is that of the key. The columns and the query are as for HasMany.
func HasOne[T, P any](ctx context.Context, query *bun.SelectQuery, parents []*P, order Order, columns ...string) ([]*T, error) {
	one := 1
	page := Page{First: &one}
	if order != "" {
		page.Order = &order
	}
	pages, err := HasMany[T](ctx, query, parents, page, nil, columns...)
	if err != nil {
		return nil, err
	}
	first := make([]*T, len(parents))
	for i, page := range pages {
		if len(page.Nodes) > 0 {
			first[i] = page.Nodes[0]
		}
	}
	return first, nil
}

// keyOf tells relations of the same rows apart: by what is read of them, and by which columns.
func keyOf(query *bun.SelectQuery, columns []string) string {
	return query.String() + " " + strings.Join(columns, ",")
}

// keys are the distinct keys of some rows.
type keys struct {
	texts  [][]string // of each key, its columns
	joined []string   // each key as one text
	byRow  []string   // the joined key of each row; "" if it has none
}

// joinedKey returns the texts of a key as one text, or "" if one is NULL.
func joinedKey(fields []*schema.Field, row reflect.Value) string {
	texts, ok := keyTexts(fields, row)
	if !ok {
		return ""
	}
	return joined(texts)
}

func joined(texts []string) string {
	return "\x00" + strings.Join(texts, "\x00") // PostgreSQL's texts have no such character
}

func keysOf[T any](fields []*schema.Field, rows []*T) keys {
	k := keys{byRow: make([]string, len(rows))}
	seen := map[string]bool{}
	for i, row := range rows {
		texts, ok := keyTexts(fields, reflect.ValueOf(row))
		if !ok {
			continue
		}
		k.byRow[i] = joined(texts)
		if !seen[k.byRow[i]] {
			seen[k.byRow[i]] = true
			k.texts, k.joined = append(k.texts, texts), append(k.joined, k.byRow[i])
		}
	}
	return k
}

// column returns the texts of one column of the keys as an array.
func (k keys) column(i int) string {
	texts := make([]string, len(k.texts))
	for row, key := range k.texts {
		texts[row] = key[i]
	}
	return arrayOf(texts)
}

// limit limits a query to rows whose fields are one of the keys.
func (k keys) limit(query *bun.SelectQuery, table *schema.Table, fields []*schema.Field) *bun.SelectQuery {
	if len(fields) == 1 {
		return query.Where(of(table, fields[0])+" = ANY(?)", k.column(0))
	}
	columns := make([]string, len(fields))
	for i, field := range fields {
		columns[i] = of(table, field)
	}
	list, args := k.list(fields)
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fmt.Sprintf("keys.k%d", i)
	}
	return query.Where("("+strings.Join(columns, ", ")+") IN (SELECT "+strings.Join(names, ", ")+" FROM "+list+")", args...)
}

// list returns the keys as a table keys(k0, k1, …, n) in SQL; n is the number of the row. The fields give the types of the columns.
func (k keys) list(fields []*schema.Field) (sql string, args []any) {
	arrays, names := make([]string, len(fields)), make([]string, len(fields))
	for i, field := range fields {
		arrays[i], names[i] = "?::"+sqlTypeOf(field)+"[]", fmt.Sprintf("k%d", i)
		args = append(args, k.column(i))
	}
	return "unnest(" + strings.Join(arrays, ", ") + ") WITH ORDINALITY AS keys(" + strings.Join(names, ", ") + ", n)", args
}

// sqlTypeOf returns the type of a key's column. bun takes the 16 bytes of a UUID for bytea.
func sqlTypeOf(field *schema.Field) string {
	if field.IndirectType == reflect.TypeFor[uuid.UUID]() {
		return "uuid"
	}
	return cmp.Or(field.UserSQLType, field.DiscoveredSQLType)
}

// counts are the numbers of rows that reference each key. They are counted once, when the first is asked for.
type counts struct {
	query      *bun.SelectQuery // of the rows of the key in the row of keys
	keys       keys
	references []*schema.Field

	mu    sync.Mutex
	byKey map[string]int
}

func (c *counts) of(ctx context.Context, key string) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey != nil {
		return c.byKey[key], nil
	}
	list, args := c.keys.list(c.references)
	var found []int
	err := c.query.NewSelect().ColumnExpr("counted.rows").
		TableExpr(list+" CROSS JOIN LATERAL (?) AS counted(rows)", append(args, c.query.Clone().ColumnExpr("count(*)"))...).
		OrderExpr("keys.n").Scan(ctx, &found)
	if err != nil {
		return 0, err
	}
	c.byKey = make(map[string]int, len(found))
	for i, count := range found {
		c.byKey[c.keys.joined[i]] = count
	}
	return c.byKey[key], nil
}
