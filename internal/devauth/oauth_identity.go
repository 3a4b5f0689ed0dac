package devauth

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// identityClaims are those of Supabase Auth that say who the user is. It has the scopes decide which of them there are.
// https://openid.net/specs/openid-connect-core-1_0.html#IDToken
type identityClaims struct {
	jwt.RegisteredClaims
	Audience            string    `json:"aud"` // shadows the list of RegisteredClaims
	Nonce               string    `json:"nonce,omitempty"`
	AuthTime            int64     `json:"auth_time"` // seconds since 1970
	Email               string    `json:"email,omitempty"`
	EmailVerified       bool      `json:"email_verified"`
	PhoneNumber         string    `json:"phone_number,omitempty"`
	PhoneNumberVerified bool      `json:"phone_number_verified"`
	Name                string    `json:"name,omitempty"`
	Picture             string    `json:"picture,omitempty"`
	UpdatedAt           int64     `json:"updated_at,omitempty"` // seconds since 1970
	PreferredUsername   string    `json:"preferred_username,omitempty"`
	ClientID            uuid.UUID `json:"client_id"`
}

// signIdentity returns an ID token, which lives for an hour as Supabase Auth's.
func (i *issuer) signIdentity(u *user, clientID uuid.UUID, a *authorization) (string, error) {
	now := time.Now()
	claims := identityClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: i.url, Subject: u.ID.String(), IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour)),
		},
		Audience: clientID.String(), Nonce: a.nonce, AuthTime: now.Unix(), ClientID: clientID,
	}
	if hasScope(a.scope, "email") {
		claims.Email, claims.EmailVerified = u.Email, u.EmailConfirmedAt != nil
	}
	if hasScope(a.scope, "phone") {
		claims.PhoneNumber = u.Phone
	}
	if hasScope(a.scope, "profile") {
		of := u.profile()
		claims.Name, claims.Picture, claims.PreferredUsername, claims.UpdatedAt = of.name, of.picture, of.username, u.UpdatedAt.Unix()
	}
	return i.signClaims(claims)
}

// userInfo serves the endpoint of OpenID Connect for an app: who the user is, as far as the scopes of its session say.
func (s *Server) userInfo(r *http.Request) (any, error) {
	u, of, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	info := map[string]any{"sub": u.ID}
	set := func(name, value string) {
		if value != "" {
			info[name] = value
		}
	}
	if hasScope(of.scope, "email") {
		set("email", u.Email)
		if u.EmailConfirmedAt != nil {
			info["email_verified"] = true
		}
	}
	if hasScope(of.scope, "phone") {
		set("phone", u.Phone)
	}
	if hasScope(of.scope, "profile") {
		shown := u.profile()
		set("name", shown.name)
		set("picture", shown.picture)
		set("preferred_username", shown.username)
		info["updated_at"], info["user_metadata"] = u.UpdatedAt.Unix(), u.UserMetadata
	}
	return info, nil
}

func hasScope(scopes, scope string) bool { return slices.Contains(strings.Fields(scopes), scope) }

// profile is what the user has told of themselves at the sign-up.
type profile struct{ name, picture, username string }

func (u *user) profile() profile {
	var said map[string]any
	_ = json.Unmarshal(u.UserMetadata, &said) // an object of PostgreSQL's
	text := func(name string) string {
		value, _ := said[name].(string)
		return value
	}
	return profile{
		name:     cmp.Or(text("name"), u.Email),
		picture:  cmp.Or(text("picture"), text("avatar_url")),
		username: cmp.Or(text("preferred_username"), text("username")),
	}
}
