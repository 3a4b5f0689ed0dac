package pgwire

import (
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"usergraph/internal/sqltext"
)

const (
	// shareBytes is the size of a result up to which its texts share one allocation. Whoever keeps a text of it keeps all.
	shareBytes = 2 << 10
	// rowOverhead is what a value takes beside its bytes, NULL too.
	rowOverhead = 8
)

// rows is a whole result in memory. PostgreSQL tells only after the last row whether the transaction was committed, and
// bun does not always read that far.
type rows struct {
	columns  []column
	tag      string
	affected int64

	text strings.Builder // the values one after the other
	ends []int           // where each value ends in text; -1 for NULL
	size int             // bytes on the wire
	// What Next has not yet handed out.
	unread   string
	consumed int
}

// add takes one row.
func (r *rows) add(values [][]byte) {
	if r.ends == nil { // most results are one row
		size := 0
		for _, value := range values {
			size += len(value)
		}
		r.text.Grow(size)
		r.ends = make([]int, 0, len(values))
	}
	for _, value := range values {
		r.size += rowOverhead + len(value)
		if value == nil {
			r.ends = append(r.ends, -1)
			continue
		}
		r.text.Write(value)
		r.ends = append(r.ends, r.text.Len())
	}
}

// finish takes what comes after the last row.
func (r *rows) finish(columns []column, tag string) {
	r.columns, r.tag = columns, tag
	r.affected = pgconn.NewCommandTag(tag).RowsAffected()
	r.unread = r.text.String()
}

// Columns returns the names of the columns.
func (r *rows) Columns() []string {
	names := make([]string, len(r.columns))
	for i, column := range r.columns {
		names[i] = column.name
	}
	return names
}

// Close has nothing to do: there is only memory.
func (r *rows) Close() error { return nil }

// Next hands out a row.
func (r *rows) Next(dest []driver.Value) error {
	if len(r.ends) < len(dest) || len(dest) == 0 {
		return io.EOF
	}
	for i := range dest {
		end := r.ends[i]
		if end < 0 {
			dest[i] = nil
			continue
		}
		text := r.unread[:end-r.consumed]
		r.unread, r.consumed = r.unread[len(text):], end
		value, err := parse(r.columns[i].oid, text)
		if err != nil {
			return fmt.Errorf("column %s: %w", r.columns[i].name, err)
		}
		if s, ok := value.(string); ok && r.text.Len() > shareBytes {
			value = strings.Clone(s)
		}
		dest[i] = value
	}
	r.ends = r.ends[len(dest):]
	return nil
}

// parse turns PostgreSQL's text of a value into what database/sql hands on: int64, float64, bool, time.Time, []byte for
// JSON and bytea, and the text itself for all other types.
func parse(oid uint32, text string) (driver.Value, error) {
	switch oid {
	case pgtype.BoolOID:
		return text == "t", nil
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID, pgtype.XIDOID, pgtype.CIDOID:
		return strconv.ParseInt(text, 10, 64)
	case pgtype.Float4OID:
		return strconv.ParseFloat(text, 32)
	case pgtype.Float8OID:
		return strconv.ParseFloat(text, 64)
	case pgtype.JSONOID, pgtype.JSONBOID, pgtype.XMLOID:
		return []byte(text), nil
	case pgtype.ByteaOID:
		digits, ok := strings.CutPrefix(text, `\x`)
		if !ok {
			return nil, errors.New("bytea_output must be hex")
		}
		return hex.DecodeString(digits)
	case pgtype.DateOID:
		return parseTime(text, time.DateOnly)
	case pgtype.TimestampOID:
		return parseInstant(text, func(string) string { return time.DateTime })
	case pgtype.TimestamptzOID:
		return parseInstant(text, zoneLayout)
	}
	return text, nil
}

// parseTime reads a date in DateStyle ISO, as UTC. What time.Time does not write that way stays text: infinity, and years
// BC or after 9999.
func parseTime(text, layout string) (driver.Value, error) {
	t, err := time.Parse(layout, text)
	if err == nil {
		return t.UTC(), nil
	}
	if strings.HasSuffix(text, "infinity") || strings.HasSuffix(text, " BC") || strings.IndexByte(text, '-') > 4 {
		return text, nil
	}
	return nil, err
}

// parseInstant reads a timestamp in DateStyle ISO, as UTC.
func parseInstant(text string, layout func(string) string) (driver.Value, error) {
	t, err := time.Parse(layout(text), text)
	if err == nil {
		return t.UTC(), nil
	}
	switch text {
	case "infinity":
		return time.Date(sqltext.InfinityYear, 1, 1, 0, 0, 0, 0, time.UTC), nil
	case "-infinity":
		return time.Date(sqltext.MinusInfinityYear, 1, 1, 0, 0, 0, 0, time.UTC), nil
	}
	// The layouts have four digits for the year: the same instant of a year that has the same calendar is read.
	rest, isBC := strings.CutSuffix(text, " BC")
	digits, rest, _ := strings.Cut(rest, "-")
	year, parsed := strconv.Atoi(digits)
	if parsed != nil || !isBC && len(digits) < 5 {
		return nil, err
	}
	if isBC {
		year = 1 - year
	}
	const calendars = 400 // years after which the calendar repeats
	similar := 2000 + (year%calendars+calendars)%calendars
	rest = strconv.Itoa(similar) + "-" + rest
	if t, err = time.Parse(layout(rest), rest); err != nil {
		return nil, err
	}
	return t.UTC().AddDate(year-similar, 0, 0), nil
}

// zoneLayout returns the layout of a time with zone: PostgreSQL writes minutes and seconds of the offset only where there
// are any.
func zoneLayout(text string) string {
	switch sign := max(strings.LastIndexByte(text, '+'), strings.LastIndexByte(text, '-')); len(text) - sign {
	case len("+00:00"):
		return time.DateTime + "Z07:00"
	case len("+00:00:00"):
		return time.DateTime + "Z07:00:00"
	}
	return time.DateTime + "Z07"
}
