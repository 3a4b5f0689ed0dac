package rows

import (
	"context"

	"github.com/uptrace/bun"

	"usergraph/internal/pgwire"
)

// Scan is scan. It reports whether the rows were read without bun, and how many of the columns without bun's scanners.
func Scan[T any](ctx context.Context, query *bun.SelectQuery, found *[]*T) (decoded bool, plain int, err error) {
	into := &destination[T]{query: query, found: found}
	err = query.Scan(pgwire.WithResult(ctx, &into.result), into)
	for _, column := range decodersOf(tableOf[T](), into.result.Columns()) {
		if column.decode != nil {
			plain++
		}
	}
	return err == nil && into.decode(), plain, err
}
