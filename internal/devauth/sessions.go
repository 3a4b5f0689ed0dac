package devauth

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// reuseInterval is how long a used refresh token is still accepted: Supabase Auth's default.
const reuseInterval = 10 * time.Second

// session is a row of auth.sessions.
type session struct {
	id        uuid.UUID
	createdAt time.Time
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

// signIn begins a session with a refresh token for the user that identify returns, in one transaction.
func (s *Server) signIn(ctx context.Context, userAgent string, identify func(pgx.Tx) (*user, error)) (*grant, error) {
	var u *user
	var begun session
	refreshToken := rand.Text()
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		var err error
		if u, err = identify(tx); err != nil {
			return err
		}
		if begun, err = beginSession(ctx, tx, u.ID, userAgent, nil); err != nil {
			return err
		}
		return addRefreshToken(ctx, tx, refreshToken, u.ID, begun.id, nil)
	})
	if err != nil {
		return nil, err
	}
	return s.grant(u, begun, refreshToken)
}

func (s *Server) grant(u *user, of session, refreshToken string) (*grant, error) {
	expiry := time.Now().Add(s.tokenLife)
	token, err := s.issuer.sign(u, of, expiry)
	return &grant{token, "bearer", int64(s.tokenLife.Seconds()), expiry.Unix(), refreshToken, u}, err
}

// beginSession adds a session that ends at notAfter; nil means never.
func beginSession(ctx context.Context, tx pgx.Tx, userID uuid.UUID, userAgent string, notAfter *time.Time) (session, error) {
	begun := session{id: uuid.New()}
	err := tx.QueryRow(ctx, `
		insert into auth.sessions (id, user_id, aal, user_agent, not_after, created_at, updated_at)
		values ($1, $2, 'aal1', $3, $4, now(), now()) returning created_at`,
		begun.id, userID, userAgent, notAfter).Scan(&begun.createdAt)
	return begun, err
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
// https://supabase.com/docs/guides/auth/sessions#what-is-refresh-token-reuse-detection-and-what-does-it-protect-from
func (s *Server) refresh(ctx context.Context, token string) (*grant, error) {
	var u *user
	var of session
	next, stolen := rand.Text(), false
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		var revoked, recent bool
		err := tx.QueryRow(ctx, `
			select session_id, revoked, updated_at > now() - $2::interval from auth.refresh_tokens where token = $1 for update`,
			token, reuseInterval).Scan(&of.id, &revoked, &recent)
		if errors.Is(err, pgx.ErrNoRows) {
			return errRefreshUnknown
		}
		if err != nil {
			return err
		}
		if u, of.createdAt, err = sessionUser(ctx, tx, of.id); err != nil {
			return err
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

// sessionUser returns the user of a session, and when it began.
func sessionUser(ctx context.Context, db querier, id uuid.UUID) (*user, time.Time, error) {
	var userID uuid.UUID
	var createdAt time.Time
	err := db.QueryRow(ctx, `select user_id, created_at from auth.sessions where id = $1 and (not_after is null or not_after > now())`,
		id).Scan(&userID, &createdAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, time.Time{}, errSession
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	u, err := scanUser(db.QueryRow(ctx, `select `+userColumns+` from auth.users where id = $1`, userID))
	return u, createdAt, err
}

// querier is a transaction or the pool.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
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
		begun, err = beginSession(ctx, tx, u.ID, "usergraph dev", &expiry)
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
	_, err := s.db.Exec(ctx, `delete from auth.sessions where not_after < now()`)
	return err
}
