//go:build services

package drills_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"usergraph/internal/pgtest"
)

// subscriber watches its name as the client graphql-ws does: when its socket ends, it connects again.
type subscriber struct {
	url    string
	caller caller

	mu      sync.Mutex
	version int // the latest that it was told
	ends    map[websocket.StatusCode]int
	strange []string
}

// subscribers connect one after the other through url, so many for each caller, and go on until hangUp or the end of
// the test.
func subscribers(t *testing.T, url string, callers []caller, each int) (all []*subscriber, hangUp func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	hangUp = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(hangUp)
	for range each {
		for _, c := range callers {
			s := &subscriber{url: url, caller: c, version: -1, ends: map[websocket.StatusCode]int{}}
			all = append(all, s)
			running.Go(func() { s.run(ctx) })
			eventually(t, "a subscriber is told its name", func() error { return s.has(0) })
		}
	}
	return all, hangUp
}

func (s *subscriber) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.watch(ctx)
		s.mu.Lock()
		s.ends[websocket.CloseStatus(err)]++
		s.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
}

// watch takes what it is told until the socket ends.
func (s *subscriber) watch(ctx context.Context) error {
	conn, err := connect(ctx, s.url, s.caller)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		s.told(text)
	}
}

// told wants a version of its own name that is not older than the last.
func (s *subscriber) told(text []byte) {
	var message struct {
		Payload struct {
			Data struct{ Me struct{ FullName string } }
		}
	}
	err := json.Unmarshal(text, &message)
	name, version, _ := strings.Cut(message.Payload.Data.Me.FullName, ", version ")
	number, _ := strconv.Atoi(version)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || name != s.caller.name || number < s.version {
		s.strange = append(s.strange, fmt.Sprintf("%s is told %s after version %d", s.caller.name, text, s.version))
		return
	}
	s.version = number
}

func (s *subscriber) has(version int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version != version {
		return fmt.Errorf("%s was told version %d last, not %d; its sockets have ended with %v", s.caller.name, s.version, version, s.ends)
	}
	return nil
}

// soFar is how its sockets have ended, by code, and what it should not have been told.
func (s *subscriber) soFar() (ends map[websocket.StatusCode]int, strange []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.ends), first(s.strange)
}

// change gives a caller's name a version.
func change(ctx context.Context, url string, c caller, version int) error {
	name := fmt.Sprintf("%s, version %d", c.name, version)
	got, err := ask(ctx, url, c.token, fmt.Sprintf("mutation { me: updateMe(input: {fullName: %q}) { fullName } }", name))
	if err == nil && got.name != name {
		err = fmt.Errorf("%s becomes %d %s", name, got.status, got.body)
	}
	return err
}

// allHave waits until every subscriber knows a version.
func allHave(t *testing.T, all []*subscriber, version int) {
	t.Helper()
	for _, s := range all {
		eventually(t, "a change reaches all subscribers", func() error { return s.has(version) })
	}
}

// A change through any replica reaches the subscribers on all of them. When one is killed, its subscribers find another,
// and know at once what they have missed.
func TestSubscribersWhenAReplicaIsKilled(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 4)
	settings := append(around.settings(fresh.URL), "DATABASE_MAX_CONNS=4", "DRAIN_DELAY=0s")
	replicas := []*server{start(t, settings...), start(t, settings...), start(t, settings...)}
	b := balance(t, replicas...)
	before := replicas[1].warm(t, around.callers)
	all, hangUp := subscribers(t, b.url, around.callers, 3)
	version := 0
	rename := func(url string) {
		t.Helper()
		version++
		for _, c := range around.callers {
			if err := change(t.Context(), url, c, version); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, replica := range replicas {
		rename(replica.url)
		allHave(t, all, version)
	}
	if err := replicas[0].process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	rename(replicas[1].url)
	allHave(t, all, version)
	rename(replicas[2].url)
	allHave(t, all, version)

	moved := 0
	for _, s := range all {
		ends, strange := s.soFar()
		if len(ends) > 0 {
			moved++
		}
		if len(strange) > 0 {
			t.Error(strange)
		}
	}
	if moved == 0 || moved == len(all) {
		t.Errorf("%d of %d subscribers were on the replica that was killed", moved, len(all))
	}
	t.Logf("%d of %d subscribers were on the replica that was killed", moved, len(all))
	hangUp()
	replicas[1].letsGo(t, before)
}

// All replicas are replaced while names change all the time: every socket is told to come back, and in the end every
// subscriber knows the last change, without ever having been told an older one after a newer.
func TestSubscribersWhenReplicasAreReplaced(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 4)
	settings := append(around.settings(fresh.URL), "DATABASE_MAX_CONNS=4", "DRAIN_DELAY=1s")
	replicas := []*server{start(t, settings...), start(t, settings...), start(t, settings...)}
	b := balance(t, replicas...)
	before := replicas[1].warm(t, around.callers)
	all, hangUp := subscribers(t, b.url, around.callers, 3)

	ctx, stop := context.WithCancel(t.Context())
	changed := make(chan error, 1)
	version := 0
	go func() {
		for ctx.Err() == nil {
			version++
			for _, c := range around.callers {
				if err := change(t.Context(), b.url, c, version); err != nil {
					changed <- err
					return
				}
			}
		}
		changed <- nil
	}()
	for i := range replicas {
		old, others := replicas[i], append(append([]*server{}, replicas[:i]...), replicas[i+1:]...)
		b.use(t, others...)
		old.stop(t)
		replicas[i] = start(t, settings...)
		b.use(t, replicas...)
	}
	stop()
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	allHave(t, all, version)
	moves := 0
	for _, s := range all {
		ends, strange := s.soFar()
		moves += ends[websocket.StatusGoingAway]
		delete(ends, websocket.StatusGoingAway)
		if len(ends) > 0 || len(strange) > 0 {
			t.Errorf("%s: sockets also ended with %v; %v", s.caller.name, ends, strange)
		}
	}
	if moves < len(all) {
		t.Errorf("%d sockets were told to come back: there were %d", moves, len(all))
	}
	t.Logf("%d changes, %d subscribers, %d times told to come back", version*len(around.callers), len(all), moves)
	hangUp()
	replicas[1].letsGo(t, before)
}
