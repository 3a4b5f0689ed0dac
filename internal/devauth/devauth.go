// Package devauth answers one question: which service signs users in if there is no Supabase project?
//
// It stands in for Supabase Auth during development only. supabase-js and @supabase/ssr can sign up, confirm an address,
// sign in with a password or anonymously, refresh, sign out, read and change the user, and use a second factor (TOTP).
// Mails are logged. The tokens are signed with ES256 by a key that is kept on disk, and have the shape of Supabase
// Auth's. It is an OAuth 2.1 authorization server for agents, too. Users, identities, sessions and factors are rows of the schema auth, so triggers on auth.users run, and signing
// out removes the session. The server does not trust devauth; it verifies these tokens like any other.
//
// Each flow has a file: signup, account, mail, verify, pkce, factors, sessions, oauth_*. What they answer is what Supabase Auth
// answers, its codes and messages included: https://github.com/supabase/auth.
package devauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"usergraph/auth"
)

// PublishableKey is the project's public key for clients. Any other key is accepted too: it grants nothing.
const PublishableKey = "sb_publishable_usergraph_dev"

// defaultSiteURL is where a front end usually runs during development.
const defaultSiteURL = "http://localhost:3000"

// maxConns bounds the connections to the database. One developer needs no more.
const maxConns = 4

// Config says where the users are and which key signs.
type Config struct {
	// URL is the project's URL, for example http://127.0.0.1:8081. The issuer is URL + "/auth/v1". Its host must be a
	// loopback address or localhost.
	URL string
	// KeyFile is the file of the signing key, so that tokens stay valid after a restart. It is created if it is
	// missing.
	KeyFile string
	// Secret signs tokens with HS256 in the place of a key, in the name of the Supabase Auth at URL that has it too.
	// That one serves the users; Handler must not.
	Secret string
	// Issuer is the issuer of the tokens. Defaults to URL + "/auth/v1".
	Issuer string
	// DatabaseURL is a connection string whose login role may write the schema auth.
	DatabaseURL string
	// TokenLife is the lifetime of an access token.
	TokenLife time.Duration
	// ConfirmEmail is Supabase's setting "Confirm email": a sign-up gives no session before the address is confirmed, and
	// a change of address is confirmed by both addresses.
	ConfirmEmail bool
	// SiteURL is the page to which the links in mails lead if the client has named none. Defaults to
	// http://localhost:3000.
	SiteURL string
	// ConsentPage is the URL of the app's page that asks a user about an OAuth client. Defaults to a page of this package.
	ConsentPage string
	// Log gets the mails, with their links.
	Log *slog.Logger
}

// Server signs users in. It is safe for concurrent use.
type Server struct {
	cfg    Config
	issuer *issuer
	db     *pgxpool.Pool

	isOAuthServer bool // the database has the tables
}

// Open returns a server for the users of the database. It refuses a URL that other machines can reach.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.SiteURL == "" {
		cfg.SiteURL = defaultSiteURL
	}
	if cfg.KeyFile == "" && cfg.Secret == "" || cfg.DatabaseURL == "" || cfg.TokenLife < time.Second || cfg.Log == nil {
		return nil, errors.New("devauth: key file or secret, database, token life of a second or more, and log are required")
	}
	if !auth.IsLoopbackURL(cfg.URL) {
		return nil, fmt.Errorf("devauth: %q is not on a loopback address: whoever reaches it may sign in as anybody", cfg.URL)
	}
	issuer := secretIssuer(cfg.Secret, cmp.Or(cfg.Issuer, cfg.URL+"/auth/v1"))
	if cfg.Secret == "" {
		var err error
		if issuer, err = openIssuer(cfg.KeyFile, issuer.url); err != nil {
			return nil, err
		}
	}
	pool, err := pgxpool.ParseConfig(cfg.DatabaseURL)
	if err != nil {
		return nil, errors.New("devauth: the database's URL cannot be read") // the cause may quote a password
	}
	pool.MaxConns = maxConns
	db, err := pgxpool.NewWithConfig(ctx, pool)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, issuer: issuer, db: db}
	err = s.forgetExpired(ctx)
	if err == nil {
		// The column is the youngest of those that are used.
		err = db.QueryRow(ctx, `
			select exists (select from pg_attribute where attrelid = to_regclass('auth.oauth_clients') and attname = 'token_endpoint_auth_method')
				and has_table_privilege(to_regclass('auth.oauth_clients'), 'select, insert')`).Scan(&s.isOAuthServer)
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return s, nil
}

// Close closes the connections to the database. Requests must have ended.
func (s *Server) Close() { s.db.Close() }
