package devauth

import (
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// appConsent is an app that acts for the caller, as supabase.auth.oauth.listGrants shows it.
type appConsent struct {
	Client    clientDetails `json:"client"`
	Scopes    []string      `json:"scopes"`
	GrantedAt time.Time     `json:"granted_at"`
}

// listGrants serves supabase.auth.oauth.listGrants, the latest first. They are no more than the clients.
func (s *Server) listGrants(r *http.Request) (any, error) {
	u, _, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	rows, err := s.db.Query(r.Context(), `
		select c.id, coalesce(c.client_name, ''), coalesce(c.client_uri, ''), coalesce(c.logo_uri, ''), o.scopes, o.granted_at
		from auth.oauth_consents o join auth.oauth_clients c on c.id = o.client_id
		where o.user_id = $1 and o.revoked_at is null and c.deleted_at is null order by o.granted_at desc`, u.ID)
	if err != nil {
		return nil, err
	}
	granted, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (g appConsent, err error) {
		var scopes string
		err = row.Scan(&g.Client.ID, &g.Client.Name, &g.Client.URI, &g.Client.LogoURI, &scopes, &g.GrantedAt)
		g.Scopes = strings.Fields(scopes)
		return g, err
	})
	if granted == nil {
		granted = []appConsent{}
	}
	return granted, err
}

// revokeGrant serves supabase.auth.oauth.revokeGrant: the app's sessions for the caller end.
func (s *Server) revokeGrant(r *http.Request) (any, error) {
	ctx := r.Context()
	u, _, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	if r.URL.Query().Get("client_id") == "" {
		return nil, errGrantClient
	}
	clientID, err := uuid.Parse(r.URL.Query().Get("client_id"))
	if err != nil {
		return nil, errGrantClientFormat
	}
	return nil, pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		revoked, err := tx.Exec(ctx, `update auth.oauth_consents set revoked_at = now() where user_id = $1 and client_id = $2 and revoked_at is null`, u.ID, clientID)
		if err != nil {
			return err
		}
		if revoked.RowsAffected() == 0 {
			return errConsent
		}
		_, err = tx.Exec(ctx, `delete from auth.sessions where user_id = $1 and oauth_client_id = $2`, u.ID, clientID)
		return err
	})
}
