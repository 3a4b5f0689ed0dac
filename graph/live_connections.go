package graph

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// The limits on connections that stay open. An idle one takes some 20 KB.
const (
	// maxConnections is how many websockets and event streams there may be.
	maxConnections = 20_000
	// maxAnonymousConnections leaves room for those who sign in.
	maxAnonymousConnections = maxConnections / 2
	// maxConnectionsPerCaller is more than anybody has tabs.
	maxConnectionsPerCaller = 100
)

// The reasons why a connection may not stay open.
var (
	errTooManyConnections = errors.New("too many connections are open, try again later")
	errStopping           = errors.New("the server is stopping, connect again")
)

// connection is a websocket or an event stream.
type connection interface {
	// goAway ends it, because the server stops. It does not wait.
	goAway()
}

// connections counts the connections that stay open, by who they belong to, and ends them when the server stops.
type connections struct {
	mu       sync.Mutex
	open     map[connection]uuid.UUID // uuid.Nil for nobody
	perUser  map[uuid.UUID]int
	stopping bool
	gone     chan struct{} // closed when stopping and none is left
}

func newConnections() *connections {
	return &connections{open: map[connection]uuid.UUID{}, perUser: map[uuid.UUID]int{}, gone: make(chan struct{})}
}

// add counts a connection of a user, or of nobody, or says that it is one too many.
func (c *connections) add(added connection, user uuid.UUID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return errStopping
	}
	if len(c.open) >= maxConnections || c.perUser[user] >= allowance(user) {
		return errTooManyConnections
	}
	c.open[added] = user
	c.perUser[user]++
	return nil
}

// identify makes a connection that belonged to nobody a user's.
func (c *connections) identify(known connection, user uuid.UUID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, open := c.open[known]
	if !open || before == user {
		return nil
	}
	if c.perUser[user] >= allowance(user) {
		return errTooManyConnections
	}
	c.forget(before)
	c.open[known] = user
	c.perUser[user]++
	return nil
}

// remove no longer counts a connection.
func (c *connections) remove(ended connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	user, open := c.open[ended]
	if !open {
		return
	}
	delete(c.open, ended)
	c.forget(user)
	if c.stopping && len(c.open) == 0 {
		close(c.gone)
	}
}

func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

func (c *connections) forget(user uuid.UUID) {
	c.perUser[user]--
	if c.perUser[user] == 0 {
		delete(c.perUser, user)
	}
}

// shutdown ends all connections and waits until they have ended, or ctx has.
func (c *connections) shutdown(ctx context.Context) error {
	c.mu.Lock()
	all := slices.Collect(maps.Keys(c.open))
	if !c.stopping && len(all) == 0 {
		close(c.gone)
	}
	c.stopping = true
	c.mu.Unlock()
	for _, connection := range all {
		connection.goAway()
	}
	select {
	case <-c.gone:
		return nil
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		return fmt.Errorf("%d subscribers have not gone: %w", len(c.open), ctx.Err())
	}
}

// refuseConnection answers a request for a connection that add does not take.
func refuseConnection(w http.ResponseWriter, r *http.Request, err error) {
	refusal := refusef(CodeUnavailable, "%s", err)
	setRetryAfter(w.Header(), gqlerror.List{refusal})
	refuse(w, r, http.StatusServiceUnavailable, refusal)
}

func allowance(user uuid.UUID) int {
	if user == uuid.Nil {
		return maxAnonymousConnections
	}
	return maxConnectionsPerCaller
}
