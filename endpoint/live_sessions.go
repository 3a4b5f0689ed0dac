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
	// sessionPause is the pause between two checks of all sessions, ±50 %: a sign-out takes effect within seconds.
	sessionPause = 8 * time.Second
	// sessionTimeout bounds one check.
	sessionTimeout = 5 * time.Second
)

// sessions checks the sessions of open connections periodically and closes the connections of ended ones. One
// goroutine checks one session at a time, once for all of its connections.
type sessions struct {
	check func(context.Context, *auth.Claims) error // nil disables checks
	log   *slog.Logger
	pause time.Duration

	mu      sync.Mutex
	open    map[sessionKey]*session
	running bool
	stop    chan struct{} // closed when open is empty
}

// sessionKey identifies a session, or all tokens of a user that name no session.
type sessionKey struct{ user, session uuid.UUID }

type session struct {
	claims      *auth.Claims // of the newest token
	connections map[connection]struct{}
}

func newSessions(check func(context.Context, *auth.Claims) error, log *slog.Logger, pause time.Duration) *sessions {
	return &sessions{check: check, log: log, pause: pause, open: map[sessionKey]*session{}}
}

// add registers a connection with its session.
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
		go s.checkLoop(s.stop)
	}
}

// remove unregisters a connection.
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

// checkLoop checks all sessions, pauses, and repeats until stop is closed.
func (s *sessions) checkLoop(stop <-chan struct{}) {
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
				s.checkSession(claims)
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

// checkSession closes the connections of a session that has ended. If the check fails, the session goes on until its
// token expires.
func (s *sessions) checkSession(claims *auth.Claims) {
	if time.Now().After(claims.ExpiresAt) {
		return // its connections close within the leeway
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
