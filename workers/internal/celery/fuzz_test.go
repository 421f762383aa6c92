package celery

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func FuzzTime(f *testing.F) {
	for _, s := range []string{
		"2030-01-02T03:04:05.120000+00:00", "2030-01-02T06:04:05.12+03:00", "2030-01-02T03:04:05",
		"0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999-23:59", "2030-01-02T03:04:05.000000900Z",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := ParseTime(s)
		if err != nil {
			return
		}
		if at.IsZero() {
			return // no time
		}
		text, _ := TimeOrNil(at).(string)
		back, err := ParseTime(text)
		if err != nil {
			t.Fatal(err)
		}
		if want := at.UTC().Truncate(time.Microsecond); !back.Equal(want) {
			t.Errorf("%q was written as %q, which is %v, want %v", s, text, back, want)
		}
	})
}

func FuzzExpiry(f *testing.F) {
	for _, s := range []string{
		"60", "1.5", "-1", "1e9", "9e18", "null", `"2030-01-02T03:04:05Z"`,
		`{"__type__":"datetime","__value__":"2030-01-02T03:04:05"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var e Expiry
		if json.Unmarshal(text, &e) != nil {
			return
		}
		out, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var back Expiry
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("what was written cannot be read: %v in %s", err, out)
		}
		now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		// A duration is a number of seconds: what a float64 does not hold is lost.
		if off := back.When(now).Sub(e.When(now)).Abs(); off > e.After.Abs()/(1<<50)+1 {
			t.Errorf("%s was written as %s, which is %v off", text, out, off)
		}
	})
}

// FuzzFailure: of a failure that is cut short, no more is left than was asked for.
func FuzzFailure(f *testing.F) {
	f.Add("a message", "a trace", "Type", 3, uint16(100))
	f.Fuzz(func(t *testing.T, message, trace, kind string, causes int, most uint16) {
		one := Failure{Type: kind, Message: message, Traceback: trace}
		for range min(max(causes, 0), 50) {
			one.Causes = append(one.Causes, Failure{Type: kind, Message: message})
		}
		short := one.shorten(int(most))
		if len(short.Message) > int(most)/4+40 || len(short.Causes) > len(one.Causes) {
			t.Errorf("cut to %d, its message has %d bytes", most, len(short.Message))
		}
		if len(message) <= int(most)/4 && short.Message != message {
			t.Errorf("%q was cut to %q, and is short", message, short.Message)
		}
	})
}

// FuzzIDWord: an id becomes a word of a key, and a part of other names, that can be undone.
func FuzzIDWord(f *testing.F) {
	for _, id := range []string{
		"an-id", "", ".", "a.b", "a*", "a b", "ключ", "ABCDEF01-0000-4000-8000-000000000000", "a:1@b=c_d",
		"a%20b", "a:1", "a~", "> ", "\n", strings.Repeat("long", 60), strings.Repeat("ü", 127),
	} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if CheckID(id) != nil {
			return
		}
		for _, c := range []byte(IDWord(id)) {
			if !wordBytes[c] && c != '%' {
				t.Errorf("the word %q of %q has a %q in it", IDWord(id), id, c)
			}
		}
		for _, way := range []func(string) string{IDWord, IDName} {
			word := way(id)
			if back, err := url.PathUnescape(word); !strings.HasPrefix(word, "%%") && (err != nil || back != id) {
				t.Errorf("%q is encoded as %q, which is %q, %v", id, word, back, err)
			}
		}
		if name := IDName(id); strings.ContainsAny(name, ":~") || !utf8.ValidString(name) || len(name) > longestWord {
			t.Errorf("the name of %q is %q", id, name)
		}
	})
}
