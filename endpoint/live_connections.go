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

const (
	// maxBufferedBytes bounds the memory of all websockets for incomplete messages and unread responses. Anonymous
	// callers share half of it. It fits a machine with 256 MB, beside the connections themselves.
	maxBufferedBytes = 32 << 20
	// maxBufferedOfOne bounds the share of one user, or of one address of anonymous callers. A longer message counts
	// as this much: a caller can send it if nothing else of the caller is buffered.
	maxBufferedOfOne = maxBufferedBytes / 4
	// freeBytes is not counted, for each websocket and each direction. It covers ordinary messages and is part of the
	// 10 to 20 KB of a connection.
	freeBytes = 2 << 10
)

// connection is a websocket or an event stream.
type connection interface {
	// goAway closes the connection because the server is stopping. It does not block.
	goAway()
	// revoke closes the connection because the session has ended. It does not block.
	revoke(err error)
}

// connections counts open connections by quota key and closes them when the server stops.
type connections struct {
	limits *Limits

	mu        sync.Mutex
	open      map[connection]runner
	each      map[runner]int // open connections
	anonymous int            // open connections of anonymous callers
	buffered  buffered
	stopping  bool
	gone      chan struct{} // closed when stopping is true and open is empty
}

func newConnections(limits *Limits) *connections {
	return &connections{limits: limits, open: map[connection]runner{}, each: map[runner]int{}, buffered: buffered{each: map[runner]int{}}, gone: make(chan struct{})}
}

// add counts a connection, or returns the reason to refuse it.
func (c *connections) add(added connection, who runner) error {
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
func (c *connections) identify(known connection, who runner) error {
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
func (c *connections) allows(who runner) bool {
	if who.user != uuid.Nil {
		return c.each[who] < c.limits.SignedIn.Connections
	}
	return c.each[who] < c.limits.Anonymous.Connections && c.anonymous < c.limits.Connections/2
}

func (c *connections) count(one connection, who runner) {
	c.open[one] = who
	c.each[who]++
	if who.user == uuid.Nil {
		c.anonymous++
	}
}

func (c *connections) forget(who runner) {
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

// buffered counts the bytes that maxBufferedBytes bounds.
type buffered struct {
	all, anonymous int
	each           map[runner]int
}

// reservation is the number of bytes counted for one message.
type reservation struct {
	who   runner
	bytes int
}

// reserve changes the number of bytes that are counted for a message. If the new number exceeds a bound, it changes
// nothing and returns false.
func (c *connections) reserve(of connection, r *reservation, bytes int) bool {
	more := min(bytes, maxBufferedOfOne) - r.bytes
	if more == 0 {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.bytes == 0 {
		r.who = c.open[of]
	}
	b, anonymous := &c.buffered, r.who.user == uuid.Nil
	if more > 0 && (b.all+more > maxBufferedBytes || b.each[r.who]+more > maxBufferedOfOne || anonymous && b.anonymous+more > maxBufferedBytes/2) {
		return false
	}
	r.bytes += more
	b.all += more
	if anonymous {
		b.anonymous += more
	}
	if b.each[r.who] += more; b.each[r.who] == 0 {
		delete(b.each, r.who)
	}
	return true
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

// refuseConnection answers a request for a connection that add has refused.
func refuseConnection(w http.ResponseWriter, r *http.Request, err error) {
	refusal := refusef(CodeUnavailable, "%s", err)
	setRetryAfter(w.Header(), gqlerror.List{refusal})
	refuse(w, r, http.StatusServiceUnavailable, refusal)
}
