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
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/crypto/bcrypt"
)

const (
	minPasswordBytes = 6  // Supabase Auth's default
	maxPasswordBytes = 72 // bcrypt ignores further bytes
)

// user is a row of auth.users, in the form of Supabase Auth's responses.
type user struct {
	ID               uuid.UUID       `json:"id"`
	Audience         string          `json:"aud"`
	Role             string          `json:"role"`
	Email            string          `json:"email"`
	Phone            string          `json:"phone"`
	EmailConfirmedAt *time.Time      `json:"email_confirmed_at,omitempty"`
	ConfirmedAt      *time.Time      `json:"confirmed_at,omitempty"`
	LastSignInAt     *time.Time      `json:"last_sign_in_at,omitempty"`
	AppMetadata      json.RawMessage `json:"app_metadata"`
	UserMetadata     json.RawMessage `json:"user_metadata"`
	Identities       []identity      `json:"identities"`
	CreatedAt        time.Time       `json:"created_at"`
	UpdatedAt        time.Time       `json:"updated_at"`
	IsAnonymous      bool            `json:"is_anonymous"`

	passwordHash string
}

// identity is a way to sign in. A user with an address has one, an anonymous user none. No table holds it.
type identity struct {
	IdentityID   uuid.UUID       `json:"identity_id"`
	ID           string          `json:"id"`
	UserID       uuid.UUID       `json:"user_id"`
	IdentityData json.RawMessage `json:"identity_data"`
	Provider     string          `json:"provider"`
	LastSignInAt *time.Time      `json:"last_sign_in_at"`
	CreatedAt    time.Time       `json:"created_at"`
	UpdatedAt    time.Time       `json:"updated_at"`
	Email        string          `json:"email"`
}

// userColumns are the columns of auth.users that scanUser reads.
const userColumns = `id, coalesce(aud, 'authenticated'), coalesce(role, 'authenticated'), coalesce(email, ''), coalesce(phone, ''),
	email_confirmed_at, last_sign_in_at, coalesce(raw_app_meta_data, '{}'), coalesce(raw_user_meta_data, '{}'),
	created_at, updated_at, is_anonymous, coalesce(encrypted_password, '')`

func scanUser(row pgx.Row) (*user, error) {
	u := &user{Identities: []identity{}}
	err := row.Scan(&u.ID, &u.Audience, &u.Role, &u.Email, &u.Phone, &u.EmailConfirmedAt, &u.LastSignInAt,
		&u.AppMetadata, &u.UserMetadata, &u.CreatedAt, &u.UpdatedAt, &u.IsAnonymous, &u.passwordHash)
	if err != nil {
		return nil, err
	}
	u.ConfirmedAt = u.EmailConfirmedAt
	if !u.IsAnonymous {
		u.Identities = append(u.Identities, identity{
			IdentityID: u.ID, ID: u.ID.String(), UserID: u.ID, IdentityData: u.UserMetadata, Provider: "email",
			LastSignInAt: u.LastSignInAt, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt, Email: u.Email,
		})
	}
	return u, nil
}

// credentials are the fields with which a user signs up or is changed.
type credentials struct {
	Email    string         `json:"email"`
	Phone    string         `json:"phone"`
	Password string         `json:"password"`
	Data     map[string]any `json:"data"`
}

// createUser adds a user with an address and a password, or an anonymous one if c has no address.
func createUser(ctx context.Context, tx pgx.Tx, c credentials) (*user, error) {
	id := uuid.New()
	app, data := map[string]any{}, map[string]any{}
	for name, value := range c.Data {
		data[name] = value
	}
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
		data["sub"], data["email"], data["email_verified"], data["phone_verified"] = id, address, true, false
	}
	u, err := scanUser(tx.QueryRow(ctx, `
		insert into auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, last_sign_in_at,
			raw_app_meta_data, raw_user_meta_data, is_anonymous, created_at, updated_at)
		values ('00000000-0000-0000-0000-000000000000', $1, 'authenticated', 'authenticated', $2::text, $3,
			case when $2::text is not null then now() end, now(), $4, $5, $2::text is null, now(), now())
		returning `+userColumns, id, email, hash, app, data))
	if isDuplicate(err) {
		return nil, errUserExists
	}
	return u, err
}

// userByPassword returns the user with this address and this password.
func userByPassword(ctx context.Context, tx pgx.Tx, c credentials) (*user, error) {
	u, err := scanUser(tx.QueryRow(ctx, `
		update auth.users set last_sign_in_at = now(), updated_at = now() where email = lower($1) returning `+userColumns, c.Email))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errCredentials
	}
	if err != nil {
		return nil, err
	}
	if bcrypt.CompareHashAndPassword([]byte(u.passwordHash), []byte(c.Password)) != nil {
		return nil, errCredentials
	}
	return u, nil
}

// updateUser changes the fields of a user that c names. Metadata is merged; null values are removed. A new address
// needs no confirmation, because there is no mail. An anonymous user who gets one stays the same user.
func updateUser(ctx context.Context, db *pgxpool.Pool, id uuid.UUID, c credentials) (*user, error) {
	var email, hash *string
	if c.Email != "" {
		address, err := normalEmail(c.Email)
		if err != nil {
			return nil, err
		}
		email = &address
	}
	if c.Password != "" {
		hashed, err := hashPassword(c.Password)
		if err != nil {
			return nil, err
		}
		hash = &hashed
	}
	data, removed := map[string]any{}, []string{}
	for name, value := range c.Data {
		if value == nil {
			removed = append(removed, name)
		} else {
			data[name] = value
		}
	}
	if email != nil {
		data["email"] = email
	}
	u, err := scanUser(db.QueryRow(ctx, `
		update auth.users set
			email = coalesce($2::text, email),
			email_confirmed_at = case when $2::text is null then email_confirmed_at else now() end,
			is_anonymous = is_anonymous and $2::text is null,
			raw_app_meta_data = case when $2::text is null then raw_app_meta_data
				else coalesce(raw_app_meta_data, '{}') || '{"provider": "email", "providers": ["email"]}' end,
			encrypted_password = coalesce($3, encrypted_password),
			raw_user_meta_data = (coalesce(raw_user_meta_data, '{}') - $5::text[]) || $4::jsonb,
			updated_at = now()
		where id = $1
		returning `+userColumns, id, email, hash, data, removed))
	if isDuplicate(err) {
		return nil, errEmailExists
	}
	return u, err
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
