package devauth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
)

const (
	// maxFactors bounds the factors of a user, Supabase Auth's default.
	maxFactors = 10
	// challengeLife is how long a challenge may be answered, Supabase Auth's default. An unverified factor without a
	// challenge goes after the same time.
	challengeLife = 5 * time.Minute
	// totpSteps is how many steps of 30 s the two clocks may be apart, Supabase Auth's.
	totpSteps = 1
)

// factor is a row of auth.mfa_factors.
type factor struct {
	id       uuid.UUID
	secret   string
	verified bool
}

// enrolled is the response to enroll.
type enrolled struct {
	ID           uuid.UUID `json:"id"`
	Type         string    `json:"type"`
	FriendlyName string    `json:"friendly_name"`
	TOTP         struct {
		QRCode string `json:"qr_code"` // an SVG
		Secret string `json:"secret"`  // in base32
		URI    string `json:"uri"`
	} `json:"totp"`
}

// enroll adds an unverified factor to the caller.
func (s *Server) enroll(r *http.Request) (any, error) {
	ctx := r.Context()
	u, of, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	var body struct {
		FriendlyName string `json:"friendly_name"`
		FactorType   string `json:"factor_type"`
		Issuer       string `json:"issuer"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	if body.FactorType != "totp" {
		return nil, errFactorType
	}
	if u.hasFactor && of.aal != aal2 {
		return nil, errEnrollNeedsAAL2
	}
	if body.Issuer == "" {
		site, err := url.Parse(s.cfg.SiteURL)
		if err != nil {
			return nil, err
		}
		body.Issuer = site.Host
	}
	account := u.Email
	if account == "" {
		account = u.ID.String()
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: body.Issuer, AccountName: account, Rand: rand.Reader})
	if err != nil {
		return nil, err
	}
	added := &enrolled{ID: uuid.New(), Type: "totp", FriendlyName: body.FriendlyName}
	added.TOTP.Secret, added.TOTP.URI = key.Secret(), key.URL()
	if added.TOTP.QRCode, err = qrCode(key.URL()); err != nil {
		return nil, err
	}
	return added, pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			delete from auth.mfa_factors f where user_id = $1 and status <> 'verified' and created_at < now() - $2::interval
				and not exists (select from auth.mfa_challenges c where c.factor_id = f.id)`, u.ID, challengeLife)
		if err != nil {
			return err
		}
		var count, sameName int
		err = tx.QueryRow(ctx, `select count(*), count(*) filter (where coalesce(friendly_name, '') = $2) from auth.mfa_factors where user_id = $1`,
			u.ID, body.FriendlyName).Scan(&count, &sameName)
		switch {
		case err != nil:
			return err
		case sameName > 0:
			return errFactorName
		case count >= maxFactors:
			return errFactors
		}
		_, err = tx.Exec(ctx, `
			insert into auth.mfa_factors (id, user_id, friendly_name, factor_type, status, secret, created_at, updated_at)
			values ($1, $2, $3, 'totp', 'unverified', $4, now(), now())`, added.ID, u.ID, body.FriendlyName, key.Secret())
		return err
	})
}

// challengeFactor begins an attempt to verify a factor.
func (s *Server) challengeFactor(r *http.Request) (any, error) {
	ctx := r.Context()
	u, _, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	id := uuid.New()
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		f, err := factorOf(ctx, tx, r, u)
		if err != nil {
			return err
		}
		address, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into auth.mfa_challenges (id, factor_id, created_at, ip_address) values ($1, $2, now(), $3::text::inet)`, id, f.id, address)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `update auth.mfa_factors set last_challenged_at = clock_timestamp() where id = $1`, f.id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"id": id, "type": "totp", "expires_at": time.Now().Add(challengeLife).Unix()}, nil
}

// verifyFactor takes the code of a factor. The session of the caller becomes one of level 2, with a new refresh token;
// the user's sessions of level 1 end.
func (s *Server) verifyFactor(r *http.Request) (any, error) {
	ctx := r.Context()
	u, of, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	var body struct {
		ChallengeID uuid.UUID `json:"challenge_id"`
		Code        string    `json:"code"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	if body.Code == "" {
		return nil, errCodeEmpty
	}
	var given *grant
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		f, err := factorOf(ctx, tx, r, u)
		if err != nil {
			return err
		}
		if err := answerChallenge(ctx, tx, f, body.ChallengeID, body.Code); err != nil {
			return err
		}
		if err := raiseSession(ctx, tx, u.ID, of.id, f.id); err != nil {
			return err
		}
		if u, of, err = sessionByID(ctx, tx, of.id); err != nil {
			return err
		}
		next, err := replaceRefreshToken(ctx, tx, u.ID, of.id)
		if err != nil {
			return err
		}
		given, err = s.grant(u, of, next)
		return err
	})
	if err != nil {
		return nil, err
	}
	return given, nil
}

// raiseSession gives a session level 2. The user's sessions of level 1 and other unverified factors go.
func raiseSession(ctx context.Context, tx pgx.Tx, userID, sessionID, factorID uuid.UUID) error {
	if err := addMethod(ctx, tx, sessionID, "totp"); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `update auth.sessions set aal = 'aal2', factor_id = $2, updated_at = now() where id = $1`, sessionID, factorID)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `delete from auth.sessions where user_id = $1 and aal < 'aal2'`, userID); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `delete from auth.mfa_factors where user_id = $1 and status = 'unverified' and factor_type = 'totp'`, userID)
	return err
}

// answerChallenge verifies a factor by the code for one of its challenges. A challenge can be answered once.
func answerChallenge(ctx context.Context, tx pgx.Tx, f factor, challengeID uuid.UUID, code string) error {
	var used, expired bool
	err := tx.QueryRow(ctx, `
		select verified_at is not null, created_at < now() - $3::interval from auth.mfa_challenges where id = $1 and factor_id = $2 for update`,
		challengeID, f.id, challengeLife).Scan(&used, &expired)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return errChallengeUnknown
	case err != nil:
		return err
	case used:
		return errChallengeUsed
	case expired:
		return errChallengeExpired
	}
	// RFC 6238: HMAC-SHA-1, six digits, steps of 30 s.
	good, err := totp.ValidateCustom(code, f.secret, time.Now().UTC(), totp.ValidateOpts{
		Period: 30, Skew: totpSteps, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
	})
	if err != nil || !good {
		return errCode // the library's only error is a code of another length
	}
	if _, err := tx.Exec(ctx, `update auth.mfa_challenges set verified_at = now() where id = $1`, challengeID); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `update auth.mfa_factors set status = 'verified', updated_at = now() where id = $1`, f.id)
	return err
}

// replaceRefreshToken revokes a session's refresh token, which began with level 1, and returns the next.
func replaceRefreshToken(ctx context.Context, tx pgx.Tx, userID, sessionID uuid.UUID) (string, error) {
	var parent *string
	err := tx.QueryRow(ctx, `
		update auth.refresh_tokens set revoked = true, updated_at = now() where session_id = $1 and not revoked returning token`, sessionID).Scan(&parent)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) { // a session of Token has none
		return "", err
	}
	next := rand.Text()
	return next, addRefreshToken(ctx, tx, next, userID, sessionID, parent)
}

// unenroll removes a factor of the caller. Sessions that it had raised to level 2 fall back to level 1: their next
// refresh gives a token of level 1.
func (s *Server) unenroll(r *http.Request) (any, error) {
	ctx := r.Context()
	u, of, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	var f factor
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if f, err = factorOf(ctx, tx, r, u); err != nil {
			return err
		}
		if f.verified && of.aal != aal2 {
			return errUnenrollNeedsAAL2
		}
		for _, statement := range []string{
			`delete from auth.mfa_amr_claims c using auth.sessions s where c.session_id = s.id and s.factor_id = $1 and c.authentication_method = 'totp'`,
			`update auth.sessions set aal = 'aal1', factor_id = null, updated_at = now() where factor_id = $1`,
			`delete from auth.mfa_factors where id = $1`,
		} {
			if _, err := tx.Exec(ctx, statement, f.id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"id": f.id}, nil
}

// factorOf returns the factor that the path names, which must be the user's, and locks it.
func factorOf(ctx context.Context, tx pgx.Tx, r *http.Request, u *user) (factor, error) {
	id, err := uuid.Parse(r.PathValue("factor"))
	if err != nil {
		return factor{}, errFactor
	}
	f := factor{id: id}
	err = tx.QueryRow(ctx, `
		select coalesce(secret, ''), status = 'verified' from auth.mfa_factors where id = $1 and user_id = $2 and factor_type = 'totp' for update`,
		id, u.ID).Scan(&f.secret, &f.verified)
	if errors.Is(err, pgx.ErrNoRows) {
		return factor{}, errFactor
	}
	return f, err
}

// qrCode returns an SVG of a QR code with a margin of four modules (ISO/IEC 18004). It has no # in it, since supabase-js
// puts it into a data URL as it is.
func qrCode(text string) (string, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", err
	}
	const margin, pixels = 4, 4
	size := code.Bounds().Dx()
	var path strings.Builder
	for y := range size {
		for x := range size {
			if red, _, _, _ := code.At(x, y).RGBA(); red == 0 {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+margin, y+margin)
			}
		}
	}
	all := size + 2*margin
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[1]d" width="%[2]d" height="%[2]d" shape-rendering="crispEdges">`+
		`<rect width="%[1]d" height="%[1]d" fill="white"/><path fill="black" d="%[3]s"/></svg>`, all, pixels*all, path.String()), nil
}
