package devauth

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// authorizePath is where a client sends the browser.
const authorizePath = "/auth/v1/oauth/authorize"

const (
	// authorizationLife is how long a user may think about a request, and the client has to redeem its code. Supabase Auth's default.
	authorizationLife = 10 * time.Minute
	// maxAuthorizations bounds the requests that have not expired, since anybody may make one.
	maxAuthorizations = 1000
	// maxStateBytes and maxNonceBytes bound what the client gets back. Supabase Auth's limits.
	maxStateBytes = 4096
	maxNonceBytes = 255
	// defaultScope is the scope of a request that names none, Supabase Auth's default.
	defaultScope = "email"
)

// authorization is a row of auth.oauth_authorizations: what a client asks a user for.
type authorization struct {
	id          string // of the request, in the link of the consent page
	clientID    uuid.UUID
	userID      *uuid.UUID // nil until a user has seen it
	redirectURI string
	scope       string
	state       string
	resource    string
	nonce       string
	challenge   challenge
	status      string // pending, approved, denied
}

// authorize keeps the request of a client, and leads to the consent page (RFC 6749, section 4.1.1). Errors go to the client's
// page, except those which say that it is not the client's.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if query.Get("client_id") == "" {
		s.answerError(w, r, errClientIDRequired)
		return
	}
	if query.Get("redirect_uri") == "" {
		s.answerError(w, r, errRedirectRequired)
		return
	}
	c, err := clientByID(r.Context(), s.db, query.Get("client_id"))
	if err != nil {
		s.answerError(w, r, err)
		return
	}
	a := &authorization{
		id: rand.Text(), clientID: c.ID, redirectURI: query.Get("redirect_uri"), state: query.Get("state"), resource: query.Get("resource"),
		nonce: query.Get("nonce"), challenge: challenge{query.Get("code_challenge"), query.Get("code_challenge_method")},
		scope: cmp.Or(query.Get("scope"), defaultScope),
	}
	if !slices.Contains(c.RedirectURIs, a.redirectURI) {
		s.answerError(w, r, errRedirectURI)
		return
	}
	refusal := a.check(cmp.Or(query.Get("response_type"), "code"))
	if refusal == nil {
		refusal = s.addAuthorization(r.Context(), a)
	}
	if refusal != nil {
		var known *oauthFailure
		if !errors.As(refusal, &known) {
			s.answerError(w, r, refusal)
			return
		}
		if !isText(a.state, maxStateBytes) {
			a.state = ""
		}
		http.Redirect(w, r, a.answerURL(url.Values{"error": {known.Code}, "error_description": {known.Description}}), http.StatusFound)
		return
	}
	http.Redirect(w, r, cmp.Or(s.cfg.ConsentPage, consentPath)+"?authorization_id="+a.id, http.StatusFound)
}

// check refuses a request that could not be completed, in the order of Supabase Auth. PKCE is required (RFC 7636, OAuth 2.1).
func (a *authorization) check(responseType string) error {
	invalid := func(description string) error { return &oauthFailure{"invalid_request", description} }
	if responseType != "code" {
		return invalid("only response_type=code is supported")
	}
	scopes := strings.Fields(a.scope)
	if len(scopes) == 0 {
		return invalid("scope parameter cannot be empty")
	}
	for _, scope := range scopes {
		if !slices.Contains(oauthScopes, scope) {
			return invalid("unsupported scope: " + scope)
		}
	}
	if a.resource != "" { // RFC 8707, section 2
		parsed, err := url.Parse(a.resource)
		switch {
		case err != nil:
			return invalid("resource must be a valid URI")
		case !parsed.IsAbs():
			return invalid("resource must be an absolute URI")
		case parsed.Fragment != "":
			return invalid("resource must not include a fragment component")
		case parsed.RawQuery != "":
			return invalid("resource must not include a query component")
		}
	}
	switch method := strings.ToLower(a.challenge.CodeChallengeMethod); {
	case a.challenge.CodeChallenge == "" || method == "":
		return invalid("PKCE flow requires both code_challenge and code_challenge_method")
	case method != "s256" && method != "plain":
		return invalid("code_challenge_method must be 'S256' or 'plain'")
	case a.challenge.check() != nil:
		return invalid("code_challenge must be between 43 and 128 characters")
	case !isText(a.state, maxStateBytes) || !isText(a.nonce, maxNonceBytes) || !isText(a.resource, maxURIBytes):
		return &oauthFailure{"server_error", "error creating authorization"}
	}
	a.scope = strings.Join(scopes, " ")
	return nil
}

// addAuthorization keeps a request until it expires. Those that have expired are removed.
func (s *Server) addAuthorization(ctx context.Context, a *authorization) error {
	added, err := s.db.Exec(ctx, `
		with expired as (delete from auth.oauth_authorizations where expires_at < now())
		insert into auth.oauth_authorizations (id, authorization_id, client_id, redirect_uri, scope, state, resource, nonce, code_challenge, code_challenge_method, expires_at)
		select $1, $2, $3, $4, $5, nullif($6, ''), nullif($7, ''), nullif($8, ''), $9, lower($10)::auth.code_challenge_method, now() + $11::interval
		where (select count(*) from auth.oauth_authorizations where expires_at >= now()) < $12`,
		uuid.New(), a.id, a.clientID, a.redirectURI, a.scope, a.state, a.resource, a.nonce, a.challenge.CodeChallenge, a.challenge.CodeChallengeMethod,
		authorizationLife, maxAuthorizations)
	if err == nil && added.RowsAffected() == 0 {
		return &oauthFailure{"temporarily_unavailable", "too many requests wait for an answer: try again in ten minutes"}
	}
	return err
}

// answerURL returns the client's page with an answer (RFC 6749, sections 4.1.2 and 4.1.2.1).
func (a *authorization) answerURL(answer url.Values) string {
	if a.state != "" {
		answer.Set("state", a.state)
	}
	return addQuery(a.redirectURI, answer)
}

// addQuery returns an address with more parameters.
func addQuery(address string, more url.Values) string {
	parsed, err := url.Parse(address)
	if err != nil { // checked at the registration
		return address
	}
	query := parsed.Query()
	for name, values := range more {
		query[name] = values
	}
	parsed.RawQuery = query.Encode()
	return parsed.String()
}

// lockAuthorization returns a request that has not expired, by a column which is unique.
func lockAuthorization(ctx context.Context, tx pgx.Tx, column, value string) (*authorization, error) {
	if !isText(value, maxStateBytes) {
		return nil, errAuthorization
	}
	a := &authorization{}
	err := tx.QueryRow(ctx, `
		select authorization_id, client_id, user_id, redirect_uri, scope, coalesce(state, ''), coalesce(resource, ''), coalesce(nonce, ''),
			coalesce(code_challenge, ''), coalesce(code_challenge_method::text, ''), status
		from auth.oauth_authorizations where `+column+` = $1 and expires_at > now() for update`, value).
		Scan(&a.id, &a.clientID, &a.userID, &a.redirectURI, &a.scope, &a.state, &a.resource, &a.nonce,
			&a.challenge.CodeChallenge, &a.challenge.CodeChallengeMethod, &a.status)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errAuthorization
	}
	return a, err
}
