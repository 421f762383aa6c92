package beat

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"warren/workers"
)

// A Schedule says when an [Entry] is due. [Every], [Crontab] and [At] make one.
// What is wrong with it is told when it is used.
type Schedule struct {
	every   time.Duration
	crontab string
	zone    string
	at      []time.Time
}

// Every is due again and again, for the first time one interval after its entry
// was put, by the broker's clock. It is a second or more. The time zone does not count,
// nor does the clock of the scheduler. Where the broker's clock is put back behind the
// last run, runs go on at once; where it is put forward, what is left out counts as
// [Missed].
func Every(interval time.Duration) Schedule { return Schedule{every: interval} }

// Crontab is due when the clock shows a time of the crontab: five fields, minute,
// hour, day of the month, month and day of the week, or six with the second in
// front of them. Names such as MON, steps, lists, and @hourly, @daily, @weekly,
// @monthly and @yearly are known, and Sunday is 0 and 7. As in crontab(5), a day is one
// of the month's and one of the week's if one of these fields begins with a star, as */2
// does; if neither does, one of the two is enough. Celery's crontab wants both in any
// case: for the first Monday of a month, write "0 9 */31,2-7 * MON". The clock is the broker's, in UTC; see [Schedule.In].
//
// Where the broker's clock is put back behind the last run, a crontab that leaves the
// hour open goes on at once. One of certain hours waits until the clock has shown what it
// shows twice, as in cron(8), unless it was put back by more than three hours: that was a
// correction, and the crontab goes on at once.
func Crontab(spec string) Schedule { return Schedule{crontab: spec} }

// At is due at these times, once each. Those that are over when its entry is put
// are left out.
func At(times ...time.Time) Schedule { return Schedule{at: times} }

// In gives a [Crontab] the clock of a time zone, by its name in the IANA database
// such as "Europe/Kyiv".
//
// When that clock is put forward, times are left out: what would be due at one of
// them is due once, right behind them. When it is put back, times are shown twice:
// what is due at one of them is due the first time. A crontab that leaves the hour
// open, as "*/5 * * * *" does, is due whenever the clock shows its minutes: there
// is no gap of an hour in what is to be done each five minutes.
func (s Schedule) In(zone string) Schedule {
	s.zone = zone
	return s
}

// times are the moments of a schedule: of those after a time, the first; the zero
// time if there is none.
type times interface{ after(time.Time) time.Time }

// times reads the schedule of an entry that was put at a time.
func (s Schedule) times(since time.Time) (times, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	switch {
	case s.every != 0:
		return interval{since, s.every}, nil
	case s.crontab != "":
		return newCrontab(s.crontab, s.zone)
	}
	return newMoments(s.at), nil
}

func (s Schedule) check() error {
	switch {
	case s.every == 0 && s.crontab == "" && len(s.at) == 0:
		return errors.New("the schedule is empty; make it with Every, Crontab or At")
	case s.every != 0 && s.every < time.Second:
		return fmt.Errorf("the interval is %v; use a second or more", s.every)
	case s.zone != "" && s.crontab == "":
		return errors.New("only a crontab has a time zone")
	}
	return nil
}

// interval is every so much, from a time on.
type interval struct {
	since time.Time
	every time.Duration
}

func (i interval) after(t time.Time) time.Time {
	if t.Before(i.since) {
		t = i.since
	}
	return i.since.Add((t.Sub(i.since)/i.every + 1) * i.every)
}

// moments are times, sorted.
type moments []time.Time

func newMoments(list []time.Time) moments {
	m := make(moments, len(list))
	for i, at := range list {
		m[i] = at.UTC().Round(0)
	}
	slices.SortFunc(m, time.Time.Compare)
	return m
}

func (m moments) after(t time.Time) time.Time {
	for _, at := range m {
		if at.After(t) {
			return at
		}
	}
	return time.Time{}
}

// scheduleJSON is how a schedule is stored.
type scheduleJSON struct {
	Every   workers.Seconds `json:"every,omitzero"`
	Crontab string          `json:"crontab,omitempty"`
	Zone    string          `json:"zone,omitempty"`
	At      []time.Time     `json:"at,omitempty"`
}

// MarshalJSON writes the schedule.
func (s Schedule) MarshalJSON() ([]byte, error) {
	return json.Marshal(scheduleJSON{workers.Seconds(s.every), s.crontab, s.zone, newMoments(s.at)})
}

// UnmarshalJSON reads it.
func (s *Schedule) UnmarshalJSON(text []byte) error {
	var in scheduleJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*s = Schedule{every: time.Duration(in.Every), crontab: in.Crontab, zone: in.Zone, at: in.At}
	return nil
}

// String says when it is due.
func (s Schedule) String() string {
	switch {
	case s.every != 0:
		return "every " + s.every.String()
	case s.crontab != "" && s.zone != "":
		return s.crontab + " in " + s.zone
	case s.crontab != "":
		return s.crontab
	}
	return fmt.Sprintf("at %d times", len(s.at))
}
