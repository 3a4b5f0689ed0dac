package devauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/mail"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/crypto/bcrypt"
)

const (
	minPasswordBytes = 6  // Supabase Auth's default
	maxPasswordBytes = 72 // bcrypt ignores further bytes
)

// user is a row of auth.users with its identities and factors, in the form of Supabase Auth's responses.
type user struct {
	ID                 uuid.UUID       `json:"id"`
	Audience           string          `json:"aud"`
	Role               string          `json:"role"`
	Email              string          `json:"email"`
	Phone              string          `json:"phone"`
	EmailConfirmedAt   *time.Time      `json:"email_confirmed_at,omitempty"`
	ConfirmationSentAt *time.Time      `json:"confirmation_sent_at,omitempty"`
	ConfirmedAt        *time.Time      `json:"confirmed_at,omitempty"`
	NewEmail           string          `json:"new_email,omitempty"`
	EmailChangeSentAt  *time.Time      `json:"email_change_sent_at,omitempty"`
	LastSignInAt       *time.Time      `json:"last_sign_in_at,omitempty"`
	AppMetadata        json.RawMessage `json:"app_metadata"`
	UserMetadata       json.RawMessage `json:"user_metadata"`
	Factors            json.RawMessage `json:"factors,omitempty"`
	Identities         json.RawMessage `json:"identities"`
	CreatedAt          time.Time       `json:"created_at"`
	UpdatedAt          time.Time       `json:"updated_at"`
	BannedUntil        *time.Time      `json:"banned_until,omitempty"`
	IsAnonymous        bool            `json:"is_anonymous"`

	passwordHash string
	hasFactor    bool // a verified one
}

// userColumns are what scanUser reads of auth.users and the tables that refer to it.
const userColumns = `id, coalesce(aud, 'authenticated'), coalesce(role, 'authenticated'), coalesce(email, ''), coalesce(phone, ''),
	email_confirmed_at, confirmation_sent_at, confirmed_at, coalesce(email_change, ''), email_change_sent_at, last_sign_in_at,
	coalesce(raw_app_meta_data, '{}'), coalesce(raw_user_meta_data, '{}'),
	(select json_agg(json_strip_nulls(json_build_object('id', f.id, 'created_at', f.created_at, 'updated_at', f.updated_at, 'status', f.status,
		'friendly_name', f.friendly_name, 'factor_type', f.factor_type, 'last_challenged_at', f.last_challenged_at)) order by f.created_at)
		from auth.mfa_factors f where f.user_id = users.id),
	coalesce((select json_agg(json_strip_nulls(json_build_object('identity_id', i.id, 'id', i.provider_id, 'user_id', i.user_id,
		'identity_data', i.identity_data, 'provider', i.provider, 'last_sign_in_at', i.last_sign_in_at, 'created_at', i.created_at,
		'updated_at', i.updated_at, 'email', i.email)) order by i.created_at)
		from auth.identities i where i.user_id = users.id), '[]'),
	created_at, updated_at, banned_until, is_anonymous, coalesce(encrypted_password, ''),
	exists (select from auth.mfa_factors f where f.user_id = users.id and f.status = 'verified')`

func scanUser(row pgx.Row) (*user, error) {
	u := &user{}
	err := row.Scan(&u.ID, &u.Audience, &u.Role, &u.Email, &u.Phone,
		&u.EmailConfirmedAt, &u.ConfirmationSentAt, &u.ConfirmedAt, &u.NewEmail, &u.EmailChangeSentAt, &u.LastSignInAt,
		&u.AppMetadata, &u.UserMetadata, &u.Factors, &u.Identities,
		&u.CreatedAt, &u.UpdatedAt, &u.BannedUntil, &u.IsAnonymous, &u.passwordHash, &u.hasFactor)
	if err != nil {
		return nil, err
	}
	return u, nil
}

func userByID(ctx context.Context, db querier, id uuid.UUID) (*user, error) {
	return scanUser(db.QueryRow(ctx, `select `+userColumns+` from auth.users where id = $1`, id))
}

// credentials are the fields with which a user signs up or is changed. The challenge is that of RFC 7636, section 4.3.
type credentials struct {
	Email    string         `json:"email"`
	Phone    string         `json:"phone"`
	Password string         `json:"password"`
	Data     map[string]any `json:"data"`
	challenge
}

// setPassword changes the password, and ends all sessions of the user but this one.
func setPassword(ctx context.Context, tx pgx.Tx, userID, sessionID uuid.UUID, password string) error {
	hash, err := hashPassword(password)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		update auth.users set encrypted_password = $2, confirmation_token = '', email_change_token_new = '', email_change_token_current = '',
			updated_at = now() where id = $1`, userID, hash)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `delete from auth.sessions where user_id = $1 and id <> $2`, userID, sessionID)
	return err
}

// addIdentity adds the user's way to sign in by an address, and repeats its data in the user's metadata.
func addIdentity(ctx context.Context, tx pgx.Tx, userID uuid.UUID, email string, verified bool) error {
	data := map[string]any{"sub": userID, "email": email, "email_verified": verified, "phone_verified": false}
	_, err := tx.Exec(ctx, `
		insert into auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
		values ($1, $2, coalesce((select raw_user_meta_data from auth.users where id = $2), '{}') || $3, 'email', now(), now(), now())`,
		userID.String(), userID, data)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		update auth.users set raw_user_meta_data = coalesce(raw_user_meta_data, '{}') || $2,
			raw_app_meta_data = coalesce(raw_app_meta_data, '{}') || '{"provider": "email", "providers": ["email"]}'
		where id = $1`, userID, data)
	return err
}

func normalEmail(text string) (string, error) {
	parsed, err := mail.ParseAddress(text)
	if err != nil || parsed.Address != text {
		return "", errEmailFormat
	}
	return strings.ToLower(text), nil
}

func hashPassword(password string) (string, error) {
	switch length := len(password); {
	case length == 0:
		return "", errPasswordEmpty
	case length < minPasswordBytes:
		return "", errPasswordWeak
	case length > maxPasswordBytes:
		return "", errPasswordLong
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	return string(hash), err
}

// isDuplicate reports whether an error is PostgreSQL's unique_violation.
func isDuplicate(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "23505"
}

// User is a user who can sign in.
type User struct {
	ID          uuid.UUID
	Email       string // "" for an anonymous user
	IsAnonymous bool

	passwordHash string
}

// Label returns a name for the user: the address, if there is one.
func (u User) Label() string {
	if u.IsAnonymous {
		return "Anonymous user"
	}
	return cmp.Or(u.Email, u.ID.String())
}

// HasPassword reports whether the user signs in with this password.
func (u User) HasPassword(password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(u.passwordHash), []byte(password)) == nil
}

// Users returns the first atMost users by time of sign-up.
func (s *Server) Users(ctx context.Context, atMost int) ([]User, error) {
	rows, err := s.db.Query(ctx, `select id, coalesce(email, ''), is_anonymous, coalesce(encrypted_password, '')
		from auth.users where deleted_at is null order by created_at, id limit $1`, atMost)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (u User, err error) {
		err = row.Scan(&u.ID, &u.Email, &u.IsAnonymous, &u.passwordHash)
		return u, err
	})
}
