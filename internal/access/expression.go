package access

import (
	"errors"
	"strings"
)

// A policy's expression is read as PostgreSQL prints it: with parentheses around each part, names of other schemas in
// full, and keywords in upper case. So tokens, with the parentheses as nested lists, say all that is needed. What is not
// understood stays a condition of its own.

// token is a word, a string, an operator, or a group in parentheses.
type token struct {
	kind kind
	// text is the word, the operator, or what a string or a quoted name holds.
	text  string
	group []token
	// source is the token as it was printed.
	source string
}

type kind int

const (
	word kind = iota
	quoted
	text
	operator
	group
)

var errUnreadable = errors.New("the expression cannot be read")

// maxNesting bounds the parentheses in parentheses of an expression; people's policies have fewer than ten.
const maxNesting = 200

// parse returns the tokens of an expression.
func parse(expression string) ([]token, error) {
	tokens, rest, err := parseUntil(expression, 0)
	if err == nil && rest != "" {
		err = errUnreadable
	}
	return tokens, err
}

// parseUntil reads to the end of the group at this depth, or at depth 0 to the end.
func parseUntil(s string, depth int) (tokens []token, rest string, err error) {
	if depth > maxNesting {
		return nil, "", errUnreadable
	}
	for s != "" {
		t, end := token{}, 1
		switch c := s[0]; {
		case c == ' ' || c == '\n' || c == '\t':
			s = s[1:]
			continue
		case c == ')':
			if depth == 0 {
				return nil, "", errUnreadable
			}
			return tokens, s, nil
		case c == '(':
			inner, after, err := parseUntil(s[1:], depth+1)
			if err != nil {
				return nil, "", err
			}
			t, end = token{kind: group, group: inner}, len(s)-len(after)+1
		case c == '\'' || (c == 'E' || c == 'B' || c == 'X') && len(s) > 1 && s[1] == '\'':
			start := strings.IndexByte(s, '\'') + 1
			closing := closingQuote(s, start, '\'', c == 'E')
			if closing < 0 {
				return nil, "", errUnreadable
			}
			t, end = token{kind: text, text: strings.ReplaceAll(s[start:closing], "''", "'")}, closing+1
		case c == '"':
			closing := closingQuote(s, 1, '"', false)
			if closing < 0 {
				return nil, "", errUnreadable
			}
			t, end = token{kind: quoted, text: strings.ReplaceAll(s[1:closing], `""`, `"`)}, closing+1
		case isWord(c):
			for end < len(s) && isWord(s[end]) {
				end++
			}
			t = token{kind: word, text: s[:end]}
		default:
			if strings.IndexByte(operators, c) >= 0 {
				for end < len(s) && strings.IndexByte(operators, s[end]) >= 0 {
					end++
				}
			}
			t = token{kind: operator, text: s[:end]}
		}
		t.source = s[:end]
		tokens, s = append(tokens, t), s[end:]
	}
	if depth > 0 {
		return nil, "", errUnreadable
	}
	return tokens, "", nil
}

// operators are the characters of operators, and the colon of casts.
const operators = "+-*/<>=~!@#%^&|`?:"

// closingQuote returns the place of the closing quote, which is not doubled, nor escaped where backslashes escape; else -1.
func closingQuote(s string, start int, quote byte, escapes bool) int {
	for i := start; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i
		}
	}
	return -1
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

// is reports whether a token is this keyword or operator.
func (t token) is(text string) bool { return (t.kind == word || t.kind == operator) && t.text == text }

// are reports whether tokens are these keywords, operators and names; "()" stands for empty parentheses.
func are(tokens []token, texts ...string) bool {
	if len(tokens) != len(texts) {
		return false
	}
	for i, t := range tokens {
		if t.kind == group && len(t.group) == 0 && texts[i] == "()" {
			continue
		}
		if !t.is(texts[i]) {
			return false
		}
	}
	return true
}

// bare removes the parentheses around the whole.
func bare(tokens []token) []token {
	for len(tokens) == 1 && tokens[0].kind == group {
		tokens = tokens[0].group
	}
	return tokens
}

// split cuts tokens at a keyword or an operator.
func split(tokens []token, at string) (parts [][]token) {
	start := 0
	for i, t := range tokens {
		if t.is(at) {
			parts = append(parts, tokens[start:i])
			start = i + 1
		}
	}
	return append(parts, tokens[start:])
}
