package devauth

import (
	"context"
	"crypto/rand"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// methodOfApps is the method (amr) of the session of an OAuth app.
const methodOfApps = "oauth_provider/authorization_code"

// tokenParams are the parameters of a token request.
type tokenParams struct {
	GrantType    string `json:"grant_type"`
	Code         string `json:"code"`
	RefreshToken string `json:"refresh_token"`
	RedirectURI  string `json:"redirect_uri"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	CodeVerifier string `json:"code_verifier"`
	Resource     string `json:"resource"`
}

// appGrant is the response to a token request (RFC 6749, section 5.1).
type appGrant struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token,omitempty"`
}

// tokenOfApp gives a client tokens for a code or a refresh token. The client sends a form, or JSON as to Supabase Auth.
func (s *Server) tokenOfApp(r *http.Request) (any, error) {
	params := tokenParams{}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/json" {
		if err := readJSON(r, &params); err != nil {
			return nil, noCredentials("failed to parse JSON body")
		}
	} else {
		if err := r.ParseForm(); err != nil {
			return nil, noCredentials("failed to parse form")
		}
		params = tokenParams{
			GrantType: r.PostFormValue("grant_type"), Code: r.PostFormValue("code"), RefreshToken: r.PostFormValue("refresh_token"),
			RedirectURI: r.PostFormValue("redirect_uri"), ClientID: r.PostFormValue("client_id"), ClientSecret: r.PostFormValue("client_secret"),
			CodeVerifier: r.PostFormValue("code_verifier"), // Supabase Auth does not read resource of a form.
		}
	}
	c, err := s.authenticateClient(r, params)
	switch {
	case err != nil:
		return nil, err
	case params.GrantType == "":
		return nil, &oauthFailure{"invalid_request", "grant_type is required"}
	case !slices.Contains(c.GrantTypes, params.GrantType):
		return nil, &oauthFailure{"unsupported_grant_type", "Client is not allowed to use grant type: " + params.GrantType}
	case params.GrantType == "refresh_token":
		if !isText(params.RefreshToken, maxStateBytes) || params.RefreshToken == "" {
			return nil, &oauthFailure{"invalid_request", "refresh_token is required for refresh_token grant"}
		}
		given, err := s.refresh(r.Context(), params.RefreshToken, c.ID)
		if err != nil {
			return nil, err
		}
		return given.ofApp(), nil
	case params.Code == "":
		return nil, &oauthFailure{"invalid_request", "code is required for authorization_code grant"}
	}
	return s.redeem(r.Context(), c, params, r.UserAgent())
}

func (g *grant) ofApp() *appGrant {
	return &appGrant{AccessToken: g.AccessToken, TokenType: g.TokenType, ExpiresIn: g.ExpiresIn, RefreshToken: g.RefreshToken}
}

// redeem begins a session of the app for the user who has approved (RFC 6749, section 4.1.3). The code is good once, for the
// client with its verifier (RFC 7636, section 4.6).
func (s *Server) redeem(ctx context.Context, c *oauthClient, params tokenParams, userAgent string) (given *appGrant, err error) {
	invalid := func(description string) error { return &oauthFailure{"invalid_grant", description} }
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		a, err := lockAuthorization(ctx, tx, "authorization_code", params.Code)
		switch {
		case errors.Is(err, errAuthorization):
			return invalid("Invalid authorization code")
		case err != nil:
			return err
		case a.clientID != c.ID:
			return invalid("Authorization code was not issued for this client")
		case params.Resource != "" && params.Resource != a.resource:
			return invalid("Authorization code resource does not match the resource parameter")
		case params.RedirectURI != "" && params.RedirectURI != a.redirectURI:
			return invalid("Invalid redirect_uri")
		case params.CodeVerifier == "":
			return invalid("PKCE verification failed: code_verifier is required when PKCE challenge is present")
		case !a.challenge.fits(params.CodeVerifier):
			return invalid("PKCE verification failed: code challenge does not match previously saved code verifier")
		}
		u, err := userByID(ctx, tx, *a.userID)
		if err != nil {
			return err
		}
		if u.BannedUntil != nil && u.BannedUntil.After(time.Now()) {
			return &oauthFailure{"access_denied", "User is banned"}
		}
		if _, err := tx.Exec(ctx, `delete from auth.oauth_authorizations where authorization_id = $1`, a.id); err != nil {
			return err
		}
		if u, err = noteSignIn(ctx, tx, u.ID); err != nil {
			return err
		}
		begun, err := beginSession(ctx, tx, u.ID, methodOfApps, userAgent, nil)
		if err != nil {
			return err
		}
		begun.clientID, begun.scope = c.ID, a.scope
		if _, err := tx.Exec(ctx, `update auth.sessions set oauth_client_id = $2, scopes = $3 where id = $1`, begun.id, c.ID, a.scope); err != nil {
			return err
		}
		refreshToken := rand.Text()
		if err := addRefreshToken(ctx, tx, refreshToken, u.ID, begun.id, nil); err != nil {
			return err
		}
		tokens, err := s.grant(u, begun, refreshToken)
		if err != nil {
			return err
		}
		given = tokens.ofApp()
		if slices.Contains(strings.Fields(a.scope), "openid") {
			given.IDToken, err = s.issuer.signIdentity(u, c.ID, a)
		}
		return err
	})
	return given, err
}
