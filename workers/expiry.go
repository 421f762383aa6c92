package workers

import (
	"encoding/json"
	"fmt"
	"time"
)

// expiry is Celery's expires: a moment, or seconds from when the task is sent.
type expiry struct {
	at    time.Time
	after time.Duration
}

// when is the moment, for a task sent now; zero for none.
func (e *expiry) when(now time.Time) time.Time {
	switch {
	case e == nil:
		return time.Time{}
	case e.at.IsZero():
		return now.Add(e.after)
	}
	return e.at
}

// MarshalJSON writes a moment as ISO 8601, a duration as seconds.
func (e expiry) MarshalJSON() ([]byte, error) {
	if e.at.IsZero() {
		return seconds(e.after).MarshalJSON()
	}
	return json.Marshal(e.at)
}

// UnmarshalJSON reads either.
func (e *expiry) UnmarshalJSON(text []byte) error {
	var after seconds
	if err := json.Unmarshal(text, &after); err == nil {
		*e = expiry{after: time.Duration(after)}
		return nil
	}
	at, err := readTime(text)
	*e = expiry{at: at}
	return err
}

// moment is a time as Celery writes it.
type moment struct{ time.Time }

// UnmarshalJSON reads ISO 8601; without a zone it is UTC.
func (m *moment) UnmarshalJSON(text []byte) error {
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
	if isObject(text) {
		if err := json.Unmarshal(text, &wrapped); err != nil || wrapped.Type != "datetime" {
			return time.Time{}, fmt.Errorf("%s is no time", clip(text))
		}
		return parseTime(wrapped.Value)
	}
	if err := json.Unmarshal(text, &wrapped.Value); err != nil {
		return time.Time{}, err
	}
	return parseTime(wrapped.Value)
}

// parseTime reads a moment as Celery writes it: ISO 8601, without a zone in UTC.
func parseTime(s string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		at, err = time.Parse("2006-01-02T15:04:05.999999999", s)
	}
	if err != nil || checkTime(at) != nil {
		return time.Time{}, fmt.Errorf("%q is no time in ISO 8601", clip([]byte(s)))
	}
	return at, nil
}

// checkTime refuses what has no place in ISO 8601, nor in Python.
func checkTime(at time.Time) error {
	if year := at.UTC().Year(); year < 1 || year > 9999 {
		return fmt.Errorf("a time in the year %d cannot be sent; use one from 1 to 9999", year)
	}
	return nil
}
