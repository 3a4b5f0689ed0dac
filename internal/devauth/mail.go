package devauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/http"
	"net/url"

	"github.com/jackc/pgx/v5"

	"usergraph/auth"
)

// The kinds of mail, as the links and supabase-js name them.
const (
	kindSignUp      = "signup"
	kindEmailChange = "email_change"
)

// mailTokenLife is how long a link or a code is accepted, Supabase's default, as an interval of PostgreSQL.
const mailTokenLife = "1 hour"

// message is a mail that Supabase Auth would send. The log has it instead.
type message struct {
	to, subject, kind string
	mailToken
}

// mailToken is what proves that a mail was read: the code by which a user types it, and the hash which the link has.
type mailToken struct{ code, hash string }

// newMailToken returns a token for an address. Its hash is Supabase Auth's: SHA-224 of the address and the code, with a
// prefix for PKCE.
func newMailToken(address string, c challenge) (mailToken, error) {
	number, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return mailToken{}, err
	}
	code := fmt.Sprintf("%06d", number)
	return mailToken{code, c.prefix() + mailHash(address, code)}, nil
}

func mailHash(address, code string) string {
	sum := sha256.Sum224([]byte(address + code))
	return hex.EncodeToString(sum[:])
}

// confirmationMail gives a user a new token to confirm the address with, and returns the mail.
func confirmationMail(ctx context.Context, tx pgx.Tx, u *user, c challenge) ([]message, error) {
	token, err := newMailToken(u.Email, c)
	if err != nil {
		return nil, err
	}
	if err := beginFlow(ctx, tx, u.ID, "email/signup", c); err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `update auth.users set confirmation_token = $2, confirmation_sent_at = now(), updated_at = now() where id = $1`, u.ID, token.hash)
	return []message{{u.Email, "Confirm your email address", kindSignUp, token}}, err
}

// emailChangeMails notes the new address, and returns the mails that ask for confirmation: one to it, and one to the old
// address if there is one.
func emailChangeMails(ctx context.Context, tx pgx.Tx, u *user, address string, c challenge) ([]message, error) {
	toNew, err := newMailToken(address, c)
	if err != nil {
		return nil, err
	}
	sent := []message{{address, "Confirm your new email address", kindEmailChange, toNew}}
	var toCurrent mailToken
	if u.Email != "" {
		if toCurrent, err = newMailToken(u.Email, c); err != nil {
			return nil, err
		}
		sent = append(sent, message{u.Email, "Confirm the change of your email address", kindEmailChange, toCurrent})
	}
	if err := beginFlow(ctx, tx, u.ID, kindEmailChange, c); err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `
		update auth.users set email_change = $2, email_change_token_new = $3, email_change_token_current = $4,
			email_change_sent_at = now(), email_change_confirm_status = 0, updated_at = now() where id = $1`,
		u.ID, address, toNew.hash, toCurrent.hash)
	return sent, err
}

// send logs mails. Their links lead back to the page that asked for them, and contain what Supabase Auth's contain.
func (s *Server) send(r *http.Request, sent []message) {
	for _, m := range sent {
		link := s.cfg.URL + "/auth/v1/verify?" + url.Values{"token": {m.hash}, "type": {m.kind}, "redirect_to": {s.redirectTo(r)}}.Encode()
		s.cfg.Log.InfoContext(r.Context(), "mail", "to", m.to, "subject", m.subject, "link", link, "code", m.code)
	}
}

// redirectTo returns the page to which a link leads back: redirect_to, the page that sent the request, or the site. Pages
// of other hosts are not in the list of redirect URLs, so they become the site, as Supabase Auth has it.
func (s *Server) redirectTo(r *http.Request) string {
	for _, page := range []string{r.URL.Query().Get("redirect_to"), r.Referer()} {
		if parsed, err := url.Parse(page); err == nil && (parsed.Scheme == "http" || parsed.Scheme == "https") && auth.IsLoopback(parsed.Hostname()) {
			return page
		}
	}
	return s.cfg.SiteURL
}
