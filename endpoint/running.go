package endpoint

import (
	"context"
	"slices"
	"sync"

	"github.com/google/uuid"

	"usergraph/auth"
)

// quotaKey says whose quotas an operation counts for: a user, or an address (address.Key) of anonymous callers.
type quotaKey struct {
	user    uuid.UUID
	address string
}

func quotaKeyOf(ctx context.Context) quotaKey {
	if claims, ok := auth.FromContext(ctx); ok {
		return quotaKey{user: claims.UserID}
	}
	address, _ := ctx.Value(addressKey{}).(string)
	return quotaKey{address: address}
}

// addressKey is the context key of the address of an anonymous caller.
type addressKey struct{}

// inFlight counts the concurrent operations of each caller, like a weighted semaphore.
type inFlight struct {
	mu      sync.Mutex
	count   map[quotaKey]int
	waiting map[quotaKey][]chan struct{} // for a slot, in order
}

// tryAcquire takes a slot unless atMost slots are taken.
func (f *inFlight) tryAcquire(who quotaKey, atMost int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tryAcquireLocked(who, atMost)
}

func (f *inFlight) tryAcquireLocked(who quotaKey, atMost int) bool {
	if f.count[who] >= atMost {
		return false
	}
	if f.count == nil {
		f.count = map[quotaKey]int{}
	}
	f.count[who]++
	return true
}

// acquire waits until fewer than atMost slots are taken and takes one. It returns false if done is closed before.
func (f *inFlight) acquire(who quotaKey, atMost int, done <-chan struct{}) bool {
	f.mu.Lock()
	if f.tryAcquireLocked(who, atMost) {
		f.mu.Unlock()
		return true
	}
	if f.waiting == nil {
		f.waiting = map[quotaKey][]chan struct{}{}
	}
	slot := make(chan struct{})
	f.waiting[who] = append(f.waiting[who], slot)
	f.mu.Unlock()
	select {
	case <-slot:
		return true
	case <-done:
	}
	f.mu.Lock()
	at := slices.Index(f.waiting[who], slot)
	if at >= 0 {
		f.setWaiting(who, slices.Delete(f.waiting[who], at, at+1))
	}
	f.mu.Unlock()
	if at < 0 { // release has granted the slot
		f.release(who)
	}
	return false
}

// setWaiting stores the waiters of a caller, and deletes an empty list.
func (f *inFlight) setWaiting(who quotaKey, slots []chan struct{}) {
	if len(slots) == 0 {
		delete(f.waiting, who)
		return
	}
	f.waiting[who] = slots
}

// release frees a slot, or grants it to the first waiter.
func (f *inFlight) release(who quotaKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slots := f.waiting[who]; len(slots) > 0 {
		close(slots[0])
		f.setWaiting(who, slots[1:])
		return
	}
	if f.count[who]--; f.count[who] == 0 {
		delete(f.count, who)
	}
}
