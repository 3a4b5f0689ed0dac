package devauth

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// signUp creates a user. A user without an address and a telephone number is anonymous. With Config.ConfirmEmail a user
// with an address gets a mail and no session; else the user is signed in at once.
func (s *Server) signUp(r *http.Request) (any, error) {
	ctx := r.Context()
	var c credentials
	if err := readJSON(r, &c); err != nil {
		return nil, err
	}
	if c.Phone != "" {
		return nil, errPhone
	}
	if err := c.challenge.check(); err != nil {
		return nil, err
	}
	if c.Email == "" || !s.cfg.ConfirmEmail {
		return s.signIn(ctx, r.UserAgent(), func(tx pgx.Tx) (*user, string, error) {
			u, err := createUser(ctx, tx, c, true)
			return u, methodOf(c), err
		})
	}
	var u *user
	var sent []message
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		var err error
		u, err = createUser(ctx, tx, c, false)
		if err != nil {
			return err
		}
		sent, err = confirmationMail(ctx, tx, u, c.challenge)
		if err != nil {
			return err
		}
		u, err = userByID(ctx, tx, u.ID)
		return err
	})
	if errors.Is(err, errUserExists) {
		u, sent, err = s.signUpAgain(ctx, c)
	}
	if err != nil {
		return nil, err
	}
	s.send(r, sent)
	return u, nil
}

// methodOf returns the authentication method of a sign-up (amr).
func methodOf(c credentials) string {
	if c.Email == "" {
		return "anonymous"
	}
	return "password"
}

// signUpAgain answers for an address that is taken: its owner gets another mail if the address is not confirmed yet.
// Otherwise the response is one that a new user would get, without identities, so that nobody learns who has an account.
func (s *Server) signUpAgain(ctx context.Context, c credentials) (u *user, sent []message, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if u, err = userByEmail(ctx, tx, c.Email); err != nil {
			return err
		}
		if u.EmailConfirmedAt != nil {
			now := time.Now()
			u = &user{
				ID: uuid.New(), Audience: u.Audience, Email: u.Email, ConfirmationSentAt: &now, CreatedAt: now, UpdatedAt: now,
				AppMetadata: []byte(`{"provider":"email","providers":["email"]}`), UserMetadata: []byte(`{}`), Identities: []byte(`[]`),
			}
			return nil
		}
		sent, err = confirmationMail(ctx, tx, u, c.challenge)
		return err
	})
	return u, sent, err
}

func userByEmail(ctx context.Context, db querier, email string) (*user, error) {
	return scanUser(db.QueryRow(ctx, `select `+userColumns+` from auth.users where email = lower($1) and not is_sso_user`, email))
}

// createUser adds a user with an address and a password, or an anonymous one if c has no address. The columns of tokens
// are empty and not null, because Supabase Auth cannot read nulls there.
func createUser(ctx context.Context, tx pgx.Tx, c credentials, confirmed bool) (*user, error) {
	id := uuid.New()
	app, data := map[string]any{}, map[string]any{}
	maps.Copy(data, c.Data)
	var email, hash *string
	if c.Email != "" {
		address, err := normalEmail(c.Email)
		if err != nil {
			return nil, err
		}
		hashed, err := hashPassword(c.Password)
		if err != nil {
			return nil, err
		}
		email, hash = &address, &hashed
		app["provider"], app["providers"] = "email", []string{"email"}
	}
	_, err := tx.Exec(ctx, `
		insert into auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, last_sign_in_at,
			raw_app_meta_data, raw_user_meta_data, is_anonymous, created_at, updated_at,
			confirmation_token, recovery_token, email_change_token_new, email_change)
		values ('00000000-0000-0000-0000-000000000000', $1, 'authenticated', 'authenticated', $2::text, $3,
			case when $2::text is not null and $6 then now() end, case when $6 then now() end,
			$4, $5, $2::text is null, now(), now(), '', '', '', '')`, id, email, hash, app, data, confirmed)
	if isDuplicate(err) {
		return nil, errUserExists
	}
	if err != nil {
		return nil, err
	}
	if email != nil {
		if err := addIdentity(ctx, tx, id, *email, false); err != nil {
			return nil, err
		}
		if confirmed {
			if err := markVerified(ctx, tx, id); err != nil {
				return nil, err
			}
		}
	}
	return userByID(ctx, tx, id)
}

// markVerified sets what Supabase Auth sets in the metadata of a user with a confirmed address.
func markVerified(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	_, err := tx.Exec(ctx, `update auth.users set raw_user_meta_data = coalesce(raw_user_meta_data, '{}') || '{"email_verified": true}' where id = $1`, id)
	return err
}
