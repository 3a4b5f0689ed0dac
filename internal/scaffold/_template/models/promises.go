package models

import (
	"context"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The longest texts that the schema promises, in characters.
const (
	MaxNameLength = 200
	MaxURLLength  = 2048
)

// IsDisplayName reports whether a text is 1 to MaxNameLength characters on one line, and shows something.
// public.is_display_name in supabase/migrations is the same rule in SQL; a test compares them.
func IsDisplayName(name string) bool {
	length, shows := 0, false
	for _, r := range name {
		if isControl(r) {
			return false
		}
		length++
		shows = shows || !isInvisible(r)
	}
	return shows && length <= MaxNameLength && utf8.ValidString(name)
}

// isControl finds control characters and line breaks.
func isControl(r rune) bool {
	return r < ' ' || 0x7f <= r && r <= 0x9f || r == 0x2028 || r == 0x2029
}

// isInvisible finds characters that take room at most.
func isInvisible(r rune) bool {
	switch r {
	case ' ', 0xa0, 0xad, 0x1680, 0x202f, 0x205f, 0x2060, 0x3000, 0xfeff:
		return true
	}
	return 0x2000 <= r && r <= 0x200f
}

// IsWebURL reports whether a text is an http or https URL that a browser may load a picture from: with a name or an IPv4
// address for a host, without a user, of at most MaxURLLength characters. public.is_web_url is the same rule in SQL.
func IsWebURL(address string) bool {
	scheme, rest, _ := strings.Cut(address, "://")
	if !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http") || utf8.RuneCountInString(address) > MaxURLLength || !utf8.ValidString(address) {
		return false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, port, hasPort := strings.Cut(rest[:end], ":")
	return host != "" && !strings.ContainsFunc(host, isNotOfHost) && (!hasPort || isPort(port)) && isPath(rest[end:])
}

// isNotOfHost finds what no name has. Names in other scripts are as they are shown; whether each exists is not asked.
func isNotOfHost(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-', r == '_':
		return false
	}
	return r <= 0xa0 || 0x2000 <= r && r <= 0x202f || 0xff00 <= r && r <= 0xffff
}

// isPort takes 1 to 65535, without zeros before.
func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port > 0 && text[0] != '0'
}

// isPath takes what has no control characters and whole percent-escapes.
func isPath(text string) bool {
	for i, r := range text {
		if isControl(r) || r == '%' && (len(text) < i+3 || !isHex(text[i+1]) || !isHex(text[i+2])) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

// AfterScanRow makes the schema's promises true for whatever row was read: a table of a team's own may lack the constraints
// of ours. bun calls it after each row, for queries, mutations and subscriptions alike.
func (u *User) AfterScanRow(context.Context) error {
	if u.FullName != nil && !IsDisplayName(*u.FullName) {
		u.FullName = nil
	}
	if u.AvatarURL != nil && !IsWebURL(*u.AvatarURL) {
		u.AvatarURL = nil
	}
	return nil
}
