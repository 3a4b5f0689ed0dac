package auth

import (
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf16"
)

var errScan = errors.New("not an acceptable JSON object")

// scanner walks through JSON that encoding/json has found valid. It refuses what PostgreSQL's jsonb does not take:
// the character U+0000 and halves of surrogate pairs (PostgreSQL documentation, section 8.14).
type scanner struct {
	text  []byte
	at    int
	depth int
}

// object calls visit for each member of the object that text is, in order. Its name is unquoted, its value is not.
func (s *scanner) object(visit func(name, value []byte) error) error {
	s.space()
	if !s.take('{') {
		return errScan
	}
	s.space()
	if s.take('}') {
		return s.end()
	}
	for {
		s.space()
		name, err := s.string()
		if err != nil {
			return err
		}
		if name, err = unquote(name); err != nil {
			return errScan
		}
		s.space()
		if !s.take(':') {
			return errScan
		}
		s.space()
		value, err := s.value()
		if err != nil {
			return err
		}
		if err := visit(name, value); err != nil {
			return err
		}
		s.space()
		if s.take('}') {
			return s.end()
		}
		if !s.take(',') {
			return errScan
		}
	}
}

// value returns the text of the value that begins here.
func (s *scanner) value() ([]byte, error) {
	start := s.at
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case '"':
			if _, err := s.string(); err != nil {
				return nil, err
			}
			if s.depth == 0 {
				return s.text[start:s.at], nil
			}
			continue
		case '{', '[':
			if s.depth++; s.depth > maxNesting {
				return nil, errScan
			}
		case '}', ']':
			if s.depth == 0 {
				return s.scalar(start)
			}
			if s.depth--; s.depth == 0 {
				s.at++
				return s.text[start:s.at], nil
			}
		case ',', ' ', '\t', '\n', '\r':
			if s.depth == 0 {
				return s.scalar(start)
			}
		}
		s.at++
	}
	return nil, errScan
}

func (s *scanner) scalar(start int) ([]byte, error) {
	if start == s.at {
		return nil, errScan
	}
	return s.text[start:s.at], nil
}

// string returns the string that begins here, with its quotes.
func (s *scanner) string() ([]byte, error) {
	start := s.at
	if !s.take('"') {
		return nil, errScan
	}
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch c {
		case '"':
			return s.text[start:s.at], nil
		case '\\':
			if err := s.escape(); err != nil {
				return nil, err
			}
		}
	}
	return nil, errScan
}

// escape passes what follows a backslash.
func (s *scanner) escape() error {
	if !s.take('u') {
		s.at++
		return nil
	}
	first, ok := s.hex()
	if !ok || first == 0 {
		return errScan
	}
	if !utf16.IsSurrogate(first) {
		return nil
	}
	if !s.take('\\') || !s.take('u') {
		return errScan
	}
	second, ok := s.hex()
	if !ok || utf16.DecodeRune(first, second) == '\uFFFD' {
		return errScan
	}
	return nil
}

func (s *scanner) hex() (rune, bool) {
	if s.at+4 > len(s.text) {
		return 0, false
	}
	value, err := strconv.ParseUint(string(s.text[s.at:s.at+4]), 16, 16)
	s.at += 4
	return rune(value), err == nil
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) take(c byte) bool {
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

// end insists that nothing follows.
func (s *scanner) end() error {
	if s.space(); s.at != len(s.text) {
		return errScan
	}
	return nil
}

// unquote returns what a JSON string means. It allocates only for a string with escapes.
func unquote(quoted []byte) ([]byte, error) {
	for _, c := range quoted {
		if c == '\\' {
			var text string
			err := json.Unmarshal(quoted, &text)
			return []byte(text), err
		}
	}
	return quoted[1 : len(quoted)-1], nil
}
