// Package values answers one question: which texts may clients be shown?
//
// Models and resolvers call it, so that a value is checked when it is written and when it is read. It imports no
// package of the module. Its errors continue the field's name, and are written for the client.
package values

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// CheckLine requires 1 to most characters on one line, at least one of them visible. A migration of the API half has
// the same rule in SQL; supabase/promises_test.go compares them.
func CheckLine(text string, most int) error {
	length, shows := 0, false
	for _, r := range text {
		if isControl(r) {
			return errors.New("has a line break or another control character")
		}
		length++
		shows = shows || !isInvisible(r)
	}
	switch {
	case length > most:
		return fmt.Errorf("has %d characters, at most %d are allowed", length, most)
	case strings.TrimSpace(text) == "":
		return errors.New("is empty; send null to clear it")
	case !shows || !utf8.ValidString(text):
		return errors.New("has no character that shows")
	}
	return nil
}

// isControl reports whether r is a control character or a line break.
func isControl(r rune) bool {
	return r < ' ' || 0x7f <= r && r <= 0x9f || r == 0x2028 || r == 0x2029
}

// isInvisible reports whether r shows nothing, although it may take space.
func isInvisible(r rune) bool {
	switch r {
	case ' ', 0xa0, 0xad, 0x1680, 0x202f, 0x205f, 0x2060, 0x3000, 0xfeff:
		return true
	}
	return 0x2000 <= r && r <= 0x200f
}

// CheckWebURL requires an http or https URL of at most most characters that a browser may load a picture from: its host
// is a name or an IPv4 address, and it has no user. The same migration has the rule in SQL.
func CheckWebURL(address string, most int) error {
	if length := utf8.RuneCountInString(address); length > most {
		return fmt.Errorf("has %d characters, at most %d are allowed", length, most)
	}
	scheme, rest, _ := strings.Cut(address, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, port, hasPort := strings.Cut(rest[:end], ":")
	isWeb := strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http")
	if !isWeb || host == "" || strings.ContainsFunc(host, isNotOfHost) || hasPort && !isPort(port) || !isPath(rest[end:]) || !utf8.ValidString(address) {
		return errors.New("is not an http or https URL with a name or an IPv4 address for a host")
	}
	return nil
}

// isNotOfHost reports whether r cannot be in a host name. Other scripts are allowed; whether the name exists is not
// checked.
func isNotOfHost(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-', r == '_':
		return false
	}
	return r <= 0xa0 || 0x2000 <= r && r <= 0x202f || 0xff00 <= r && r <= 0xffff
}

// isPort reports whether text is 1 to 65535, without leading zeros.
func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port > 0 && text[0] != '0'
}

// isPath reports whether text has no control characters and only complete percent-escapes.
func isPath(text string) bool {
	for i, r := range text {
		if isControl(r) || r == '%' && (len(text) < i+3 || !isHex(text[i+1]) || !isHex(text[i+2])) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }
