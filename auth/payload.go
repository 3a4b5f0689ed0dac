package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// maxNesting is how deep arrays and objects of a payload may nest, of which PostgreSQL's parser makes recursive calls.
const maxNesting = 100

// maxNumericDate is the last second of the year 9999.
const maxNumericDate = 253402300799

// payload is the claims of a token as they were sent, read but not yet judged.
type payload struct {
	jwt.Claims // for golang-jwt's interface only: we judge the claims, not golang-jwt

	raw          []byte
	issuer       string
	hasIssuer    bool
	subject      string
	hasSubject   bool
	audience     []byte // a JSON string or array, or nil
	role         string
	email, phone string
	aal          string
	sessionID    string
	clientID     string
	isAnonymous  bool
	appMetadata  []byte
	expiry       time.Time // zero if absent, as the next two
	issuedAt     time.Time
	notBefore    time.Time
	seen         uint // a bit for each entry of claimReaders
}

// claimReaders are the claims that matter here, and how each is read from its JSON value. null counts as absent.
var claimReaders = []struct {
	name string
	read func(p *payload, value []byte) error
}{
	{"iss", func(p *payload, value []byte) error { p.hasIssuer = true; return readString(&p.issuer, value) }},
	{"sub", func(p *payload, value []byte) error { p.hasSubject = true; return readString(&p.subject, value) }},
	{"aud", func(p *payload, value []byte) error { p.audience = value; return nil }},
	{"exp", func(p *payload, value []byte) error { return readTime(&p.expiry, value) }},
	{"iat", func(p *payload, value []byte) error { return readTime(&p.issuedAt, value) }},
	{"nbf", func(p *payload, value []byte) error { return readTime(&p.notBefore, value) }},
	{"role", func(p *payload, value []byte) error { return readString(&p.role, value) }},
	{"email", func(p *payload, value []byte) error { return readString(&p.email, value) }},
	{"phone", func(p *payload, value []byte) error { return readString(&p.phone, value) }},
	{"aal", func(p *payload, value []byte) error { return readString(&p.aal, value) }},
	{"session_id", func(p *payload, value []byte) error { return readString(&p.sessionID, value) }},
	{"client_id", func(p *payload, value []byte) error { return readString(&p.clientID, value) }},
	{"is_anonymous", func(p *payload, value []byte) error { return readBool(&p.isAnonymous, value) }},
	{"app_metadata", func(p *payload, value []byte) error { p.appMetadata = value; return nil }},
}

// UnmarshalJSON reads the payload of a token. Unlike encoding/json it tells upper case from lower case, and refuses a
// claim that comes twice (RFC 7519, section 4), and whatever PostgreSQL could not read as jsonb.
func (p *payload) UnmarshalJSON(text []byte) error {
	if !utf8.Valid(text) {
		return refuse(ErrTokenInvalid, "token's payload is not UTF-8", nil)
	}
	p.raw = bytes.Clone(text)
	s := scanner{text: p.raw}
	err := s.object(func(name, value []byte) error {
		for i, claim := range claimReaders {
			if string(name) != claim.name {
				continue
			}
			if p.seen&(1<<i) != 0 {
				return refuse(ErrTokenInvalid, "token has two claims "+claim.name, nil)
			}
			p.seen |= 1 << i
			if string(value) == "null" {
				return nil
			}
			if err := claim.read(p, value); err != nil {
				return refuse(ErrTokenInvalid, "token's claim "+claim.name+" "+err.Error(), nil)
			}
			return nil
		}
		return nil
	})
	if errors.Is(err, errScan) {
		return refuse(ErrTokenInvalid, "token's payload is not a JSON object that PostgreSQL could read", err)
	}
	return err
}

func readString(target *string, value []byte) error {
	if value[0] != '"' {
		return errors.New("is not a string")
	}
	text, err := unquote(value)
	*target = string(text)
	return err
}

func readBool(target *bool, value []byte) error {
	*target = string(value) == "true"
	if !*target && string(value) != "false" {
		return errors.New("is neither true nor false")
	}
	return nil
}

// readTime reads a NumericDate (RFC 7519, section 2) of whole seconds, which is all that Supabase Auth writes.
func readTime(target *time.Time, value []byte) error {
	seconds, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || seconds <= 0 || seconds > maxNumericDate {
		return errors.New("is not a whole number of seconds since 1970")
	}
	*target = time.Unix(seconds, 0)
	return nil
}

// hasAudience tells whether aud, a string or an array of strings (RFC 7519, section 4.1.3), contains wanted.
func (p *payload) hasAudience(wanted string) bool {
	if len(p.audience) == 0 {
		return false
	}
	if p.audience[0] == '"' {
		text, err := unquote(p.audience)
		return err == nil && string(text) == wanted
	}
	var list []string
	if json.Unmarshal(p.audience, &list) != nil {
		return false
	}
	for _, audience := range list {
		if audience == wanted {
			return true
		}
	}
	return false
}
