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

// payload holds the claims of a token, parsed but not checked. A null claim counts as absent.
type payload struct {
	jwt.Claims // for golang-jwt's interface only: this package checks the claims

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

// hasHugeNumber reports whether valid JSON has a number that is too large for PostgreSQL's jsonb. jsonb numbers are of
// type numeric, with up to 131,072 digits before the point and 16,383 after it (its documentation, section 8.1.2). A
// token is too short for so many digits, but not for an exponent that stands for them.
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

// mayHaveLongExponent reports whether text contains something like 1e1000, in a number or a string. A regular
// expression would take as long as a signature check.
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

// UnmarshalJSON parses the payload with version 2 of encoding/json, which is case-sensitive and refuses duplicate
// claims (RFC 7519, section 4), invalid UTF-8 and lone surrogates. Strings of PostgreSQL's jsonb hold neither the last
// two nor U+0000 (its documentation, section 8.14).
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

// numericDate is a time in whole seconds, the only form that Supabase Auth writes (RFC 7519, section 2). The zero time
// means that the claim is absent.
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

// hasAudience reports whether aud contains wanted (RFC 7519, section 4.1.3).
func (p *payload) hasAudience(wanted string) bool {
	if p.Audience.Kind() == '"' {
		var audience string
		return json.Unmarshal(p.Audience, &audience) == nil && audience == wanted
	}
	var list []string
	return json.Unmarshal(p.Audience, &list) == nil && slices.Contains(list, wanted)
}

// valueOf returns the value of a claim, or "" if it is absent.
func valueOf(claim *string) string {
	if claim == nil {
		return ""
	}
	return *claim
}
