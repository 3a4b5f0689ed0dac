package pgwire

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Timestamps are read as package time reads them, to the last bit, and whatever package time refuses is refused.
func FuzzInstants(f *testing.F) {
	for _, text := range []string{
		"2026-11-29 10:24:00+00", "2026-11-29 10:24:00.5+00", "2026-11-29 10:24:00.123456+00", "2026-11-29 10:24:00.1234567+00", "2026-11-29 10:24:00.+00",
		"2026-11-29 10:24:00+05:30", "1890-01-01 00:00:00+05:53:28", "2026-11-29 10:24:00-11", "2024-02-29 23:59:59.999999+00", "2026-02-29 10:24:00+00",
		"0001-01-01 00:00:00+00", "0000-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00", "2026-13-01 10:24:00+00", "2026-00-01 10:24:00+00", "2026-11-00 10:24:00+00",
		"2026-11-29 24:00:00+00", "2026-11-29 10:60:00+00", "2026-11-29 10:24:60+00", "2026-11-29T10:24:00+00", "2026-11-29 10:24:00", "2026-11-29 10:24+00", "", "+00",
		"2026-11-29 10:24:00,5+00", "2026-11-29 10:24:00.-5+00", "0044-03-15 00:00:00+00 BC", "12000-01-01 00:00:00+00", "infinity",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for utc, layout := range map[string]func(string) string{"+00": zoneLayout, "": func(string) string { return time.DateTime }} {
			got, ok := usualInstant(text, utc)
			if !ok {
				continue
			}
			want, err := time.Parse(layout(text), text)
			if want = want.UTC(); err != nil || got != want {
				t.Errorf("%q is %v, want %v: %v", text, got, want, err)
			}
		}
	})
}

// Most timestamps are usual ones.
func TestUsualInstants(t *testing.T) {
	for range 1000 {
		want := time.UnixMicro(rand.Int64N(4e15) - 2e15).UTC()
		text := want.Format("2006-01-02 15:04:05.999999+00")
		if got, ok := usualInstant(text, "+00"); !ok || got != want {
			t.Errorf("%s is %v, %v", text, got, ok)
		}
	}
}

// A value is what was added, whatever is beside it.
func TestValues(t *testing.T) {
	r := new(rows)
	want := [][][]byte{{[]byte("a"), nil, []byte("")}, {nil, nil, []byte("bc")}, {[]byte(""), []byte("d"), nil}}
	for _, row := range want {
		r.add(row, extent{})
	}
	for i := range 9 {
		text, ok := r.value(i)
		if value := want[i/3][i%3]; ok != (value != nil) || text != string(value) {
			t.Errorf("value %d is %q, %v, want %q", i, text, ok, value)
		}
	}
	if r.extent() != (extent{4, 9}) {
		t.Error(r.extent())
	}
}
