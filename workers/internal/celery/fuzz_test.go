package celery

import (
	"encoding/json"
	"testing"
	"time"
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
