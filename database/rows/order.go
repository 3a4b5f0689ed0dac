package rows

import (
	"fmt"
	"hash/crc32"
	"io"
	"reflect"
	"strings"
	"sync"

	"github.com/uptrace/bun/schema"
)

// Order is a value of an enum of orders: a column in capitals, _ASC or _DESC, and perhaps _NULLS_FIRST or _NULLS_LAST, as
// in DUE_ON_DESC_NULLS_LAST. Without the latter, null is the greatest value, as in PostgreSQL and its indexes. A table's own
// type is an alias: type TodoOrder = rows.Order. Rows that are equal are ordered by the key, in the same direction.
type Order string

// MarshalGQL implements graphql.Marshaler.
func (o Order) MarshalGQL(w io.Writer) { writeJSON(w, string(o)) }

// UnmarshalGQL implements graphql.Unmarshaler. The schema's validation has checked that the enum has the value.
func (o *Order) UnmarshalGQL(value any) error {
	text, ok := value.(string)
	if *o = Order(text); !ok {
		return badInput("an order is the name of one")
	}
	return nil
}

// term is a column of an order.
type term struct {
	field      *schema.Field
	sql        string // the qualified column
	desc       bool
	nullable   bool
	nullsFirst bool
}

// ordering is an order that no two rows are equal in. Its last terms are the key.
type ordering []term

// orderingOf returns the ordering of a table's rows. No order is the key's.
func orderingOf(table *schema.Table, order *Order) (marked, error) {
	key := orderingKey{table: table}
	if order != nil {
		key.order, key.given = *order, true
	}
	known, ok := orderings.Load(key)
	if !ok {
		all, err := newOrdering(table, order)
		if err != nil {
			return marked{}, err
		}
		known = marked{all, all.mark()}
		orderings.Store(key, known)
	}
	return known.(marked), nil
}

// orderings are those that were asked for: a few for each column of a table.
var orderings sync.Map // orderingKey: marked

type orderingKey struct {
	table *schema.Table
	order Order
	given bool // else it is the key's
}

// marked is an ordering and its mark, which is made once.
type marked struct {
	ordering
	mark string
}

func newOrdering(table *schema.Table, order *Order) (ordering, error) {
	var terms ordering
	desc := false
	if order != nil {
		first, err := parseOrder(table, string(*order))
		if err != nil {
			return nil, err
		}
		terms, desc = append(terms, first), first.desc
	}
	for _, key := range table.PKs {
		if terms == nil || key != terms[0].field {
			terms = append(terms, term{field: key, sql: of(table, key), desc: desc, nullsFirst: desc})
		}
	}
	if len(table.PKs) == 0 {
		return nil, fmt.Errorf("%s has no field with the tag pk: its rows have no order", table.TypeName)
	}
	return terms, nil
}

func parseOrder(table *schema.Table, text string) (term, error) {
	name, nullsFirst := strings.CutSuffix(text, "_NULLS_FIRST")
	name, nullsLast := strings.CutSuffix(name, "_NULLS_LAST")
	name, desc := strings.CutSuffix(name, "_DESC")
	name, asc := strings.CutSuffix(name, "_ASC")
	field, err := column(table, strings.ToLower(name))
	if asc == desc || err != nil {
		return term{}, fmt.Errorf("the order %s is not a column of %s with _ASC or _DESC", text, table.TypeName)
	}
	return term{
		field: field, sql: of(table, field), desc: desc,
		nullable:   field.StructField.Type.Kind() == reflect.Pointer,
		nullsFirst: nullsFirst || desc && !nullsLast,
	}, nil
}

// reversed returns the ordering from the last row to the first.
func (o ordering) reversed() ordering {
	reversed := make(ordering, len(o))
	for i, t := range o {
		t.desc, t.nullsFirst = !t.desc, !t.nullsFirst
		reversed[i] = t
	}
	return reversed
}

// String returns the ordering in SQL.
func (o ordering) String() string {
	parts := make([]string, len(o))
	for i, t := range o {
		parts[i] = t.sql
		if t.desc {
			parts[i] += " DESC"
		}
		if t.nullable && t.nullsFirst != t.desc {
			parts[i] += map[bool]string{true: " NULLS FIRST", false: " NULLS LAST"}[t.nullsFirst]
		}
	}
	return strings.Join(parts, ", ")
}

// mark identifies the ordering in cursors. A connection that no query has read has none.
func (o ordering) mark() string {
	if len(o) == 0 {
		return ""
	}
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(o[0].field.Table.Name+": "+o.String())))
}
