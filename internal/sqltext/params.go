package sqltext

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var (
	// errMarker refuses a statement with a ? inside of quotes or a comment, as in '%?%', where bun would let an argument out of
	// its quotes.
	errMarker = errors.New("the statement has a ? inside of quotes or a comment")
	// errTouch refuses a statement in which PostgreSQL would read a literal together with what is beside it. After E, or a
	// string that began with E, a backslash would let an argument out of its quotes.
	errTouch = errors.New("the statement has a ? beside a word or right after a string: leave a space, or use ||")
)

// ErrArgument means that an argument cannot be written into SQL: a fault of the caller, not of the statement.
var ErrArgument = errors.New("an argument cannot be part of a statement")

var (
	// errBun refuses a statement in which bun wrote why it cannot write an argument, such as a string with a NUL byte.
	errBun = fmt.Errorf("%w: bun cannot write it", ErrArgument)
	// errControl refuses the character 0x01 in an argument that is no parameter, such as an hstore: it is the mark.
	errControl = fmt.Errorf("%w: the character U+0001 in a list or an hstore", ErrArgument)
)

// bunErrorPrefix is how bun begins to write that.
const bunErrorPrefix = "?!("

// Parameterize replaces the literals of a text that may be parameters by $1, $2 and so on, and returns their values. A number keeps
// the type that it has as a literal, but for int8 in the place of int4.
func Parameterize(text string) (parameterized string, values [][]byte, err error) {
	var out strings.Builder
	out.Grow(len(text))
	err = scanLiterals(text, func(part string, literal bool) {
		if !literal {
			out.WriteString(part)
			return
		}
		cast := ""
		if part[0] == '\'' {
			values = append(values, unquote(part))
		} else {
			values = append(values, []byte(part))
			cast = castOf(part)
		}
		out.WriteByte('$')
		out.WriteString(strconv.Itoa(len(values)))
		out.WriteString(cast)
	})
	if values == nil {
		return text, nil, err
	}
	return out.String(), values, err
}

// castOf returns the cast of a number: a parameter has no type of its own.
func castOf(number string) string {
	if _, err := strconv.ParseInt(number, 10, 64); err == nil {
		return "::int8"
	}
	return "::numeric"
}

// Inline takes the marks out of a text and leaves the literals.
func Inline(text string) (string, error) {
	if strings.IndexByte(text, marker) < 0 && !strings.Contains(text, bunErrorPrefix) {
		return text, nil
	}
	out := make([]byte, 0, len(text))
	err := scanLiterals(text, func(part string, _ bool) { out = append(out, part...) })
	return string(out), err
}

// unquote returns the value of a literal.
func unquote(literal string) []byte {
	inner := []byte(literal[1 : len(literal)-1])
	if bytes.IndexByte(inner, '\'') < 0 {
		return inner
	}
	return bytes.ReplaceAll(inner, []byte("''"), []byte("'"))
}

// scanLiterals cuts a text into the literals that may be parameters, and what is between them. These are the marked ones,
// without the mark; an array after ANY; and a number that is compared, or stands in a list of IN or VALUES: bun does not mark
// those. Marks stand only where PostgreSQL's lexer is outside of quotes and comments.
// https://www.postgresql.org/docs/current/sql-syntax-lexical.html, with standard_conforming_strings on.
func scanLiterals(text string, part func(text string, literal bool)) error {
	from := 0
	afterString := false // with nothing but space and comments in between
	last := -1           // where the last character was that is neither space nor comment
	var numbers lists
	for i := 0; i < len(text); {
		end, space := i+1, false
		switch text[i] {
		case ' ', '\t', '\n', '\r', '\f', '\v':
			space = true
		case bunErrorPrefix[0]:
			if strings.HasPrefix(text[i:], bunErrorPrefix) {
				return errBun
			}
		case marker:
			if end == len(text) || text[end] != '\'' {
				return errMarker
			}
			end = afterQuote(text, end, '\'', false)
			if end < i+3 || text[end-1] != '\'' {
				return errMarker
			}
			if afterString || i > 0 && isWord(text[i-1]) || end < len(text) && isWord(text[end]) {
				return errTouch
			}
			part(text[from:i], false)
			part(text[i+1:end], true)
			last = end - 1
			i, from, afterString = end, end, true
			continue
		case '\'':
			escapes := i > 0 && text[i-1]|0x20 == 'e' && (i == 1 || !isWord(text[i-2]))
			end = afterQuote(text, i, '\'', escapes)
			if isArray(text, last, i, end) {
				part(text[from:i], false)
				part(text[i:end], true)
				last = end - 1
				i, from, afterString = end, end, true
				continue
			}
		case '"':
			end = afterQuote(text, i, '"', false)
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			if number := afterNumber(text, i); number > i && numbers.mayBe(text, last) && isLast(text, number) {
				part(text[from:i], false)
				part(text[i:number], true)
				last = number - 1
				i, from, afterString = number, number, false
				continue
			}
			end = afterLineComment(text, i)
			space = end > i+1
		case '/':
			end = afterBlockComment(text, i)
			space = end > i+1
		case '$':
			end = afterDollarQuote(text, i)
		default:
			for isLetter(text[i]) && end < len(text) && isLetter(text[end]) { // a word: most of a statement
				end++
			}
		}
		if end > i+1 && strings.IndexByte(text[i:end], marker) >= 0 {
			if text[i] == '\'' && strings.IndexByte(text[i:end-1], marker) >= 0 && text[end-2] != marker {
				return errControl
			}
			return errMarker
		}
		if !space {
			numbers.see(text, last, i)
			last = end - 1
		}
		afterString = text[i] == '\'' || afterString && space
		i = end
	}
	part(text[from:], false)
	return nil
}

// lists knows whether a number stands in a list of IN, or of VALUES of an INSERT.
type lists struct {
	depth  int  // of parentheses in a list; 0 outside
	insert bool // the list is one of VALUES
}

// see takes a character that is neither space nor comment, after the last one.
func (l *lists) see(text string, last, i int) {
	switch {
	case text[i] == '(' && l.depth > 0:
		l.depth++
	case text[i] == '(':
		switch strings.ToUpper(wordAt(text, last)) {
		case "IN":
			l.depth, l.insert = 1, false
		case "VALUES":
			if FirstWord(text) == "INSERT" {
				l.depth, l.insert = 1, true
			}
		default:
			if l.insert && text[last] == ',' {
				l.depth = 1
			}
		}
	case text[i] == ')' && l.depth > 0:
		l.depth--
	case l.depth == 0 && text[i] != ',':
		l.insert = false
	}
}

// mayBe reports whether a number after the character at last may be a parameter, as far as what stands before it says.
func (l *lists) mayBe(text string, last int) bool {
	if last < 0 {
		return false
	}
	if l.depth == 1 && (text[last] == '(' || text[last] == ',') {
		return true
	}
	first := last + 1
	for first > 0 && strings.IndexByte("+-*/<>=~!@#%^&|`?:", text[first-1]) >= 0 {
		first--
	}
	switch text[first : last+1] {
	case "=", "<", ">", "<=", ">=", "<>", "!=":
		return true
	}
	return false
}

// isLast reports whether nothing after i would be read together with the number before it.
func isLast(text string, i int) bool {
	rest := strings.TrimLeft(text[i:], " \t\r\n")
	if rest == "" || strings.IndexByte("),;", rest[0]) >= 0 {
		return true
	}
	if len(rest) == len(text)-i {
		return false
	}
	end := 0
	for end < len(rest) && isWord(rest[end]) {
		end++
	}
	switch strings.ToUpper(rest[:end]) {
	case "AND", "OR", "THEN", "ELSE", "END", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "RETURNING", "UNION":
		return true
	}
	return false
}

// isArray reports whether the string from i to end is the argument of ANY.
func isArray(text string, last, i, end int) bool {
	if last < 0 || last != i-1 || text[last] != '(' || end == len(text) || text[end] != ')' {
		return false
	}
	return end > i+1 && text[end-1] == '\'' && strings.EqualFold(wordAt(text, last-1), "ANY")
}

// wordAt returns the word that ends at a place.
func wordAt(text string, last int) string {
	first := last + 1
	for first > 0 && isWord(text[first-1]) {
		first--
	}
	return text[first : last+1]
}

// afterNumber returns where the number that begins at i ends, or i if none does: digits, with a sign and a fraction or
// without.
func afterNumber(text string, i int) int {
	if i > 0 && (isWord(text[i-1]) || text[i-1] == '.') {
		return i
	}
	end := i
	if text[end] == '-' {
		end++
	}
	from := end
	for end < len(text) && isDigit(text[end]) {
		end++
	}
	if end == from {
		return i
	}
	if fraction := end + 1; fraction < len(text) && text[end] == '.' && isDigit(text[fraction]) {
		for end = fraction; end < len(text) && isDigit(text[end]); {
			end++
		}
	}
	if end < len(text) && (isWord(text[end]) || text[end] == '.') {
		return i
	}
	return end
}

// afterQuote returns where the quoted part that starts at i ends. A doubled quote stands for one.
func afterQuote(text string, i int, quote byte, escapes bool) int {
	for i++; i < len(text); i++ {
		switch {
		case escapes && text[i] == '\\':
			i++
		case text[i] == quote && i+1 < len(text) && text[i+1] == quote:
			i++
		case text[i] == quote:
			return i + 1
		}
	}
	return len(text)
}

func afterLineComment(text string, i int) int {
	if !strings.HasPrefix(text[i:], "--") {
		return i + 1
	}
	if n := strings.IndexAny(text[i:], "\r\n"); n >= 0 {
		return i + n
	}
	return len(text)
}

// afterBlockComment knows that comments nest.
func afterBlockComment(text string, i int) int {
	if !strings.HasPrefix(text[i:], "/*") {
		return i + 1
	}
	for depth := 0; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], "/*"):
			depth++
			i += 2
		case strings.HasPrefix(text[i:], "*/"):
			depth--
			i += 2
			if depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return len(text)
}

// afterDollarQuote knows $tag$ … $tag$. A dollar inside a word, or before a digit, quotes nothing.
func afterDollarQuote(text string, i int) int {
	if i > 0 && isWord(text[i-1]) {
		return i + 1
	}
	end := i + 1
	for end < len(text) && isWord(text[end]) && text[end] != '$' && (end > i+1 || !isDigit(text[end])) {
		end++
	}
	if end == len(text) || text[end] != '$' {
		return i + 1
	}
	tag := text[i : end+1]
	if n := strings.Index(text[end+1:], tag); n >= 0 {
		return end + 1 + n + len(tag)
	}
	return len(text)
}

// FirstWord returns the word that says what a statement does, in capitals.
func FirstWord(text string) string {
	for i := 0; i < len(text); {
		switch end := i + 1; text[i] {
		case ' ', '\t', '\n', '\r', '\f', '\v', '(':
			i = end
		case '-':
			i = afterLineComment(text, i)
		case '/':
			i = afterBlockComment(text, i)
		default:
			for end = i; end < len(text) && isWord(text[end]); {
				end++
			}
			return strings.ToUpper(text[i:end])
		}
	}
	return ""
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }

// isWord says whether a character can be inside an identifier or a number.
func isWord(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '$' || c >= 0x80
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
