package devauth

import (
	"context"
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// consentPath is the page that asks the user if the app has none.
const consentPath = "/auth/v1/oauth/consent"

// maxConsentUsers bounds the users that the page offers.
const maxConsentUsers = 20

//go:embed consent.html
var consentHTML string

var consentPage = template.Must(template.New("consent").Parse(consentHTML))

// readAuthorization serves supabase.auth.oauth.getAuthorizationDetails: what the consent page shows. The request belongs to
// the first user who sees it. A user who has consented to all of it before is not asked again.
func (s *Server) readAuthorization(r *http.Request) (any, error) {
	ctx := r.Context()
	u, _, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	var details any
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		a, err := lockPending(ctx, tx, r.PathValue("authorization"))
		if errors.Is(err, errNotPending) {
			return errNotShown
		}
		if err != nil {
			return err
		}
		if a.userID != nil && *a.userID != u.ID {
			return errAuthorization
		}
		if a.userID == nil {
			if _, err := tx.Exec(ctx, `update auth.oauth_authorizations set user_id = $2 where authorization_id = $1`, a.id, u.ID); err != nil {
				return err
			}
			consented, err := hasConsented(ctx, tx, u.ID, a)
			if err != nil {
				return err
			}
			if consented {
				to, err := approve(ctx, tx, u.ID, a)
				details = map[string]any{"redirect_url": to}
				return err
			}
		}
		c, err := clientByID(ctx, tx, a.clientID.String())
		details = map[string]any{
			"authorization_id": a.id, "redirect_uri": a.redirectURI, "scope": a.scope, "client": c.details(),
			"user": map[string]any{"id": u.ID, "email": u.Email},
		}
		return err
	})
	return details, err
}

// consent serves supabase.auth.oauth.approveAuthorization and denyAuthorization, of the user who has seen the request.
func (s *Server) consent(r *http.Request) (any, error) {
	ctx := r.Context()
	u, _, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	var body struct {
		Action string `json:"action"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	var to string
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		a, err := lockPending(ctx, tx, r.PathValue("authorization"))
		if err != nil {
			return err
		}
		if a.userID == nil || *a.userID != u.ID {
			return errAuthorization
		}
		to, err = decide(ctx, tx, u.ID, a, body.Action)
		return err
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"redirect_url": to}, nil
}

// askConsent shows the page that asks which user approves. Nobody has to sign in, as in the playground.
func (s *Server) askConsent(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	var a *authorization
	var c *oauthClient
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) (err error) {
		if a, err = lockPending(ctx, tx, r.URL.Query().Get("authorization_id")); err == nil {
			c, err = clientByID(ctx, tx, a.clientID.String())
		}
		return err
	})
	if err != nil {
		s.answerError(w, r, err)
		return
	}
	users, err := s.Users(ctx, maxConsentUsers)
	if err != nil {
		s.answerError(w, r, err)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	// No form-action: browsers apply it to the redirect after the form too, which leads to the client.
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'")
	header.Set("Referrer-Policy", "same-origin") // with no-referrer, the form's Origin would be null
	_ = consentPage.Execute(w, map[string]any{"ID": a.id, "Client": c, "Scope": a.scope, "RedirectURI": a.redirectURI, "Users": users})
}

// takeConsent takes the form of the page, of this page only, and leads to the client.
func (s *Server) takeConsent(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != "http://"+r.Host {
		s.answerError(w, r, errHost)
		return
	}
	ctx := r.Context()
	userID, err := uuid.Parse(r.PostFormValue("user"))
	if err != nil {
		s.answerError(w, r, errConsentUser)
		return
	}
	var to string
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		a, err := lockPending(ctx, tx, r.PostFormValue("authorization_id"))
		if err != nil {
			return err
		}
		switch _, err := userByID(ctx, tx, userID); {
		case errors.Is(err, pgx.ErrNoRows):
			return errConsentUser
		case err != nil:
			return err
		}
		to, err = decide(ctx, tx, userID, a, r.PostFormValue("action"))
		return err
	})
	if err != nil {
		s.answerError(w, r, err)
		return
	}
	// Some clients demand the issuer (RFC 9207). Supabase Auth sends none, so its address has none either, and the page adds it.
	http.Redirect(w, r, addQuery(to, url.Values{"iss": {s.issuer.url}}), http.StatusSeeOther)
}

func lockPending(ctx context.Context, tx pgx.Tx, id string) (*authorization, error) {
	a, err := lockAuthorization(ctx, tx, "authorization_id", id)
	if err == nil && a.status != "pending" {
		return nil, errNotPending
	}
	return a, err
}

// hasConsented reports whether the user's consent to the client, which is not revoked, covers the scopes.
func hasConsented(ctx context.Context, tx pgx.Tx, userID uuid.UUID, a *authorization) (bool, error) {
	var scopes string
	err := tx.QueryRow(ctx, `select scopes from auth.oauth_consents where user_id = $1 and client_id = $2 and revoked_at is null`, userID, a.clientID).Scan(&scopes)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	granted := strings.Fields(scopes)
	return err == nil && !slices.ContainsFunc(strings.Fields(a.scope), func(scope string) bool { return !slices.Contains(granted, scope) }), err
}

// decide answers a request, and returns where the client waits for the answer.
func decide(ctx context.Context, tx pgx.Tx, userID uuid.UUID, a *authorization, action string) (to string, err error) {
	switch action {
	case "approve":
		_, err := tx.Exec(ctx, `
			insert into auth.oauth_consents (id, user_id, client_id, scopes) values ($1, $2, $3, $4)
			on conflict (user_id, client_id) do update set scopes = excluded.scopes, granted_at = now(), revoked_at = null`,
			uuid.New(), userID, a.clientID, a.scope)
		if err != nil {
			return "", err
		}
		return approve(ctx, tx, userID, a)
	case "deny":
		_, err := tx.Exec(ctx, `update auth.oauth_authorizations set user_id = $2, status = 'denied' where authorization_id = $1`, a.id, userID)
		return a.answerURL(url.Values{"error": {"access_denied"}, "error_description": {"User denied the request"}}), err
	}
	return "", errConsentAction
}

// approve makes the code that the client redeems once.
func approve(ctx context.Context, tx pgx.Tx, userID uuid.UUID, a *authorization) (to string, err error) {
	code := uuid.NewString()
	_, err = tx.Exec(ctx, `
		update auth.oauth_authorizations set user_id = $2, status = 'approved', approved_at = now(), authorization_code = $3 where authorization_id = $1`,
		a.id, userID, code)
	return a.answerURL(url.Values{"code": {code}}), err
}
