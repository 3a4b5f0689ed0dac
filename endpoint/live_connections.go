package endpoint

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

// The reasons to refuse or close a connection.
var (
	errTooManyConnections = errors.New("too many connections are open, try again later")
	errStopping           = errors.New("the server is stopping, connect again")
)

// connection is a websocket or an event stream.
type connection interface {
	// shutdown closes the connection because the server is stopping. It does not block.
	shutdown()
	// revoke closes the connection because the session has ended. It does not block.
	revoke(err error)
}

// connections counts open connections by quota key and closes them when the server stops.
type connections struct {
	limits *Limits

	mu        sync.Mutex
	open      map[connection]quotaKey
	each      map[quotaKey]int // how many are open
	anonymous int              // of open
	stopping  bool
	gone      chan struct{} // closed when stopping is true and open is empty
}

func newConnections(limits *Limits) *connections {
	return &connections{limits: limits, open: map[connection]quotaKey{}, each: map[quotaKey]int{}, gone: make(chan struct{})}
}

// add counts a connection, or returns the reason to refuse it.
func (c *connections) add(added connection, who quotaKey) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return errStopping
	}
	if len(c.open) >= c.limits.Connections || !c.allows(who) {
		return errTooManyConnections
	}
	c.count(added, who)
	return nil
}

// identify moves a connection from the quota of its address to that of its user.
func (c *connections) identify(known connection, who quotaKey) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, open := c.open[known]
	if !open || before == who {
		return nil
	}
	if !c.allows(who) {
		return errTooManyConnections
	}
	c.forget(before)
	c.count(known, who)
	return nil
}

// allows reports whether a caller may open one more connection. Anonymous callers together get half of all.
func (c *connections) allows(who quotaKey) bool {
	if who.user != uuid.Nil {
		return c.each[who] < c.limits.SignedIn.Connections
	}
	return c.each[who] < c.limits.Anonymous.Connections && c.anonymous < c.limits.Connections/2
}

func (c *connections) count(one connection, who quotaKey) {
	c.open[one] = who
	c.each[who]++
	if who.user == uuid.Nil {
		c.anonymous++
	}
}

func (c *connections) forget(who quotaKey) {
	if c.each[who]--; c.each[who] == 0 {
		delete(c.each, who)
	}
	if who.user == uuid.Nil {
		c.anonymous--
	}
}

// remove uncounts a connection.
func (c *connections) remove(ended connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	who, open := c.open[ended]
	if !open {
		return
	}
	delete(c.open, ended)
	c.forget(who)
	if c.stopping && len(c.open) == 0 {
		close(c.gone)
	}
}

func (c *connections) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

// owner is who a connection belongs to.
func (c *connections) owner(of connection) quotaKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open[of]
}

// shutdown closes all connections and waits for their end or the end of ctx.
func (c *connections) shutdown(ctx context.Context) error {
	c.mu.Lock()
	all := slices.Collect(maps.Keys(c.open))
	if !c.stopping && len(all) == 0 {
		close(c.gone)
	}
	c.stopping = true
	c.mu.Unlock()
	for _, connection := range all {
		connection.shutdown()
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

// refuseConnection answers a request for a connection that add has refused.
func refuseConnection(w http.ResponseWriter, r *http.Request, err error) {
	refusal := refusef(CodeUnavailable, "%s", err)
	setRetryAfter(w.Header(), gqlerror.List{refusal})
	refuse(w, r, http.StatusServiceUnavailable, refusal)
}
