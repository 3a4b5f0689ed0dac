//go:build services

package recent

import (
	"testing"
	"time"

	"usergraph/internal/redisclient"
	"usergraph/internal/redistest"
)

func newWriters(t *testing.T, moment time.Duration, url string) *Writers {
	t.Helper()
	client, err := redisclient.New(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return New(moment, client)
}

func TestServersTellEachOtherByRedis(t *testing.T) {
	server := redistest.Start(t, "")
	one, other := newWriters(t, time.Hour, server.URL()), newWriters(t, time.Hour, server.URL())
	one.Note(t.Context(), "ada")
	if !other.Recent(t.Context(), "ada") || other.Recent(t.Context(), "bob") {
		t.Error("what one server knows, the other does not")
	}
	short := newWriters(t, 50*time.Millisecond, server.URL())
	short.Note(t.Context(), "cy")
	for deadline := time.Now().Add(time.Minute); other.Recent(t.Context(), "cy"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never ends")
		}
	}
}

func TestEverybodyIsRecentWhileRedisIsDown(t *testing.T) {
	server := redistest.Start(t, "")
	w := newWriters(t, time.Hour, server.URL())
	if w.Recent(t.Context(), "ada") {
		t.Error("before")
	}
	server.Kill()
	for range 2 { // the second time it is not asked
		if !w.Recent(t.Context(), "ada") {
			t.Error("nobody can know")
		}
	}
	w.Note(t.Context(), "ada")
	redistest.Start(t, server.Port)
	w.Note(t.Context(), "cy")
	if !newWriters(t, time.Hour, server.URL()).Recent(t.Context(), "cy") {
		t.Error("Redis is not told while it is left in peace")
	}
	for deadline := time.Now().Add(time.Minute); w.Recent(t.Context(), "bob"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("Redis is not asked again")
		}
	}
	if !w.Recent(t.Context(), "ada") {
		t.Error("this server has forgotten what Redis was not told")
	}
}
