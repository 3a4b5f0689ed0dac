package recent

import (
	"strconv"
	"testing"
	"time"
)

func TestAWriterIsRecentForAMoment(t *testing.T) {
	w, start := New(5*time.Second, nil), time.Now()
	at := func(second float64) time.Time { return start.Add(time.Duration(second * float64(time.Second))) }
	w.note("ada", at(0))
	w.note("bob", at(3))
	w.note("ada", at(4))
	w.note("cy", at(6)) // young becomes old
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
