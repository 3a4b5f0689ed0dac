package graph

import (
	"context"
	"sync"

	"github.com/google/uuid"

	"usergraph/auth"
)

// runner is who takes a turn: a user, or an address from which anonymous callers come.
type runner struct {
	user    uuid.UUID
	address string
}

func runnerOf(ctx context.Context) runner {
	if claims, ok := auth.FromContext(ctx); ok {
		return runner{user: claims.UserID}
	}
	address, _ := ctx.Value(addressKey{}).(string)
	return runner{address: address}
}

// addressKey is where the address of an anonymous caller is.
type addressKey struct{}

// running counts the operations of each caller.
type running struct {
	mu    sync.Mutex
	count map[runner]int
}

// enter takes a turn unless as many as atMost are taken.
func (r *running) enter(who runner, atMost int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count[who] >= atMost {
		return false
	}
	if r.count == nil {
		r.count = map[runner]int{}
	}
	r.count[who]++
	return true
}

// leave gives a turn back.
func (r *running) leave(who runner) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count[who]--; r.count[who] == 0 {
		delete(r.count, who)
	}
}
