package devauth

import (
	"errors"
	"net/http"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/bcrypt"
)

func (s *Server) readUser(r *http.Request) (any, error) {
	u, _, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	return u, nil
}

// changeUser changes the fields of the caller that the body names. Metadata is merged; null values are removed. A new
// address waits for its confirmation, except for an anonymous user where Config.ConfirmEmail is off.
func (s *Server) changeUser(r *http.Request) (any, error) {
	ctx := r.Context()
	u, of, err := s.caller(r)
	if err != nil {
		return nil, err
	}
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
	address := ""
	if c.Email != "" {
		if address, err = normalEmail(c.Email); err != nil {
			return nil, err
		}
	}
	newAddress := address != "" && address != u.Email
	if u.hasFactor && of.aal != aal2 && (newAddress || c.Password != "") {
		return nil, errChangeNeedsAAL2
	}
	if c.Password != "" {
		switch {
		case u.IsAnonymous && c.Email == "":
			return nil, errAnonymousPassword
		case u.passwordHash != "" && bcrypt.CompareHashAndPassword([]byte(u.passwordHash), []byte(c.Password)) == nil:
			return nil, errPasswordSame
		}
	}
	var sent []message
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if newAddress {
			switch _, err := userByEmail(ctx, tx, address); {
			case err == nil:
				return errEmailExists
			case !errors.Is(err, pgx.ErrNoRows):
				return err
			}
		}
		if c.Password != "" {
			if err := setPassword(ctx, tx, u.ID, of.id, c.Password); err != nil {
				return err
			}
		}
		data, removed := map[string]any{}, []string{}
		for name, value := range c.Data {
			if value == nil {
				removed = append(removed, name)
			} else {
				data[name] = value
			}
		}
		_, err := tx.Exec(ctx, `
			update auth.users set raw_user_meta_data = (coalesce(raw_user_meta_data, '{}') - $3::text[]) || $2::jsonb, updated_at = now()
			where id = $1`, u.ID, data, removed)
		if err != nil {
			return err
		}
		switch {
		case newAddress && u.IsAnonymous && !s.cfg.ConfirmEmail:
			_, err = completeEmailChange(ctx, tx, u, address)
		case newAddress:
			sent, err = emailChangeMails(ctx, tx, u, address, c.challenge)
		}
		if err != nil {
			return err
		}
		u, err = userByID(ctx, tx, u.ID)
		return err
	})
	if isDuplicate(err) {
		err = errEmailExists
	}
	if err != nil {
		return nil, err
	}
	s.send(r, sent)
	return u, nil
}
