package rows

import (
	"strings"

	"github.com/uptrace/bun"
)

// segment is a condition that one range of an index fulfils.
type segment struct {
	sql  string
	args []any
}

// after returns the segments whose rows, one segment after the other, are those after a place. They do not overlap.
//
// The rows after (a, b) in an ascending order are those with (x, y) > (a, b), and if nulls are last, those where x is
// null. A condition with OR would have PostgreSQL read the index from its beginning.
func (o ordering) after(place []*string) []segment {
	var segments []segment
	var equal segment // the terms before i have the values of the place
	for i := 0; i < len(o); {
		t, value := o[i], place[i]
		if value == nil {
			if t.nullsFirst {
				segments = append(segments, equal.and(t.sql+" IS NOT NULL"))
			}
			// Rows where this column is null as well: the terms that follow decide.
			equal = equal.and(t.sql + " IS NULL")
			i++
			continue
		}
		// Terms of one direction make one range. A nullable column that is not the first of it could be null in rows
		// that the comparison of the first has decided, which is no harm, or has not: there the range ends before it.
		end := i + 1
		for end < len(o) && o[end].desc == t.desc && !o[end].nullable && place[end] != nil {
			end++
		}
		segments = append(segments, equal.and(comparison(o[i:end]), anys(place[i:end])...))
		if t.nullable && !t.nullsFirst {
			segments = append(segments, equal.and(t.sql+" IS NULL"))
		}
		for ; i < end; i++ {
			equal = equal.and(o[i].sql+" = ?", *place[i])
		}
	}
	return segments
}

// and returns a segment with one more condition.
func (s segment) and(sql string, args ...any) segment {
	if s.sql != "" {
		sql = s.sql + " AND " + sql
	}
	return segment{sql, append(s.args[:len(s.args):len(s.args)], args...)}
}

// comparison returns (a, b) > (?, ?), or < for a descending order.
func comparison(terms ordering) string {
	columns := make([]string, len(terms))
	for i, t := range terms {
		columns[i] = t.sql
	}
	operator := " > "
	if terms[0].desc {
		operator = " < "
	}
	if len(terms) == 1 {
		return columns[0] + operator + "?"
	}
	return "(" + strings.Join(columns, ", ") + ")" + operator + "(?" + strings.Repeat(", ?", len(terms)-1) + ")"
}

func anys(texts []*string) []any {
	args := make([]any, len(texts))
	for i, text := range texts {
		args[i] = *text
	}
	return args
}

// ordered limits a query to the first rows of an ordering after a place. A nil place is the beginning.
func (o ordering) ordered(query *bun.SelectQuery, place []*string, limit int) *bun.SelectQuery {
	alone := func(query *bun.SelectQuery) *bun.SelectQuery { return query.OrderExpr(o.String()).Limit(int64(limit)) }
	if place == nil {
		return alone(query)
	}
	segments := o.after(place)
	parts := make([]any, len(segments))
	for i, s := range segments {
		parts[i] = alone(query.Clone().Where(s.sql, s.args...))
	}
	if len(parts) == 1 {
		return parts[0].(*bun.SelectQuery)
	}
	union := "(" + strings.TrimSuffix(strings.Repeat("(?) UNION ALL ", len(parts)), " UNION ALL ") + ") AS ?TableAlias"
	return alone(query.NewSelect().Model(query.GetModel().Value()).ModelTableExpr(union, parts...))
}
