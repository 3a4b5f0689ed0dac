package devauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	// maxClients bounds the rows of auth.oauth_clients, since anybody may register one. A developer's agents are a few dozen.
	maxClients = 1000
	// maxRedirectURIs bounds the pages of a client, Supabase Auth's limit.
	maxRedirectURIs = 10
	// maxURIBytes bounds a URI of a client, and the resource that it asks for. Supabase Auth's limit.
	maxURIBytes = 2048
	// maxClientNameBytes bounds the name that the consent page shows, Supabase Auth's limit.
	maxClientNameBytes = 1024
)

// The ways in which a client proves who it is (RFC 7591, section 2). A client with authNone is public, and has no secret.
const (
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
	authNone  = "none"
)

var clientAuthMethods = []string{authNone, authBasic, authPost}

var oauthGrantTypes = []string{"authorization_code", "refresh_token"}

// oauthClient is a row of auth.oauth_clients, in the form of Supabase Auth's responses to RFC 7591.
type oauthClient struct {
	ID               uuid.UUID `json:"client_id"`
	Secret           string    `json:"client_secret,omitempty"` // in the response to the registration only
	Type             string    `json:"client_type"`             // public, confidential
	RedirectURIs     []string  `json:"redirect_uris"`
	AuthMethod       string    `json:"token_endpoint_auth_method"`
	GrantTypes       []string  `json:"grant_types"`
	ResponseTypes    []string  `json:"response_types"`
	Name             string    `json:"client_name,omitempty"`
	URI              string    `json:"client_uri,omitempty"`
	LogoURI          string    `json:"logo_uri,omitempty"`
	RegistrationType string    `json:"registration_type"`
	CreatedAt        time.Time `json:"created_at"`
	UpdatedAt        time.Time `json:"updated_at"`

	secretHash string
}

// registerClient adds a client (RFC 7591, section 3). It needs no credentials.
func (s *Server) registerClient(w http.ResponseWriter, r *http.Request) {
	c := &oauthClient{}
	err := readJSON(r, c)
	if err == nil {
		err = c.check()
	}
	if err == nil {
		err = s.addClient(r.Context(), c)
	}
	if err != nil {
		s.answerError(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, c)
}

// check refuses what Supabase Auth refuses, and sets its defaults.
func (c *oauthClient) check() error {
	switch {
	case len(c.RedirectURIs) == 0:
		return invalidClient("redirect_uris is required")
	case len(c.RedirectURIs) > maxRedirectURIs:
		return invalidClient("redirect_uris cannot exceed %d items", maxRedirectURIs)
	case !isText(c.Name, maxClientNameBytes):
		return invalidClient("client_name cannot exceed %d characters", maxClientNameBytes)
	}
	for _, uri := range c.RedirectURIs {
		if reason := redirectFault(uri); reason != "" {
			return invalidClient("invalid redirect_uri '%s': %s", uri, reason)
		}
	}
	for name, uri := range map[string]string{"client_uri": c.URI, "logo_uri": c.LogoURI} {
		if !isText(uri, maxURIBytes) {
			return invalidClient("%s cannot exceed %d characters", name, maxURIBytes)
		}
		if _, err := url.ParseRequestURI(uri); uri != "" && err != nil {
			return invalidClient("%s must be a valid URL", name)
		}
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = oauthGrantTypes
	}
	if len(c.GrantTypes) > len(oauthGrantTypes) || slices.ContainsFunc(c.GrantTypes, func(name string) bool { return !slices.Contains(oauthGrantTypes, name) }) {
		return invalidClient("grant_types must only contain 'authorization_code' and/or 'refresh_token'")
	}
	switch {
	case !slices.Contains([]string{"", "public", "confidential"}, c.Type):
		return invalidClient("client_type must be 'public' or 'confidential'")
	case c.AuthMethod == "" && c.Type == "public":
		c.AuthMethod = authNone
	case c.AuthMethod == "":
		c.AuthMethod = authBasic
	case !slices.Contains(clientAuthMethods, c.AuthMethod):
		return invalidClient("token_endpoint_auth_method must be one of: %v", clientAuthMethods)
	}
	of := "confidential"
	if c.AuthMethod == authNone {
		of = "public"
	}
	if c.Type != "" && c.Type != of {
		return invalidClient("client_type '%s' is inconsistent with token_endpoint_auth_method '%s' (expected client_type '%s')", c.Type, c.AuthMethod, of)
	}
	c.Type = of
	return nil
}

// redirectFault returns what is wrong with a redirect URI, or "". It is an absolute URI without a fragment (RFC 6749, section
// 3.1.2). Schemes of apps are good; http is for this machine.
func redirectFault(uri string) string {
	parsed, err := url.Parse(uri)
	switch {
	case uri == "":
		return "redirect URI cannot be empty"
	case !isText(uri, maxURIBytes):
		return fmt.Sprintf("cannot exceed %d characters", maxURIBytes)
	case err != nil:
		return "invalid URL format"
	case parsed.Scheme == "" || parsed.Host == "":
		return "must have scheme and host"
	case slices.Contains([]string{"javascript", "data", "file", "vbscript", "about", "blob"}, parsed.Scheme):
		return fmt.Sprintf("scheme '%s' is not allowed for security reasons", parsed.Scheme)
	case parsed.Scheme == "http" && !slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, parsed.Hostname()):
		return "HTTP scheme only allowed for localhost"
	case parsed.Fragment != "":
		return "fragment not allowed in redirect URI"
	case strings.Contains(uri, ","): // the separator of the column
		return "comma not allowed in redirect URI"
	}
	return ""
}

// addClient keeps a client, with a secret unless it is public.
func (s *Server) addClient(ctx context.Context, c *oauthClient) error {
	c.ID, c.ResponseTypes, c.RegistrationType, c.Secret = uuid.New(), []string{"code"}, "dynamic", ""
	if c.AuthMethod != authNone {
		c.Secret = rand.Text()
		c.secretHash = hashSecret(c.Secret)
	}
	err := s.db.QueryRow(ctx, `
		insert into auth.oauth_clients (id, client_secret_hash, registration_type, client_type, token_endpoint_auth_method, redirect_uris, grant_types,
			client_name, client_uri, logo_uri)
		select $1, nullif($2, ''), 'dynamic', $3::auth.oauth_client_type, $4, $5, $6, nullif($7, ''), nullif($8, ''), nullif($9, '')
		where (select count(*) from auth.oauth_clients) < $10
		returning created_at, updated_at`,
		c.ID, c.secretHash, c.Type, c.AuthMethod, strings.Join(c.RedirectURIs, ","), strings.Join(c.GrantTypes, ","), c.Name, c.URI, c.LogoURI, maxClients).
		Scan(&c.CreatedAt, &c.UpdatedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return errClients
	}
	return err
}

// clientByID returns a client that is not deleted.
func clientByID(ctx context.Context, db querier, id string) (*oauthClient, error) {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return nil, errClientIDFormat
	}
	c := &oauthClient{ID: parsed}
	var redirectURIs, grantTypes string
	err = db.QueryRow(ctx, `
		select client_type, token_endpoint_auth_method, redirect_uris, grant_types, coalesce(client_name, ''), coalesce(client_uri, ''),
			coalesce(logo_uri, ''), coalesce(client_secret_hash, '')
		from auth.oauth_clients where id = $1 and deleted_at is null`, parsed).
		Scan(&c.Type, &c.AuthMethod, &redirectURIs, &grantTypes, &c.Name, &c.URI, &c.LogoURI, &c.secretHash)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errClientUnknown
	}
	c.RedirectURIs, c.GrantTypes = strings.Split(redirectURIs, ","), strings.Split(grantTypes, ",")
	return c, err
}

// authenticateClient returns the client of a token request, which proves itself in the way that it has registered (RFC 6749,
// section 2.3).
func (s *Server) authenticateClient(r *http.Request, params tokenParams) (*oauthClient, error) {
	id, secret, method := params.ClientID, params.ClientSecret, authPost
	user, password, isBasic := r.BasicAuth()
	switch {
	case isBasic:
		id, secret, method = user, password, authBasic
	case strings.HasPrefix(r.Header.Get("Authorization"), "Basic "):
		return nil, noCredentials("invalid basic auth encoding")
	case id == "":
		return nil, noCredentials("client_id is required")
	case secret == "":
		method = authNone
	}
	c, err := clientByID(r.Context(), s.db, id)
	switch {
	case errors.Is(err, errClientIDFormat):
		return nil, errClientFormat
	case errors.Is(err, errClientUnknown):
		return nil, errClientCredentials
	case err != nil:
		return nil, err
	case method != c.AuthMethod:
		return nil, &failure{http.StatusBadRequest, errClientCredentials.code,
			fmt.Sprintf("invalid authentication method: client is registered for '%s' but '%s' was used", c.AuthMethod, method)}
	case method != authNone && subtle.ConstantTimeCompare([]byte(hashSecret(secret)), []byte(c.secretHash)) != 1:
		return nil, errClientSecret
	}
	return c, nil
}

// noCredentials says why a token request names no client.
func noCredentials(reason string) error {
	return &failure{http.StatusBadRequest, errClientCredentials.code, errClientCredentials.message + ": " + reason}
}

// hashSecret returns what is kept of a secret. The secret is random, so a fast hash is enough.
func hashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// clientDetails is a client as the consent page and the list of grants show one.
type clientDetails struct {
	ID      uuid.UUID `json:"id"`
	Name    string    `json:"name,omitempty"`
	URI     string    `json:"uri,omitempty"`
	LogoURI string    `json:"logo_uri,omitempty"`
}

func (c *oauthClient) details() clientDetails { return clientDetails{c.ID, c.Name, c.URI, c.LogoURI} }

// isText reports whether PostgreSQL takes a text, and it has at most maxBytes.
func isText(text string, maxBytes int) bool {
	return len(text) <= maxBytes && utf8.ValidString(text) && !strings.Contains(text, "\x00")
}

func invalidClient(format string, args ...any) error {
	return &failure{http.StatusBadRequest, "validation_failed", "400: " + fmt.Sprintf(format, args...)} // as Supabase Auth has it
}
