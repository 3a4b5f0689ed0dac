package rows

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestTimes(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-29T10:24:00Z":              "2026-11-29T10:24:00.000000Z",
		"2026-11-29t10:24:00z":              "2026-11-29T10:24:00.000000Z",
		"2026-11-29T10:24:00.1234569Z":      "2026-11-29T10:24:00.123456Z",
		"2026-11-29T10:24:00+02:00":         "2026-11-29T08:24:00.000000Z",
		"2026-11-29T00:24:00.5+14:00":       "2026-11-28T10:24:00.500000Z",
		"2024-02-29T23:59:59-12:00":         "2024-03-01T11:59:59.000000Z",
		"0001-01-01T00:00:00Z":              "0001-01-01T00:00:00.000000Z",
		"9999-12-31T23:59:59.999999Z":       "9999-12-31T23:59:59.999999Z",
		"infinity":                          "infinity",
		"-infinity":                         "-infinity",
		"0001-01-01T00:00:00+01:00":         "",
		"9999-12-31T23:59:59-01:00":         "",
		"0000-01-01T00:00:00Z":              "",
		"2026-11-29T10:24:00":               "",
		"2026-11-29 10:24:00Z":              "",
		"2026-11-29T10:24Z":                 "",
		"2026-11-29T24:00:00Z":              "",
		"2026-11-29T10:24:00,5Z":            "",
		"2026-02-29T10:24:00Z":              "",
		"12026-01-01T00:00:00Z":             "",
		"Infinity":                          "",
		"now":                               "",
		"":                                  "",
		"2026-11-29T10:24:00Z\x00":          "",
		strings.Repeat("2026-11-29T", 1000): "",
	} {
		parsed, err := ParseTime(text)
		if input := (*InputError)(nil); want == "" && (!errors.As(err, &input) || len(input.Message) > 300) {
			t.Errorf("%.50q: %v, %v", text, parsed, err)
		} else if want != "" && (err != nil || FormatTime(parsed) != want) {
			t.Errorf("%q: %q, want %q: %v", text, FormatTime(parsed), want, err)
		}
	}
}

// Years that RFC 3339 lacks are written as JavaScript does.
func TestTimesBeyondRFC3339(t *testing.T) {
	for year, want := range map[int][2]string{
		0:       {"0000-05-06T00:00:00.000000Z", "0001-05-06T00:00:00.000000Z BC"},
		-43:     {"-000043-05-06T00:00:00.000000Z", "0044-05-06T00:00:00.000000Z BC"},
		-4712:   {"-004712-05-06T00:00:00.000000Z", "4713-05-06T00:00:00.000000Z BC"},
		-4713:   {"-infinity", "-infinity"},
		10000:   {"+010000-05-06T00:00:00.000000Z", "10000-05-06T00:00:00.000000Z"},
		294276:  {"+294276-05-06T00:00:00.000000Z", "294276-05-06T00:00:00.000000Z"},
		294277:  {"infinity", "infinity"},
		1000000: {"infinity", "infinity"},
	} {
		at := time.Date(year, 5, 6, 0, 0, 0, 0, time.UTC)
		if got := [2]string{FormatTime(at), sqlTime(at)}; got != want {
			t.Errorf("%d: %q, want %q", year, got, want)
		}
	}
}

func TestDatesAndDecimals(t *testing.T) {
	for text, want := range map[string][2]bool{
		"2026-11-29": {true, false}, "2024-02-29": {true, false}, "infinity": {true, false}, "0001-01-01": {true, false},
		"0000-01-01": {}, "2026-02-29": {}, "2026-2-3": {}, "12026-01-01": {}, "0044-03-15 BC": {}, "today": {}, "": {}, " 1": {}, "1 ": {},
		"1": {false, true}, "-1.50": {false, true}, "0001": {false, true}, "NaN": {false, true}, "-Infinity": {false, true}, "Infinity": {false, true},
		"+1": {}, ".5": {}, "1.": {}, "1e5": {}, "1_000": {}, "0x1": {}, "inf": {}, "nan": {}, "١": {}, "-": {}, "--1": {},
		strings.Repeat("9", 500): {false, true}, strings.Repeat("9", 501): {},
	} {
		var day Date
		var number Decimal
		got := [2]bool{day.UnmarshalGQL(text) == nil, number.UnmarshalGQL(text) == nil}
		if got != want {
			t.Errorf("%.20q is a date, a decimal: %v, want %v", text, got, want)
		}
		if want[0] && string(day) != text || want[1] && string(number) != text {
			t.Errorf("%q became %q, %q", text, day, number)
		}
	}
}

// tag is a model with a key of each type that a key can have.
type tag struct {
	Number int64     `bun:"number,pk"`
	Text   string    `bun:"text,pk"`
	UUID   uuid.UUID `bun:"uuid,pk"`
	Small  int16     `bun:"small,pk"`
	Day    Date      `bun:"day,pk"`
	Kind   Enum      `bun:"kind,pk"`
	Flag   bool      `bun:"flag,pk"`
	At     time.Time `bun:"at,pk"`
}

// The id of any key is decoded as the key, and no other id is.
func FuzzCompositeIDs(f *testing.F) {
	f.Add(int64(1), "a", []byte("0123456789abcdef"), int16(-1), "sad", true, int64(0))
	f.Add(int64(-1<<63), "é.\x00\"", []byte("0123456789abcdef"), int16(1<<15-1), "", false, int64(1<<40))
	f.Fuzz(func(t *testing.T, number int64, text string, id []byte, small int16, kind string, flag bool, at int64) {
		row := tag{Number: number, Text: text, Small: small, Day: "2026-11-29", Kind: Enum(kind), Flag: flag, At: time.UnixMicro(at % (1 << 47)).UTC()}
		copy(row.UUID[:], id)
		key := KeyOf(&row)
		parts, err := key.Texts(tableOf[tag]().PKs)
		if strings.ContainsRune(text+kind, 0) {
			if err == nil {
				t.Error("PostgreSQL has no such text")
			}
			return
		}
		want, _ := keyTexts(tableOf[tag]().PKs, reflect.ValueOf(&row))
		if err != nil || !reflect.DeepEqual(parts, want) {
			t.Errorf("%s: %v, want %v: %v", key, parts, want, err)
		}
		for _, other := range []ID{ID(text), key[1:], key + "0", key + ".", "2" + key[1:]} {
			if _, err := other.Texts(tableOf[tag]().PKs); err == nil {
				t.Errorf("%s is an id", other)
			}
		}
	})
}

func TestKey(t *testing.T) {
	if key, err := Key[int16]("-32768"); key != -32768 || err != nil {
		t.Error(key, err)
	}
	if key, err := Key[string](""); key != "" || err != nil {
		t.Error(key, err)
	}
	for id, wrong := range map[ID]func(ID) error{
		"32768":                            func(id ID) error { _, err := Key[int16](id); return err },
		"2147483648":                       func(id ID) error { _, err := Key[int32](id); return err },
		"9223372036854775808":              func(id ID) error { _, err := Key[int64](id); return err },
		"-0":                               func(id ID) error { _, err := Key[int64](id); return err },
		"a\x00":                            func(id ID) error { _, err := Key[string](id); return err },
		"123e4567e89b12d3a456426614174000": func(id ID) error { _, err := Key[uuid.UUID](id); return err },
	} {
		if input := (*InputError)(nil); !errors.As(wrong(id), &input) {
			t.Errorf("%q: %v", id, wrong(id))
		}
	}
}

// A filter takes no null and no condition twice, and at most 100 values.
func TestFilterInput(t *testing.T) {
	for text, ok := range map[string]bool{
		`{}`: true, `{"eq": 1}`: true, `{"in": [1, 2]}`: true, `{"in": 1}`: true, `{"in": []}`: true, `{"isNull": false, "lt": 1, "gte": 0}`: true,
		`{"eq": null}`: false, `{"in": null}`: false, `{"in": [null]}`: false, `{"isNull": null}`: false, `{"eq": "1"}`: false, `{"isNull": 1}`: false,
		`1`: false, `{"in": [` + strings.Repeat("1,", 99) + `1]}`: true, `{"in": [` + strings.Repeat("1,", 100) + `1]}`: false,
	} {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Fatal(err)
		}
		err := new(IntFilter).UnmarshalGQL(value)
		if input := (*InputError)(nil); ok != (err == nil) || err != nil && !errors.As(err, &input) {
			t.Errorf("%.40s: %v", text, err)
		}
	}
}
