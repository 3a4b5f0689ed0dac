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
	columns  []Column
	tag      string
	affected int64

	text strings.Builder // the values one after the other
	ends []int           // where each value ends in text; the complement of that for NULL
	size int             // bytes on the wire
	next int             // the value that Next hands out first
}

// extent is about how much a result of a statement takes: what its last one took, as far as that is usual.
type extent struct{ bytes, values int }

// usualExtent bounds what is allocated before the first row has come.
var usualExtent = extent{8 << 10, 1 << 10}

// add takes one row. The first one allocates for all rows that are expected.
func (r *rows) add(values [][]byte, expected extent) {
	if r.ends == nil {
		size := 0
		for _, value := range values {
			size += len(value)
		}
		r.text.Grow(max(size, expected.bytes))
		r.ends = make([]int, 0, max(len(values), expected.values))
	}
	for _, value := range values {
		r.size += rowOverhead + len(value)
		if value == nil {
			r.ends = append(r.ends, ^r.text.Len())
			continue
		}
		r.text.Write(value)
		r.ends = append(r.ends, r.text.Len())
	}
}

// finish takes what comes after the last row.
func (r *rows) finish(columns []Column, tag string) {
	r.columns, r.tag = columns, tag
	r.affected = pgconn.NewCommandTag(tag).RowsAffected()
}

// extent returns what the result has taken, as far as that is usual.
func (r *rows) extent() extent {
	return extent{min(r.text.Len(), usualExtent.bytes), min(len(r.ends), usualExtent.values)}
}

// value returns the text of a value, which are numbered row by row. It is not ok for NULL.
func (r *rows) value(i int) (text string, ok bool) {
	start, end := 0, r.ends[i]
	if end < 0 {
		return "", false
	}
	if i > 0 {
		start = max(r.ends[i-1], ^r.ends[i-1])
	}
	return r.text.String()[start:end], true
}

// own returns a text that keeps no more of the result than is worth an allocation.
func (r *rows) own(text string) string {
	if r.text.Cap() > shareBytes {
		return strings.Clone(text)
	}
	return text
}

// Columns returns the names of the columns.
func (r *rows) Columns() []string {
	names := make([]string, len(r.columns))
	for i, column := range r.columns {
		names[i] = column.Name
	}
	return names
}

// Close has nothing to do: there is only memory.
func (r *rows) Close() error { return nil }

// Next hands out a row.
func (r *rows) Next(dest []driver.Value) error {
	if len(r.ends)-r.next < len(dest) || len(dest) == 0 {
		return io.EOF
	}
	for i := range dest {
		text, ok := r.value(r.next + i)
		if !ok {
			dest[i] = nil
			continue
		}
		value, err := parse(r.columns[i].OID, text)
		if err != nil {
			return fmt.Errorf("column %s: %w", r.columns[i].Name, err)
		}
		if s, ok := value.(string); ok {
			value = r.own(s)
		}
		dest[i] = value
	}
	r.next += len(dest)
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
		return parseInstant(text, "", func(string) string { return time.DateTime })
	case pgtype.TimestamptzOID:
		return parseZoned(text)
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

// parseZoned reads a timestamp with zone in DateStyle ISO, as UTC.
func parseZoned(text string) (time.Time, error) { return parseInstant(text, "+00", zoneLayout) }

// parseInstant reads a timestamp in DateStyle ISO, as UTC. utc is how UTC is written behind it.
func parseInstant(text, utc string, layout func(string) string) (time.Time, error) {
	if t, ok := usualInstant(text, utc); ok {
		return t, nil
	}
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
		return time.Time{}, err
	}
	if isBC {
		year = 1 - year
	}
	const calendars = 400 // years after which the calendar repeats
	similar := 2000 + (year%calendars+calendars)%calendars
	rest = strconv.Itoa(similar) + "-" + rest
	if t, err = time.Parse(layout(rest), rest); err != nil {
		return time.Time{}, err
	}
	return t.UTC().AddDate(year-similar, 0, 0), nil
}

// usualInstant reads a timestamp of UTC of the years 1 to 9999, such as 2026-11-29 10:24:00.5+00. time.Parse takes five times as
// long: on a page with times, as long as all other values together.
func usualInstant(text, utc string) (t time.Time, ok bool) {
	const layout = time.DateTime
	text, ok = strings.CutSuffix(text, utc)
	if !ok || len(text) < len(layout) {
		return t, false
	}
	var parts [6]int
	part := 0
	for i := range len(layout) {
		c := text[i]
		switch isDigit := c-'0' <= 9; {
		case layout[i]-'0' <= 9 && isDigit:
			parts[part] = parts[part]*10 + int(c-'0')
		case c == layout[i]:
			part++
		default:
			return t, false
		}
	}
	nanoseconds, unit := 0, int(time.Second)
	for i, c := range []byte(text[len(layout):]) {
		if i == 0 && c == '.' && len(text) > len(layout)+1 {
			continue
		}
		if unit /= 10; i == 0 || c-'0' > 9 || unit == 0 {
			return t, false
		}
		nanoseconds += int(c-'0') * unit
	}
	t = time.Date(parts[0], time.Month(parts[1]), parts[2], parts[3], parts[4], parts[5], nanoseconds, time.UTC)
	year, month, day := t.Date()
	return t, year > 0 && year == parts[0] && int(month) == parts[1] && day == parts[2] && parts[3] < 24 && parts[4] < 60 && parts[5] < 60
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
