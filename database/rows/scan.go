package rows

import (
	"context"
	"database/sql"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"usergraph/internal/pgwire"
)

// bun makes the statements of a list and runs them; reading its rows through database/sql and bun's model was a tenth of a
// page's cost. So the driver leaves the result here too, and its values are set by a plan. What the plan does not know is left
// to bun, value by value; and the whole list if anything fails, so that errors are bun's.

// scan reads the rows that a query finds.
func scan[T any](ctx context.Context, query *bun.SelectQuery, found *[]*T) error {
	into := &destination[T]{query: query, found: found}
	return query.Scan(pgwire.WithResult(ctx, &into.result), into)
}

// destination is a bun.Model of a list of rows.
type destination[T any] struct {
	query  *bun.SelectQuery
	found  *[]*T
	result pgwire.Result
}

// Value implements bun.Model.
func (d *destination[T]) Value() any { return d.found }

// ScanRows implements bun.Model. It returns the number of rows.
func (d *destination[T]) ScanRows(ctx context.Context, given *sql.Rows) (int, error) {
	if !d.decode() {
		return d.query.NewSelect().Model(d.found).GetModel().ScanRows(ctx, given)
	}
	return len(*d.found), nil
}

// decode reports whether it has read the rows.
func (d *destination[T]) decode() bool {
	columns := decodersOf(tableOf[T](), d.result.Columns())
	if columns == nil {
		return false
	}
	count := d.result.Len() / len(columns)
	if count == 0 {
		return true
	}
	all, found := make([]T, count), make([]*T, count)
	for row := range found {
		found[row] = &all[row]
		value := reflect.ValueOf(found[row]).Elem()
		for i := range columns {
			text, ok := d.result.Text(row*len(columns) + i)
			if ok && columns[i].set(&d.result, value, i, text) != nil || !ok && columns[i].field.ScanValue(value, nil) != nil {
				return false
			}
		}
	}
	*d.found = found
	return true
}

// columnDecoder sets a field to the values of a column.
type columnDecoder struct {
	pgwire.Column
	field  *schema.Field
	decode pgwire.Decoder // nil for those that bun sets
}

func (c *columnDecoder) set(r *pgwire.Result, row reflect.Value, column int, text string) error {
	if c.decode != nil {
		return c.decode(r, row.Field(c.field.Index[0]), text)
	}
	value, err := r.Value(column, text)
	if err != nil {
		return err
	}
	return c.field.ScanValue(row, value)
}

// decoders holds, by the table of a model, the decoders of the columns that were read last: a model's queries have the same.
var decoders sync.Map // *schema.Table: []columnDecoder

// decodersOf returns the decoders of columns, or nil if the rows of the model are bun's to read.
func decodersOf(table *schema.Table, columns []pgwire.Column) []columnDecoder {
	if known, ok := decoders.Load(table); ok {
		all := known.([]columnDecoder)
		if slices.EqualFunc(all, columns, func(c columnDecoder, column pgwire.Column) bool { return c.Column == column }) {
			return all
		}
	}
	if len(columns) == 0 || table.HasBeforeScanRowHook() || table.HasAfterScanRowHook() {
		return nil
	}
	all := make([]columnDecoder, len(columns))
	for i, column := range columns {
		field := table.LookupField(column.Name)
		if field == nil {
			return nil
		}
		all[i] = columnDecoder{Column: column, field: field}
		if len(field.Index) == 1 && !isSpecial(field) {
			all[i].decode = pgwire.DecoderOf(field.StructField.Type, column.OID)
		}
	}
	decoders.Store(table, all)
	return all
}

// isSpecial reports whether the tag of a field says how bun reads it.
func isSpecial(field *schema.Field) bool {
	return slices.ContainsFunc([]string{"array", "multirange", "msgpack", "json_use_number"}, field.Tag.HasOption) ||
		slices.ContainsFunc([]string{"[]", "multirange", "hstore"}, func(end string) bool { return strings.HasSuffix(strings.ToLower(field.UserSQLType), end) })
}
