package pgwire

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var (
	// errMark refuses a statement in which 0x01 stands inside of quotes or a comment. Either a ? does, as in '%?%', where
	// bun would let an argument out of its quotes, or an argument of a kind that is not lifted, such as an array, has one.
	errMark = errors.New("the statement has a ? or the character 0x01 inside of quotes or a comment")
	// errTouch refuses a statement in which PostgreSQL would read a literal together with what is beside it. After E, or a
	// string that began with E, a backslash would let an argument out of its quotes.
	errTouch = errors.New("the statement has a ? beside a word or right after a string: leave a space, or use ||")
)

// errArgument refuses a statement in which bun wrote why it cannot write an argument, such as a string with a NUL byte.
var errArgument = fmt.Errorf("%w: bun cannot write an argument", ErrInvalid)

// unwritten is how bun begins to write that.
const unwritten = "?!("

// lift replaces the marked literals of a text by $1, $2 and so on, and returns their values.
func lift(text string) (lifted string, values [][]byte, err error) {
	if strings.IndexByte(text, mark) < 0 && !strings.Contains(text, unwritten) {
		return text, nil, nil
	}
	var out strings.Builder
	out.Grow(len(text))
	err = eachPart(text, func(part string, literal bool) {
		if !literal {
			out.WriteString(part)
			return
		}
		values = append(values, unquote(part))
		out.WriteByte('$')
		out.WriteString(strconv.Itoa(len(values)))
	})
	return out.String(), values, err
}

// unmark takes the marks out of a text and leaves the literals.
func unmark(text string) (string, error) {
	if strings.IndexByte(text, mark) < 0 {
		return text, nil
	}
	out := make([]byte, 0, len(text))
	err := eachPart(text, func(part string, _ bool) { out = append(out, part...) })
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

// eachPart cuts a text into its marked literals, without the mark, and what is between them. Marks stand only where
// PostgreSQL's lexer is outside of quotes and comments.
// https://www.postgresql.org/docs/current/sql-syntax-lexical.html, with standard_conforming_strings on.
func eachPart(text string, part func(text string, literal bool)) error {
	from := 0
	afterString := false // with nothing but space and comments in between
	for i := 0; i < len(text); {
		end, space := i+1, false
		switch text[i] {
		case ' ', '\t', '\n', '\r', '\f', '\v':
			space = true
		case unwritten[0]:
			if strings.HasPrefix(text[i:], unwritten) {
				return errArgument
			}
		case mark:
			if end == len(text) || text[end] != '\'' {
				return errMark
			}
			end = afterQuote(text, end, '\'', false)
			if end < i+3 || text[end-1] != '\'' {
				return errMark
			}
			if afterString || i > 0 && isWord(text[i-1]) || end < len(text) && isWord(text[end]) {
				return errTouch
			}
			part(text[from:i], false)
			part(text[i+1:end], true)
			i, from, afterString = end, end, true
			continue
		case '\'':
			escapes := i > 0 && text[i-1]|0x20 == 'e' && (i == 1 || !isWord(text[i-2]))
			end = afterQuote(text, i, '\'', escapes)
		case '"':
			end = afterQuote(text, i, '"', false)
		case '-':
			end = afterLineComment(text, i)
			space = end > i+1
		case '/':
			end = afterBlockComment(text, i)
			space = end > i+1
		case '$':
			end = afterDollarQuote(text, i)
		}
		if end > i+1 && strings.IndexByte(text[i:end], mark) >= 0 {
			return errMark
		}
		afterString = text[i] == '\'' || afterString && space
		i = end
	}
	part(text[from:], false)
	return nil
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

// firstWord returns the word that says what a statement does, in capitals.
func firstWord(text string) string {
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

// isWord says whether a character can be inside an identifier or a number.
func isWord(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || isDigit(c) || c == '_' || c == '$' || c >= 0x80
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
