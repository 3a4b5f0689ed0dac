package devauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// pkcePrefix is before the hash of a mail whose link leads to a code and not to a session.
const pkcePrefix = "pkce_"

// flowLife is how long a code for PKCE is accepted, Supabase Auth's default, as an interval of PostgreSQL.
const flowLife = "5 minutes"

// challenge is that of RFC 7636, section 4.3. @supabase/ssr sends one with each request that leads to a mail.
type challenge struct {
	CodeChallenge       string `json:"code_challenge"`
	CodeChallengeMethod string `json:"code_challenge_method"`
}

// challengeText has the characters and lengths of RFC 7636, section 4.2.
var challengeText = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

func (c challenge) check() error {
	if c == (challenge{}) {
		return nil
	}
	method := strings.ToLower(c.CodeChallengeMethod)
	if !challengeText.MatchString(c.CodeChallenge) || method != "s256" && method != "plain" {
		return errChallenge
	}
	return nil
}

func (c challenge) prefix() string {
	if c.CodeChallenge == "" {
		return ""
	}
	return pkcePrefix
}

// beginFlow keeps the challenge until the link of the mail is opened. Without one it does nothing.
func beginFlow(ctx context.Context, tx pgx.Tx, userID uuid.UUID, method string, c challenge) error {
	if c.CodeChallenge == "" {
		return nil
	}
	_, err := tx.Exec(ctx, `
		insert into auth.flow_state (id, user_id, auth_code, code_challenge_method, code_challenge, provider_type, authentication_method, created_at, updated_at)
		values ($1, $2, $3, lower($4)::auth.code_challenge_method, $5, 'email', $6, now(), now())`,
		uuid.New(), userID, uuid.NewString(), c.CodeChallengeMethod, c.CodeChallenge, method)
	return err
}

// flowCode returns the code of the user's latest flow, which begins to expire.
func flowCode(ctx context.Context, tx pgx.Tx, userID uuid.UUID) (code string, err error) {
	err = tx.QueryRow(ctx, `
		update auth.flow_state set auth_code_issued_at = now(), updated_at = now()
		where id = (select id from auth.flow_state where user_id = $1 and auth_code is not null order by created_at desc limit 1)
		returning auth_code`, userID).Scan(&code)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", errFlowUnknown
	}
	return code, err
}

// exchangeCode serves supabase.auth.exchangeCodeForSession: a code is good once, for the client with its verifier.
func (s *Server) exchangeCode(r *http.Request) (any, error) {
	ctx := r.Context()
	var body struct {
		Code     string `json:"auth_code"`
		Verifier string `json:"code_verifier"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	if body.Code == "" || body.Verifier == "" {
		return nil, errExchange
	}
	return s.signIn(ctx, r.UserAgent(), func(tx pgx.Tx) (*user, string, error) {
		var userID uuid.UUID
		var of challenge
		var method string
		var fresh bool
		err := tx.QueryRow(ctx, `
			select user_id, code_challenge, code_challenge_method, authentication_method, auth_code_issued_at > now() - $2::interval
			from auth.flow_state where auth_code = $1 and auth_code_issued_at is not null for update`,
			body.Code, flowLife).Scan(&userID, &of.CodeChallenge, &of.CodeChallengeMethod, &method, &fresh)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return nil, "", errFlowUnknown
		case err != nil:
			return nil, "", err
		case !fresh:
			return nil, "", errFlowExpired
		case !of.fits(body.Verifier):
			return nil, "", errVerifier
		}
		if _, err := tx.Exec(ctx, `delete from auth.flow_state where user_id = $1`, userID); err != nil {
			return nil, "", err
		}
		u, err := userByID(ctx, tx, userID)
		return u, method, err
	})
}

// fits reports whether the challenge was made of this verifier (RFC 7636, section 4.6).
func (c challenge) fits(verifier string) bool {
	if c.CodeChallengeMethod == "s256" {
		sum := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return subtle.ConstantTimeCompare([]byte(verifier), []byte(c.CodeChallenge)) == 1
}
