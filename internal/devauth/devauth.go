// Package devauth answers one question: who signs people in when there is no Supabase project?
//
// It stands in for Supabase Auth during development only. supabase-js and @supabase/ssr sign up, sign in with a password
// or anonymously, refresh, sign out and read the user; the tokens are real, ES256 with a key kept on disk, and have the
// shape that Supabase Auth gives them. Users and sessions are rows of the schema auth, so triggers on auth.users run, and
// signing out removes the session. The server never trusts it because it is development; it verifies these tokens as it
// verifies all.
//
// See https://supabase.com/docs/reference/self-hosting-auth for what it stands in for.
package devauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"usergraph/auth"
)

// PublishableKey is what clients are given as the project's public key. Any other key does as well: it opens nothing.
const PublishableKey = "sb_publishable_usergraph_dev"

// maxConns is enough for one person.
const maxConns = 4

// Config says where the users are and who signs.
type Config struct {
	// URL is that of the project, http://127.0.0.1:8081 for example: the issuer is URL + "/auth/v1". Its host must be a
	// loopback address or localhost.
	URL string
	// KeyFile keeps the signing key, so that tokens outlive a restart. It is made if there is none.
	KeyFile string
	// DatabaseURL logs in as a role that may write the schema auth.
	DatabaseURL string
	// TokenLife is how long an access token lives.
	TokenLife time.Duration
	Log       *slog.Logger
}

// Server signs people in. Its methods may be called from any goroutine.
type Server struct {
	issuer    *issuer
	db        *pgxpool.Pool
	tokenLife time.Duration
	log       *slog.Logger
}

// Open returns a server whose users are those of the database. It refuses a URL that other machines could reach.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.KeyFile == "" || cfg.DatabaseURL == "" || cfg.TokenLife < time.Second || cfg.Log == nil {
		return nil, errors.New("devauth: key file, database, token life of a second or more, and log are required")
	}
	if !auth.IsLoopbackURL(cfg.URL) {
		return nil, fmt.Errorf("devauth: %q is not on a loopback address: whoever reaches it may sign in as anybody", cfg.URL)
	}
	issuer, err := openIssuer(cfg.KeyFile, cfg.URL+"/auth/v1")
	if err != nil {
		return nil, err
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
	s := &Server{issuer: issuer, db: db, tokenLife: cfg.TokenLife, log: cfg.Log}
	if err := s.forgetExpired(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return s, nil
}

// Close ends the connections to the database. Requests must have ended.
func (s *Server) Close() { s.db.Close() }
