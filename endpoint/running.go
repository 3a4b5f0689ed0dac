package endpoint

import (
	"context"
	"slices"
	"sync"

	"github.com/google/uuid"

	"usergraph/auth"
)

// runner is a quota key: a user, or an address (address.Key) of anonymous callers.
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

// addressKey is the context key of the address of an anonymous caller.
type addressKey struct{}

// inFlight counts the concurrent operations of each caller, like a weighted semaphore.
type running struct {
	mu      sync.Mutex
	count   map[runner]int
	waiting map[runner][]chan struct{} // for a slot, in order
}

// tryAcquire takes a slot unless atMost slots are taken.
func (r *running) enter(who runner, atMost int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.enterLocked(who, atMost)
}

func (r *running) enterLocked(who runner, atMost int) bool {
	if r.count[who] >= atMost {
		return false
	}
	if r.count == nil {
		r.count = map[runner]int{}
	}
	r.count[who]++
	return true
}

// acquire waits until fewer than atMost slots are taken and takes one. It returns false if done is closed before.
func (r *running) wait(who runner, atMost int, done <-chan struct{}) bool {
	r.mu.Lock()
	if r.enterLocked(who, atMost) {
		r.mu.Unlock()
		return true
	}
	if r.waiting == nil {
		r.waiting = map[runner][]chan struct{}{}
	}
	turn := make(chan struct{})
	r.waiting[who] = append(r.waiting[who], turn)
	r.mu.Unlock()
	select {
	case <-turn:
		return true
	case <-done:
	}
	r.mu.Lock()
	at := slices.Index(r.waiting[who], turn)
	if at >= 0 {
		r.setWaiting(who, slices.Delete(r.waiting[who], at, at+1))
	}
	r.mu.Unlock()
	if at < 0 { // release has granted the slot
		r.leave(who)
	}
	return false
}

// setWaiting stores the waiters of a caller, and deletes an empty list.
func (r *running) setWaiting(who runner, turns []chan struct{}) {
	if len(turns) == 0 {
		delete(r.waiting, who)
		return
	}
	r.waiting[who] = turns
}

// release frees a slot, or grants it to the first waiter.
func (r *running) leave(who runner) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if turns := r.waiting[who]; len(turns) > 0 {
		close(turns[0])
		r.setWaiting(who, turns[1:])
		return
	}
	if r.count[who]--; r.count[who] == 0 {
		delete(r.count, who)
	}
}
