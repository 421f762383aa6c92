package celery

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"warren/workers/internal/jsontext"
)

// Expiry is Celery's expires: at a moment, or so long after the task was sent. One of
// the two is given.
type Expiry struct {
	At    time.Time
	After time.Duration
}

// When is the moment, for a task sent now; zero for none.
func (e *Expiry) When(now time.Time) time.Time {
	switch {
	case e == nil:
		return time.Time{}
	case e.At.IsZero():
		return now.Add(e.After)
	}
	return e.At
}

// MarshalJSON writes a moment as ISO 8601, a duration as seconds.
func (e Expiry) MarshalJSON() ([]byte, error) {
	if e.At.IsZero() {
		return Seconds(e.After).MarshalJSON()
	}
	return json.Marshal(e.At)
}

// UnmarshalJSON reads either.
func (e *Expiry) UnmarshalJSON(text []byte) error {
	var after Seconds
	if err := json.Unmarshal(text, &after); err == nil {
		*e = Expiry{After: time.Duration(after)}
		return nil
	}
	at, err := readTime(text)
	*e = Expiry{At: at}
	return err
}

// Moment is a time that Celery writes in ISO 8601.
type Moment struct{ time.Time }

// UnmarshalJSON reads ISO 8601; without a zone it is UTC.
func (m *Moment) UnmarshalJSON(text []byte) error {
	at, err := readTime(text)
	m.Time = at
	return err
}

// readTime reads a moment in JSON: a text, which newer Celerys wrap.
func readTime(text []byte) (time.Time, error) {
	var wrapped struct {
		Type  string `json:"__type__"`
		Value string `json:"__value__"`
	}
	if jsontext.IsObject(text) {
		if err := json.Unmarshal(text, &wrapped); err != nil || wrapped.Type != "datetime" {
			return time.Time{}, fmt.Errorf("%s is no time", jsontext.Clip(text))
		}
		return ParseTime(wrapped.Value)
	}
	if err := json.Unmarshal(text, &wrapped.Value); err != nil {
		return time.Time{}, err
	}
	return ParseTime(wrapped.Value)
}

// ParseTime reads a moment as clients of Celery write it: ISO 8601, with a T or a blank
// before the time of day, which may be missing, in parts too; with Z, +01:00, +0100 or
// +01 behind it, or with nothing, which is UTC.
func ParseTime(s string) (time.Time, error) {
	day, clock := s, "00:00"
	if len(s) > len(time.DateOnly) && strings.IndexByte("Tt ", s[len(time.DateOnly)]) >= 0 {
		day, clock = s[:len(time.DateOnly)], s[len(time.DateOnly)+1:]
	}
	clock, zone := cutZone(clock)
	layout := "15:04:05" // with a fraction, if there is one
	if len(clock) == len("15:04") {
		layout = "15:04"
	}
	at, err := time.Parse(time.DateOnly+"T"+layout+"Z07:00", day+"T"+clock+zone)
	if err != nil || CheckTime(at) != nil {
		return time.Time{}, fmt.Errorf("%q is no time in ISO 8601", jsontext.Clip([]byte(s)))
	}
	return at, nil
}

// cutZone cuts the zone off a time of day, and writes it as Go reads it.
func cutZone(clock string) (rest, zone string) {
	if last := len(clock) - 1; last >= 0 && clock[last]|0x20 == 'z' {
		return clock[:last], "Z"
	}
	at := strings.LastIndexAny(clock, "+-")
	if at < 0 {
		return clock, "Z"
	}
	rest, zone = clock[:at], clock[at:]
	switch len(zone) {
	case len("+01"):
		zone += ":00"
	case len("+0100"):
		zone = zone[:3] + ":" + zone[3:]
	}
	return rest, zone
}

// CheckTime refuses what has no place in ISO 8601, nor in Python.
func CheckTime(at time.Time) error {
	if year := at.UTC().Year(); year < 1 || year > 9999 {
		return fmt.Errorf("a time in the year %d cannot be sent; use one from 1 to 9999", year)
	}
	return nil
}

// latest is the last year in which a task can be due.
const latest = 2261

// CheckDue refuses a time that no queue keeps a task until.
func CheckDue(at time.Time) error {
	if at.UTC().Year() > latest {
		return Permanent(fmt.Errorf("the task is due in %d; use a time before %d", at.UTC().Year(), latest+1))
	}
	return nil
}
