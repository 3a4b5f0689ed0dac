package recent

import (
	"strconv"
	"testing"
	"time"

	"usergraph/internal/redisclient"
	"usergraph/internal/redistest"
)

func TestAWriterIsRecentForAMoment(t *testing.T) {
	w, start := New(5*time.Second, nil), time.Now()
	at := func(second float64) time.Time { return start.Add(time.Duration(second * float64(time.Second))) }
	w.note("ada", at(0))
	w.note("bob", at(3))
	w.note("ada", at(4))
	w.note("cy", at(6)) // turns
	for _, test := range []struct {
		who    string
		second float64
		want   bool
	}{
		{"ada", 4, true}, {"ada", 8.9, true}, {"ada", 9, false},
		{"bob", 7.9, true}, {"bob", 8, false},
		{"cy", 10.9, true}, {"cy", 11, false},
		{"dan", 6, false},
	} {
		if got := w.recent(test.who, at(test.second)); got != test.want {
			t.Errorf("%s after %g s: %t", test.who, test.second, got)
		}
	}
}

func TestNobodyIsForgottenWhenThereAreTooMany(t *testing.T) {
	w, now := New(5*time.Second, nil), time.Now()
	for i := range 2 * maxWriters {
		w.note(strconv.Itoa(i), now)
	}
	for _, who := range []string{"0", strconv.Itoa(2*maxWriters - 1), "somebody else"} {
		if !w.recent(who, now.Add(4*time.Second)) {
			t.Errorf("%s is forgotten", who)
		}
	}
	if w.recent("0", now.Add(5*time.Second)) {
		t.Error("it never ends")
	}
}

func TestOnlyTwoMomentsAreKept(t *testing.T) {
	w, now := New(time.Second, nil), time.Now()
	for i := range 100_000 {
		w.note(strconv.Itoa(i), now.Add(time.Duration(i)*time.Millisecond))
	}
	if kept := len(w.young) + len(w.old); kept > 2100 {
		t.Errorf("%d are kept", kept)
	}
}

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
