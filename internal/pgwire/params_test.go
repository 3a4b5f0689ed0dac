package pgwire

import (
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/schema"
)

func TestLift(t *testing.T) {
	for _, test := range []struct{ text, lifted, values string }{
		{"select 1", "select 1", ""},
		{"select \x01'a'", "select $1", "a"},
		{"select \x01'it''s', \x01''''", "select $1, $2", "it's|'"},
		{"select \x01''", "select $1", ""},
		{"select \x01'\x01''b'", "select $1", "\x01'b"},
		{"select \x01'a'::text||\x01'b'", "select $1::text||$2", "a|b"},
		{"select 'it''s ''', \x01'b'", "select 'it''s ''', $1", "b"},
		{`select E'\'` + "', \x01'b'", `select E'\'` + "', $1", "b"},
		{`select e'\\', ` + "\x01'b'", `select e'\\', $1`, "b"},
		{`select nice'\', ` + "\x01'b'", `select nice'\', $1`, "b"},
		{"select \"'\" \x01'b'", "select \"'\" $1", "b"},
		{"-- '\n\x01'b'", "-- '\n$1", "b"},
		{"1 - \x01'b'", "1 - $1", "b"},
		{"/* ' /* */ ' */ \x01'b'", "/* ' /* */ ' */ $1", "b"},
		{"1 / \x01'b'", "1 / $1", "b"},
		{"$$'$$ \x01'b'", "$$'$$ $1", "b"},
		{"$a$'$$ $a$ \x01'b'", "$a$'$$ $a$ $1", "b"},
		{"a$a$ \x01'b'", "a$a$ $1", "b"},
	} {
		lifted, values, err := lift(test.text)
		var joined []string
		for _, value := range values {
			joined = append(joined, string(value))
		}
		if err != nil || lifted != test.lifted || strings.Join(joined, "|") != test.values {
			t.Errorf("%q: %q %q %v", test.text, lifted, joined, err)
		}
	}
	for _, text := range []string{
		"\x01", "select \x01", "select \x01a", "select \x01'", "select \x01'a", "\x01\x01'a'",
		"'%\x01'a'%'", "\"\x01'a'\"", "-- \x01'a'", "/* \x01'a' */", "$$\x01'a'$$", "E'\\'\x01'", "'{\"\x01\"}'",
		"date\x01'a'", "a$a$\x01'b'", "E\x01'b'", "u&\x01'b'x", "\x01'a'and", "E'a'\n\x01'b'", "E'a' -- c\n \x01'b'", "\x01'a'\n\x01'b'",
	} {
		if _, _, err := lift(text); err == nil {
			t.Errorf("%q was lifted", text)
		}
		if _, err := unmark(text); err == nil {
			t.Errorf("%q was unmarked", text)
		}
	}
}

// Whatever an argument is, and whatever stands around it, what is sent means what bun wrote.
func FuzzLift(f *testing.F) {
	for _, s := range []string{"", "'", "\x01'", "\\", "\x01''\x01", "$1", "é", "*/", "$$", "\n", "\x80", "a\x01'b'"} {
		f.Add(s, "x")
		f.Add("x", s)
	}
	ours, plain := schema.NewQueryGen(dialect{pgdialect.New()}), schema.NewQueryGen(pgdialect.New())
	f.Fuzz(func(t *testing.T, a, b string) {
		const query = `select ?, 'it''s', "col", ?::text[], /* no ' end */ e'\'' || ? -- it's` + "\n where x = ? and y in (?) and z = ?"
		args := []any{a, pgdialect.Array([]string{a, b}), b, []byte(a), bun.List([]string{a, b}), time.Unix(int64(len(a)), 0)}
		marked, want := ours.FormatQuery(query, args...), plain.FormatQuery(query, args...)
		inline, err := unmark(marked)
		lifted, values, err2 := lift(marked)
		if strings.Contains(want, "?!(") || err != nil && strings.Contains(a+b, "\x01") { // refused by bun; in the array
			return
		}
		if err != nil || err2 != nil || inline != want {
			t.Fatalf("%q: unmarked %q, bun writes %q: %v %v", marked, inline, want, err, err2)
		}
		if restored := restore(lifted, values); restored != want {
			t.Fatalf("%q: lifted %q %q, restored %q, bun writes %q", marked, lifted, values, restored, want)
		}
	})
}

// restore writes values back where lift took them: where $ is outside of quotes and comments.
func restore(lifted string, values [][]byte) string {
	var out strings.Builder
	for i := 0; i < len(lifted); {
		from := i
		switch lifted[i] {
		case '$':
			for i++; i < len(lifted) && isDigit(lifted[i]); i++ {
			}
			out.WriteString("'" + strings.ReplaceAll(string(values[0]), "'", "''") + "'")
			values = values[1:]
			continue
		case '\'':
			i = afterQuote(lifted, i, '\'', lifted[i-1] == 'e')
		case '"':
			i = afterQuote(lifted, i, '"', false)
		case '-':
			i = afterLineComment(lifted, i)
		case '/':
			i = afterBlockComment(lifted, i)
		default:
			i++
		}
		out.WriteString(lifted[from:i])
	}
	return out.String()
}

// Hand-written text is never touched, and never breaks the lexer.
func FuzzLiftText(f *testing.F) {
	for _, s := range []string{"select 'a'", "$$", "$a$ $a$", "/*", "--", "e'\\", "\"", "'", "a$1$", "\x01'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lifted, values, err := lift(text)
		if strings.IndexByte(text, mark) < 0 && (err != nil || lifted != text || values != nil) {
			t.Fatalf("%q became %q %q %v", text, lifted, values, err)
		}
		if _, again := unmark(text); (err == nil) != (again == nil) {
			t.Fatalf("%q: %v, %v", text, err, again)
		}
	})
}
