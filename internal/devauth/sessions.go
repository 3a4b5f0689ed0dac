package devauth

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/bcrypt"
)

// reuseInterval is how long a used refresh token is still accepted: Supabase Auth's default.
const reuseInterval = 10 * time.Second

// The levels of assurance: a password or less, and a second factor besides.
const (
	aal1 = "aal1"
	aal2 = "aal2"
)

// tokenUserAgent marks the sessions of Token.
const tokenUserAgent = "usergraph dev"

// session is a row of auth.sessions with its rows of auth.mfa_amr_claims, the latest first.
type session struct {
	id       uuid.UUID
	aal      string
	amr      []amr
	clientID uuid.UUID // of the OAuth app whose session it is, uuid.Nil for the user's own
	scope    string    // of the app
}

// grant is Supabase Auth's response to a sign-in.
type grant struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	ExpiresAt    int64  `json:"expires_at"` // seconds since 1970
	RefreshToken string `json:"refresh_token"`
	User         *user  `json:"user"`
}

// token begins or continues a session.
func (s *Server) token(r *http.Request) (any, error) {
	switch r.URL.Query().Get("grant_type") {
	case "password":
		var c credentials
		if err := readJSON(r, &c); err != nil {
			return nil, err
		}
		return s.signIn(r.Context(), r.UserAgent(), func(tx pgx.Tx) (*user, string, error) {
			u, err := userByPassword(r.Context(), tx, c)
			return u, "password", err
		})
	case "refresh_token":
		var body struct {
			RefreshToken string `json:"refresh_token"`
		}
		if err := readJSON(r, &body); err != nil {
			return nil, err
		}
		return s.refresh(r.Context(), body.RefreshToken, uuid.Nil)
	case "pkce":
		return s.exchangeCode(r)
	}
	return nil, errGrantType
}

// userByPassword returns the user with this address and this password.
func userByPassword(ctx context.Context, tx pgx.Tx, c credentials) (*user, error) {
	u, err := userByEmail(ctx, tx, c.Email)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, errCredentials
	case err != nil:
		return nil, err
	case u.BannedUntil != nil && u.BannedUntil.After(time.Now()):
		return nil, errBanned
	case bcrypt.CompareHashAndPassword([]byte(u.passwordHash), []byte(c.Password)) != nil:
		return nil, errCredentials
	case u.EmailConfirmedAt == nil:
		return nil, errNotConfirmed
	}
	return u, nil
}

// signIn begins a session for the user that identify returns, with the method by which (amr), in one transaction.
func (s *Server) signIn(ctx context.Context, userAgent string, identify func(pgx.Tx) (u *user, method string, err error)) (given *grant, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		u, method, err := identify(tx)
		if err != nil {
			return err
		}
		given, err = s.begin(ctx, tx, u, method, userAgent)
		return err
	})
	return given, err
}

// noteSignIn returns the user with the time of this sign-in.
func noteSignIn(ctx context.Context, tx pgx.Tx, id uuid.UUID) (*user, error) {
	if _, err := tx.Exec(ctx, `update auth.users set last_sign_in_at = now(), updated_at = now() where id = $1`, id); err != nil {
		return nil, err
	}
	return userByID(ctx, tx, id)
}

// begin begins a session with a refresh token.
func (s *Server) begin(ctx context.Context, tx pgx.Tx, u *user, method, userAgent string) (*grant, error) {
	u, err := noteSignIn(ctx, tx, u.ID)
	if err != nil {
		return nil, err
	}
	begun, err := beginSession(ctx, tx, u.ID, method, userAgent, nil)
	if err != nil {
		return nil, err
	}
	refreshToken := rand.Text()
	if err := addRefreshToken(ctx, tx, refreshToken, u.ID, begun.id, nil); err != nil {
		return nil, err
	}
	return s.grant(u, begun, refreshToken)
}

func (s *Server) grant(u *user, of session, refreshToken string) (*grant, error) {
	expiry := time.Now().Add(s.cfg.TokenLife)
	token, err := s.issuer.sign(u, of, expiry)
	return &grant{token, "bearer", int64(s.cfg.TokenLife.Seconds()), expiry.Unix(), refreshToken, u}, err
}

// beginSession adds a session that ends at notAfter; nil means never.
func beginSession(ctx context.Context, tx pgx.Tx, userID uuid.UUID, method, userAgent string, notAfter *time.Time) (session, error) {
	begun := session{id: uuid.New(), aal: aal1}
	_, err := tx.Exec(ctx, `
		insert into auth.sessions (id, user_id, aal, user_agent, not_after, created_at, updated_at)
		values ($1, $2, 'aal1', $3, $4, now(), now())`, begun.id, userID, userAgent, notAfter)
	if err != nil {
		return session{}, err
	}
	if err := addMethod(ctx, tx, begun.id, method); err != nil {
		return session{}, err
	}
	begun.amr = []amr{{method, time.Now().Unix()}}
	return begun, nil
}

// addMethod notes how the user of a session has proved who they are.
func addMethod(ctx context.Context, tx pgx.Tx, sessionID uuid.UUID, method string) error {
	_, err := tx.Exec(ctx, `
		insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method) values ($1, $2, now(), now(), $3)
		on conflict (session_id, authentication_method) do update set updated_at = now()`, uuid.New(), sessionID, method)
	return err
}

func addRefreshToken(ctx context.Context, tx pgx.Tx, token string, userID, sessionID uuid.UUID, parent *string) error {
	_, err := tx.Exec(ctx, `
		insert into auth.refresh_tokens (token, user_id, session_id, parent, revoked) values ($1, $2, $3, $4, false)`,
		token, userID.String(), sessionID, parent)
	return err
}

// refresh takes a refresh token, which can be used once, and returns the next. A client that lost the response, or two
// tabs that refresh at the same time, get the current token: a used token is accepted for reuseInterval, and until its
// successor is used. Any later reuse means that the token was stolen, and revokes all tokens of the session.
// The session must be that of the OAuth client, or the user's own for uuid.Nil.
// https://supabase.com/docs/guides/auth/sessions#what-is-refresh-token-reuse-detection-and-what-does-it-protect-from
func (s *Server) refresh(ctx context.Context, token string, clientID uuid.UUID) (*grant, error) {
	var u *user
	var of session
	var sessionID uuid.UUID
	next, stolen := rand.Text(), false
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		var revoked, recent bool
		err := tx.QueryRow(ctx, `
			select session_id, revoked, updated_at > now() - $2::interval from auth.refresh_tokens where token = $1 for update`,
			token, reuseInterval).Scan(&sessionID, &revoked, &recent)
		if errors.Is(err, pgx.ErrNoRows) {
			return errRefreshUnknown
		}
		if err != nil {
			return err
		}
		if u, of, err = sessionByID(ctx, tx, sessionID); err != nil {
			return err
		}
		switch {
		case of.clientID == clientID:
		case clientID == uuid.Nil:
			return errSessionOfClient
		default:
			return errSessionClient
		}
		if !revoked {
			_, err := tx.Exec(ctx, `update auth.refresh_tokens set revoked = true, updated_at = now() where token = $1`, token)
			if err != nil {
				return err
			}
			if err := addRefreshToken(ctx, tx, next, u.ID, of.id, &token); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `update auth.sessions set refreshed_at = now() at time zone 'utc', updated_at = now() where id = $1`, of.id)
			return err
		}
		err = tx.QueryRow(ctx, `
			select token from auth.refresh_tokens where session_id = $1 and not revoked and (parent = $2 or $3)`,
			of.id, token, recent).Scan(&next)
		if errors.Is(err, pgx.ErrNoRows) {
			stolen = true
			_, err = tx.Exec(ctx, `update auth.refresh_tokens set revoked = true, updated_at = '-infinity' where session_id = $1`, of.id)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if stolen {
		return nil, errRefreshUsed
	}
	return s.grant(u, of, next)
}

// sessionByID returns a session that goes on, and its user.
func sessionByID(ctx context.Context, db querier, id uuid.UUID) (*user, session, error) {
	of := session{id: id}
	var userID uuid.UUID
	var clientID *string
	err := db.QueryRow(ctx, `
		select user_id, coalesce(aal::text, 'aal1'), coalesce((
			select json_agg(json_build_object('method', c.authentication_method, 'timestamp', extract(epoch from c.updated_at)::bigint) order by c.updated_at desc)
			from auth.mfa_amr_claims c where c.session_id = s.id), '[]'),
			to_jsonb(s) ->> 'oauth_client_id', coalesce(to_jsonb(s) ->> 'scopes', '') -- a project of an older Auth lacks the columns
		from auth.sessions s where id = $1 and (not_after is null or not_after > now())`, id).Scan(&userID, &of.aal, &of.amr, &clientID, &of.scope)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, session{}, errSession
	}
	if err != nil {
		return nil, session{}, err
	}
	if clientID != nil {
		if of.clientID, err = uuid.Parse(*clientID); err != nil {
			return nil, session{}, err
		}
	}
	u, err := userByID(ctx, db, userID)
	return u, of, err
}

// querier is a transaction or the pool.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func (s *Server) logOut(r *http.Request) (any, error) {
	u, of, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	return nil, s.endSessions(r.Context(), r.URL.Query().Get("scope"), u.ID, of.id)
}

// endSessions ends a user's sessions: all (also if scope is empty), this one, or all others.
func (s *Server) endSessions(ctx context.Context, scope string, userID, sessionID uuid.UUID) error {
	switch scope {
	case "", "global", "local", "others":
	default:
		return errScope
	}
	_, err := s.db.Exec(ctx, `
		delete from auth.sessions
		where user_id = $1 and case $3 when 'local' then id = $2 when 'others' then id <> $2 else true end`,
		userID, sessionID, scope)
	return err
}

// Token begins a session for a user, by email or id, and returns its access token, valid until expiry. The session ends
// with the token: there is no refresh token.
func (s *Server) Token(ctx context.Context, who string, expiry time.Time) (string, error) {
	var u *user
	var begun session
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		var err error
		if u, err = scanUser(tx.QueryRow(ctx, `select `+userColumns+` from auth.users where email = lower($1) or id::text = $1`, who)); err != nil {
			return err
		}
		begun, err = beginSession(ctx, tx, u.ID, methodOf(credentials{Email: u.Email}), tokenUserAgent, &expiry)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return "", ErrNoUser
	}
	if err != nil {
		return "", err
	}
	return s.issuer.sign(u, begun, expiry)
}

// forgetExpired removes the ended sessions of Token.
func (s *Server) forgetExpired(ctx context.Context) error {
	_, err := s.db.Exec(ctx, `delete from auth.sessions where not_after < now() and user_agent = $1`, tokenUserAgent)
	return err
}
