package endpoint

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// Nobody takes the room of everybody, and everything is given back.
func TestHeld(t *testing.T) {
	limits := DefaultLimits()
	limits.HeldBytes, limits.SignedIn.BodyBytes, limits.SignedIn.ResponseBytes = 16<<20, 0, 0
	h := newHeld(&limits)
	took := map[quotaKey]int{}
	fill := func(who quotaKey) {
		for h.take(who, 64<<10) {
			took[who] += 64 << 10
		}
	}
	address := func(i int) quotaKey { return quotaKey{address: fmt.Sprint(i)} }
	user := func(i int) quotaKey { return quotaKey{user: uuid.NewSHA1(uuid.Nil, []byte{byte(i)})} }
	fill(address(0))
	if most := 2*limits.Anonymous.BodyBytes + limits.Anonymous.ResponseBytes; took[address(0)] > most || took[address(0)] < most-128<<10 {
		t.Errorf("an address takes %d", took[address(0)])
	}
	for i := range 100 {
		fill(address(i))
	}
	if h.all != 8<<20 || h.anonymous != h.all {
		t.Errorf("addresses take %d", h.all)
	}
	fill(user(0))
	if took[user(0)] != 2<<20 {
		t.Errorf("a user takes %d", took[user(0)])
	}
	for i := range 100 {
		fill(user(i))
	}
	if h.all != 16<<20 {
		t.Errorf("all take %d", h.all)
	}
	for who, bytes := range took {
		h.give(who, bytes)
	}
	if h.all != 0 || h.anonymous != 0 || len(h.each) != 0 {
		t.Errorf("afterwards: %d %d %v", h.all, h.anonymous, h.each)
	}
}

// Callers who subscribe to one document share it; each document of its own takes room.
func TestHeldSubscriptions(t *testing.T) {
	limits := DefaultLimits()
	h := newHeld(&limits)
	var releases []func()
	subscribe := func(who quotaKey, document *document, variable string) bool {
		release, ok := h.subscribe(who, document, map[string]any{"a": variable})
		if ok {
			releases = append(releases, release)
		}
		return ok
	}
	shared := &document{stats: documentStats{bytes: 2000, tokens: 500}}
	for range 10_000 {
		if !subscribe(quotaKey{user: uuid.New()}, shared, "") {
			t.Fatal("a shared document takes room for each")
		}
	}
	own := 0
	for who := (quotaKey{user: uuid.New()}); subscribe(who, &document{stats: documentStats{bytes: 2000, tokens: 500}}, strings.Repeat("x", 1000)); own++ {
	}
	if most := (2*limits.SignedIn.BodyBytes + limits.SignedIn.ResponseBytes) / shared.weight(); own > most || own < most/2 {
		t.Errorf("a user has %d documents of their own", own)
	}
	for _, release := range releases {
		release()
	}
	if h.all != 0 || len(h.each)+len(h.documents) != 0 {
		t.Errorf("%d bytes and %d entries are left", h.all, len(h.each)+len(h.documents))
	}
}
