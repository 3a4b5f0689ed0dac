package app

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
	"github.com/uptrace/bun"

	"usergraph/auth"
	"usergraph/database"
)

// maxSessions bounds the cached live sessions, about 100 bytes each.
const maxSessions = 100_000

// sessions asks PostgreSQL, as the caller, whether the caller's session is live.
type sessions struct {
	db     *database.DB
	maxAge time.Duration
	asked  *otter.Cache[session, time.Time] // when PostgreSQL reported that a session is live
}

// session is what was asked about. A session goes on without its second factor, but its tokens of level 2 do not.
type session struct {
	id, user uuid.UUID
	aal2     bool
}

func newSessions(db *database.DB, maxAge time.Duration) (*sessions, error) {
	asked, err := otter.New(&otter.Options[session, time.Time]{
		MaximumSize: maxSessions,
		// Eviction is quick. It runs on the caller's goroutine, so that none is left behind.
		Executor: func(task func()) { task() },
	})
	return &sessions{db, maxAge, asked}, err
}

// check implements auth.Config.CheckSession. Only live results are cached, for at most maxAge.
func (s *sessions) check(ctx context.Context, claims *auth.Claims) error {
	if claims.SessionID == uuid.Nil {
		return auth.ErrSessionRevoked // the token names no session
	}
	key, now := session{claims.SessionID, claims.UserID, claims.AAL == "aal2"}, time.Now()
	if at, ok := s.asked.GetIfPresent(key); ok && now.Sub(at) < s.maxAge {
		return nil
	}
	live, err := sessionIsLive(ctx, s.db.As(database.Caller{Role: claims.Role, Claims: claims.Payload, ReadOnly: true}))
	if err != nil {
		return err
	}
	if !live {
		return auth.ErrSessionRevoked
	}
	if s.maxAge > 0 {
		s.asked.Set(key, now)
	}
	return nil
}

// sessionIsLive reports whether the session of the caller's token exists, has not expired, has a user who is neither
// banned nor deleted, and, for a token of level 2, the factor that raised it. It is false for a token without session_id. db must run as the caller.
func sessionIsLive(ctx context.Context, db bun.IDB) (live bool, err error) {
	if err := db.NewRaw("SELECT usergraph.session_is_live()").Scan(ctx, &live); err != nil {
		return false, fmt.Errorf("session is live: %w", err)
	}
	return live, nil
}
