// Package sqltext answers one question: which literals of a statement become its parameters?
//
// bun writes arguments into the text of a statement. [Dialect] marks them there, and [Parameterize] puts parameters in
// their place, so that a statement has one text for all its arguments and PostgreSQL plans it once.
package sqltext

import (
	"fmt"
	"time"

	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/schema"
)

// Dialect returns bun's dialect of PostgreSQL, with a mark before each text literal that bun makes of an argument.
func Dialect() schema.Dialect { return dialect{pgdialect.New()} }

type dialect struct {
	*pgdialect.Dialect
}

// marker stands before a literal. Outside of quotes PostgreSQL's grammar has no use for this character.
const marker = '\x01'

func (d dialect) AppendString(b []byte, s string) []byte {
	return marked(b, d.Dialect.AppendString(append(b, marker), s))
}

// InfinityYear and MinusInfinityYear are beyond PostgreSQL's timestamps, which go from 4713 BC, the year -4712, to 294276. The
// driver reads a timestamp of infinity as the first instant of such a year, and each instant beyond is written as infinity.
const (
	InfinityYear      = 294277
	MinusInfinityYear = -4713
)

func (d dialect) AppendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	switch year := t.Year(); {
	case year >= InfinityYear:
		return d.AppendString(b, "infinity")
	case year <= MinusInfinityYear:
		return d.AppendString(b, "-infinity")
	case year < 1: // Go writes -43 for the year 44 BC
		return d.AppendString(b, fmt.Sprintf("%04d%s BC", 1-year, t.Format("-01-02 15:04:05.999999+00")))
	}
	return marked(b, d.Dialect.AppendTime(append(b, marker), t))
}

func (d dialect) AppendBytes(b, bytes []byte) []byte {
	return marked(b, d.Dialect.AppendBytes(append(b, marker), bytes))
}

func (d dialect) AppendJSON(b, json []byte) []byte {
	return marked(b, d.Dialect.AppendJSON(append(b, marker), json))
}

// marked returns after, which is before with a mark and a literal, without the mark if bun wrote no literal: NULL, or an
// error.
func marked(before, after []byte) []byte {
	n := len(before)
	if after[n+1] == '\'' {
		return after
	}
	return append(after[:n], after[n+1:]...)
}
