package devauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// verification names the mail that was read: by the hash that its link has, or by the address and the code.
type verification struct {
	Type      string `json:"type"`
	Token     string `json:"token"`
	TokenHash string `json:"token_hash"`
	Email     string `json:"email"`
	Phone     string `json:"phone"`
}

// halfChanged is Supabase Auth's answer to the first of the two confirmations of a change of address.
const halfChanged = "Confirmation link accepted. Please proceed to confirm link sent to the other email"

// verifyLink serves the link of a mail. It leads to the page that asked for the mail: with a session in the fragment,
// with a code for PKCE in the query, or with an error in the fragment.
func (s *Server) verifyLink(w http.ResponseWriter, r *http.Request) {
	query, to := r.URL.Query(), s.redirectTo(r)
	if query.Get("token") == "" || query.Get("type") == "" {
		s.answerError(w, r, errVerifyLink)
		return
	}
	hash := query.Get("token")
	fragment, code := url.Values{}, ""
	err := s.verified(r, query.Get("type"), hash, func(tx pgx.Tx, u *user) (err error) {
		switch {
		case u == nil:
			fragment.Set("message", halfChanged)
		case strings.HasPrefix(hash, pkcePrefix):
			code, err = flowCode(r.Context(), tx, u.ID)
		default:
			var given *grant
			if given, err = s.begin(r.Context(), tx, u, "otp", r.UserAgent()); err == nil {
				fragment = url.Values{
					"access_token": {given.AccessToken}, "token_type": {given.TokenType}, "refresh_token": {given.RefreshToken}, "type": {query.Get("type")},
					"expires_in": {strconv.FormatInt(given.ExpiresIn, 10)}, "expires_at": {strconv.FormatInt(given.ExpiresAt, 10)},
				}
			}
		}
		return err
	})
	var known *failure
	if err != nil && !errors.As(err, &known) {
		s.answerError(w, r, err)
		return
	}
	page, err := url.Parse(to)
	if err != nil {
		s.answerError(w, r, err)
		return
	}
	if known != nil {
		fragment = url.Values{"error": {"access_denied"}, "error_code": {known.code}, "error_description": {known.message}}
	}
	pageQuery := page.Query()
	if strings.HasPrefix(hash, pkcePrefix) {
		// A page that uses PKCE reads its query.
		for name, values := range fragment {
			pageQuery[name] = values
		}
	}
	if code != "" {
		pageQuery.Set("code", code)
	} else {
		fragment.Set("sb", "")
	}
	page.RawQuery, page.Fragment = pageQuery.Encode(), ""
	target := page.String()
	if len(fragment) > 0 {
		target += "#" + fragment.Encode()
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// verify serves supabase.auth.verifyOtp: it signs the user in who has read a mail.
func (s *Server) verify(r *http.Request) (any, error) {
	var v verification
	if err := readJSON(r, &v); err != nil {
		return nil, err
	}
	switch {
	case v.Type == "":
		return nil, errVerifyType
	case (v.Token == "") == (v.TokenHash == ""):
		return nil, errVerifyToken
	case v.TokenHash == "":
		address, err := normalEmail(v.Email)
		if err != nil {
			return nil, errEmailFormat
		}
		v.TokenHash = mailHash(address, v.Token)
	}
	var given any = map[string]string{"msg": halfChanged, "code": "200"}
	err := s.verified(r, v.Type, v.TokenHash, func(tx pgx.Tx, u *user) (err error) {
		if u != nil {
			given, err = s.begin(r.Context(), tx, u, "otp", r.UserAgent())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return given, nil
}

// verified confirms what the mail with a hash asked for, and calls then in the same transaction. The user is nil if the
// other address still has to confirm a change.
func (s *Server) verified(r *http.Request, kind, hash string, then func(pgx.Tx, *user) error) error {
	ctx := r.Context()
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		var u *user
		var err error
		switch kind {
		case kindSignUp, "email", "invite":
			u, err = confirmSignUp(ctx, tx, hash)
		case kindEmailChange:
			u, err = s.confirmEmailChange(ctx, tx, hash)
		default:
			return errVerifyKind
		}
		if errors.Is(err, pgx.ErrNoRows) {
			return errMailToken
		}
		if isDuplicate(err) {
			return errEmailExists
		}
		if err != nil {
			return err
		}
		return then(tx, u)
	})
}

func confirmSignUp(ctx context.Context, tx pgx.Tx, hash string) (*user, error) {
	u, err := scanUser(tx.QueryRow(ctx, `
		update auth.users set confirmation_token = '', email_confirmed_at = now(), updated_at = now()
		where confirmation_token in ($1, $2) and confirmation_token <> '' and confirmation_sent_at > now() - $3::interval
		returning `+userColumns, hash, pkcePrefix+hash, mailTokenLife))
	if err != nil {
		return nil, err
	}
	if err := markVerified(ctx, tx, u.ID); err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `
		update auth.identities set identity_data = identity_data || '{"email_verified": true}', updated_at = now()
		where user_id = $1 and email = $2`, u.ID, u.Email)
	if err != nil {
		return nil, err
	}
	return userByID(ctx, tx, u.ID)
}

// confirmEmailChange confirms a change of address by the mail to one of the two addresses. With Config.ConfirmEmail both
// have to confirm; the user is nil after the first.
func (s *Server) confirmEmailChange(ctx context.Context, tx pgx.Tx, hash string) (*user, error) {
	u, err := scanUser(tx.QueryRow(ctx, `
		select `+userColumns+` from auth.users
		where (email_change_token_new in ($1, $2) and email_change_token_new <> '' or email_change_token_current in ($1, $2) and email_change_token_current <> '')
			and email_change_sent_at > now() - $3::interval
		for update`, hash, pkcePrefix+hash, mailTokenLife))
	if err != nil {
		return nil, err
	}
	if s.cfg.ConfirmEmail && u.Email != "" {
		var first bool
		err := tx.QueryRow(ctx, `
			update auth.users set email_change_confirm_status = 1,
				email_change_token_new = case when email_change_token_new in ($2, $3) then '' else email_change_token_new end,
				email_change_token_current = case when email_change_token_current in ($2, $3) then '' else email_change_token_current end
			where id = $1 and email_change_confirm_status = 0 returning true`, u.ID, hash, pkcePrefix+hash).Scan(&first)
		if err == nil || !errors.Is(err, pgx.ErrNoRows) {
			return nil, err
		}
	}
	return completeEmailChange(ctx, tx, u, u.NewEmail)
}

// completeEmailChange gives a user the new address. An anonymous user who gets one stays the same user.
func completeEmailChange(ctx context.Context, tx pgx.Tx, u *user, address string) (*user, error) {
	_, err := tx.Exec(ctx, `
		update auth.users set email = $2, email_change = '', email_change_token_new = '', email_change_token_current = '',
			email_change_confirm_status = 0, email_confirmed_at = coalesce(email_confirmed_at, now()), is_anonymous = false, updated_at = now()
		where id = $1`, u.ID, address)
	if err != nil {
		return nil, err
	}
	known, err := tx.Exec(ctx, `
		update auth.identities set identity_data = identity_data || jsonb_build_object('email', $2::text, 'email_verified', true), updated_at = now()
		where user_id = $1 and provider = 'email'`, u.ID, address)
	if err == nil && known.RowsAffected() == 0 {
		err = addIdentity(ctx, tx, u.ID, address, true)
	}
	if err != nil {
		return nil, err
	}
	return userByID(ctx, tx, u.ID)
}

// resend sends a mail again. The response is the same whether there is something to confirm or not.
func (s *Server) resend(r *http.Request) (any, error) {
	var body struct {
		Type  string `json:"type"`
		Email string `json:"email"`
		challenge
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	if body.Type != kindSignUp && body.Type != kindEmailChange {
		return nil, errResendType
	}
	if err := body.challenge.check(); err != nil {
		return nil, err
	}
	var sent []message
	err := pgx.BeginFunc(r.Context(), s.db, func(tx pgx.Tx) error {
		u, err := userByEmail(r.Context(), tx, body.Email)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return nil
		case err != nil:
			return err
		case body.Type == kindSignUp && u.EmailConfirmedAt == nil:
			sent, err = confirmationMail(r.Context(), tx, u, body.challenge)
		case body.Type == kindEmailChange && u.NewEmail != "":
			sent, err = emailChangeMails(r.Context(), tx, u, u.NewEmail, body.challenge)
		}
		return err
	})
	s.send(r, sent)
	return map[string]string{}, err
}
