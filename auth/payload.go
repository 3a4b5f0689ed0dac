package auth

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
)

// maxNumericDate is the last second of the year 9999.
const maxNumericDate = 253402300799

// payload is the claims of a token as they were sent, read but not yet judged. A claim that is null counts as absent.
type payload struct {
	jwt.Claims // for golang-jwt's interface only: we judge the claims, not golang-jwt

	claimSet
	raw []byte
}

type claimSet struct {
	Issuer      *string        `json:"iss"`
	Subject     *string        `json:"sub"`
	Audience    jsontext.Value `json:"aud"` // a string or an array of strings
	Expiry      numericDate    `json:"exp"`
	IssuedAt    numericDate    `json:"iat"`
	NotBefore   numericDate    `json:"nbf"`
	Role        string         `json:"role"`
	Email       string         `json:"email"`
	Phone       string         `json:"phone"`
	AAL         string         `json:"aal"`
	SessionID   *string        `json:"session_id"`
	ClientID    string         `json:"client_id"`
	IsAnonymous bool           `json:"is_anonymous"`
	AppMetadata jsontext.Value `json:"app_metadata"`
}

// nul is the character U+0000 in a JSON string. The backslash before u must not be escaped itself.
var nul = regexp.MustCompile(`(^|[^\\])(\\\\)*\\u0000`)

// hasHugeNumber reports whether valid JSON has a number that PostgreSQL's jsonb does not hold: its numbers are of the type
// numeric, with up to 131,072 digits before the point and 16,383 after it (its documentation, section 8.1.2). No token is
// long enough for so many digits, but an exponent makes them of a few bytes.
func hasHugeNumber(text []byte) bool {
	if !mayHaveLongExponent(text) {
		return false
	}
	decoder := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		token, err := decoder.ReadToken()
		if err != nil {
			return false
		}
		if token.Kind() != '0' {
			continue
		}
		if _, exponent, ok := strings.Cut(strings.ToLower(token.String()), "e"); ok {
			if size, err := strconv.Atoi(exponent); err != nil || size <= -1000 || size >= 1000 {
				return true
			}
		}
	}
}

// mayHaveLongExponent reports whether there is something like 1e1000, be it a number or a piece of a text. A regular
// expression would take as long as a signature.
func mayHaveLongExponent(text []byte) bool {
	isDigit := func(c byte) bool { return '0' <= c && c <= '9' }
	for i := 1; i+4 < len(text); i++ {
		if text[i]|0x20 != 'e' || !isDigit(text[i-1]) {
			continue
		}
		rest := bytes.TrimLeft(text[i+1:min(i+6, len(text))], "+-")
		if len(rest) >= 4 && !bytes.ContainsFunc(rest[:4], func(c rune) bool { return c < '0' || c > '9' }) {
			return true
		}
	}
	return false
}

// UnmarshalJSON reads the payload of a token by version 2 of encoding/json, which tells upper case from lower case,
// refuses a claim that comes twice (RFC 7519, section 4), and takes no invalid UTF-8 and no half of a surrogate pair.
// The last two and U+0000 are what the strings of PostgreSQL's jsonb do not take (its documentation, section 8.14).
func (p *payload) UnmarshalJSON(text []byte) error {
	p.raw = bytes.Clone(text)
	// The causes quote the token, so they are left out.
	err := json.Unmarshal(p.raw, &p.claimSet)
	var mistyped *json.SemanticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return refuse(ErrTokenInvalid, "token's payload says the same thing twice", nil)
	case errors.As(err, &mistyped) && mistyped.JSONPointer != "":
		return refuse(ErrTokenInvalid, "token's claim "+mistyped.JSONPointer.LastToken()+" is not of the type that it should be", nil)
	case err != nil || p.raw[0] != '{' || bytes.Contains(p.raw, []byte(`\u0000`)) && nul.Match(p.raw) || hasHugeNumber(p.raw):
		return refuse(ErrTokenInvalid, "token's payload is not a JSON object that PostgreSQL could read", nil)
	}
	return nil
}

// numericDate is a time in whole seconds, which is all that Supabase Auth writes (RFC 7519, section 2). The zero time
// stands for a claim that is absent.
type numericDate struct{ time.Time }

func (d *numericDate) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	seconds, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || seconds < 0 || seconds > maxNumericDate {
		return errors.New("not a time in whole seconds")
	}
	d.Time = time.Unix(seconds, 0)
	return nil
}

// hasAudience tells whether aud contains wanted (RFC 7519, section 4.1.3).
func (p *payload) hasAudience(wanted string) bool {
	if p.Audience.Kind() == '"' {
		var audience string
		return json.Unmarshal(p.Audience, &audience) == nil && audience == wanted
	}
	var list []string
	return json.Unmarshal(p.Audience, &list) == nil && slices.Contains(list, wanted)
}

// valueOf returns what a claim says, or "" if it is absent.
func valueOf(claim *string) string {
	if claim == nil {
		return ""
	}
	return *claim
}
