package endpoint

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"usergraph/auth"
)

const (
	// sessionPause is how long after each round the sessions of all open connections are asked about again, give or take
	// a half: a user who has signed out is noticed within seconds.
	sessionPause = 8 * time.Second
	// sessionTimeout is how long one answer may take.
	sessionTimeout = 5 * time.Second
)

// sessions asks again and again whether the sessions of open connections go on, and ends the connections of one that does
// not. However many there are, one goroutine asks about one session at a time, once for all its connections.
type sessions struct {
	check func(context.Context, *auth.Claims) error // nil: nobody asks
	log   *slog.Logger
	pause time.Duration

	mu      sync.Mutex
	open    map[sessionKey]*session
	running bool
	stop    chan struct{} // closed when there are none left
}

// sessionKey is a session, or all of a user's tokens that name none.
type sessionKey struct{ user, session uuid.UUID }

type session struct {
	claims      *auth.Claims // of its newest token
	connections map[connection]struct{}
}

func newSessions(check func(context.Context, *auth.Claims) error, log *slog.Logger, pause time.Duration) *sessions {
	return &sessions{check: check, log: log, pause: pause, open: map[sessionKey]*session{}}
}

// add watches over the session behind a connection.
func (s *sessions) add(c connection, claims *auth.Claims) {
	if s.check == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sessionKey{claims.UserID, claims.SessionID}
	known := s.open[key]
	if known == nil {
		known = &session{claims, map[connection]struct{}{}}
		s.open[key] = known
	}
	if claims.ExpiresAt.After(known.claims.ExpiresAt) {
		known.claims = claims
	}
	known.connections[c] = struct{}{}
	if !s.running {
		s.running, s.stop = true, make(chan struct{})
		go s.watch(s.stop)
	}
}

// remove forgets a connection.
func (s *sessions) remove(c connection, claims *auth.Claims) {
	if s.check == nil || claims == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sessionKey{claims.UserID, claims.SessionID}
	known := s.open[key]
	if known == nil {
		return
	}
	delete(known.connections, c)
	if len(known.connections) == 0 {
		delete(s.open, key)
	}
	if len(s.open) == 0 && s.running {
		s.running = false
		close(s.stop)
	}
}

// watch asks about all sessions in turn, pauses, and begins again, until stop.
func (s *sessions) watch(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(s.pause/2 + rand.N(s.pause)):
		}
		for _, claims := range s.all() {
			select {
			case <-stop:
				return
			default:
				s.ask(claims)
			}
		}
	}
}

func (s *sessions) all() []*auth.Claims {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*auth.Claims, 0, len(s.open))
	for _, session := range s.open {
		all = append(all, session.claims)
	}
	return all
}

// ask ends the connections of a session that has ended. One that cannot be asked about goes on until its token expires.
func (s *sessions) ask(claims *auth.Claims) {
	if time.Now().After(claims.ExpiresAt) {
		return // its connections end for that, within the leeway
	}
	ctx, cancel := context.WithTimeout(context.Background(), sessionTimeout)
	defer cancel()
	err := s.check(ctx, claims)
	if err == nil {
		return
	}
	if !errors.Is(err, auth.ErrSessionRevoked) {
		s.log.Warn("the session of a subscriber cannot be checked", "error", err)
		return
	}
	s.mu.Lock()
	var ended []connection
	if session := s.open[sessionKey{claims.UserID, claims.SessionID}]; session != nil {
		for c := range session.connections {
			ended = append(ended, c)
		}
	}
	s.mu.Unlock()
	for _, c := range ended {
		c.revoke(err)
	}
}
