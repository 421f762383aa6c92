package beat

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-co-op/gocron/v2"
)

// crontab is due when a clock shows certain times. Those are found on a clock that
// is never put forward or back, and then brought to that of the zone.
type crontab struct {
	cron    gocron.Cron
	zone    *time.Location
	anyHour bool
}

func newCrontab(spec, zone string) (crontab, error) {
	if err := checkCrontab(spec); err != nil {
		return crontab{}, fmt.Errorf("crontab %q: %w", spec, err)
	}
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return crontab{}, fmt.Errorf("crontab %q: there is no time zone %q; use a name such as Europe/Kyiv", spec, zone)
	}
	rest, days, both := splitDays(spec)
	cron := gocron.NewDefaultCron(true)
	switch err := cron.IsValid(rest, time.UTC, time.Now()); {
	case errors.Is(err, gocron.ErrCronJobInvalid):
		return crontab{}, fmt.Errorf("crontab %q: that never comes", spec)
	case err != nil:
		return crontab{}, fmt.Errorf("crontab %q: %s", spec, strings.ReplaceAll(err.Error(), "\n", ": "))
	}
	if both {
		cron = onWeekdays{cron, days}
	}
	return crontab{cron, location, anyHour(spec)}, nil
}

func checkCrontab(spec string) error {
	switch {
	case strings.Contains(spec, "TZ="):
		return errors.New("give the time zone with In")
	case strings.HasPrefix(spec, "@every"):
		return errors.New("use Every for an interval")
	case strings.TrimSpace(spec) == "":
		return errors.New("it is empty")
	}
	return nil
}

// anyHour reports whether a crontab leaves the hour open.
func anyHour(spec string) bool {
	fields := strings.Fields(spec)
	if len(fields) < 5 {
		return spec == "@hourly"
	}
	switch fields[len(fields)-4] {
	case "*", "?", "*/1":
		return true
	}
	return false
}

func (c crontab) after(t time.Time) time.Time {
	if c.anyHour {
		return c.whenever(t)
	}
	return c.once(t)
}

// whenever takes a time as often as the clock shows it: it looks on from one
// change of the clock to the next.
func (c crontab) whenever(t time.Time) time.Time {
	local := t.In(c.zone)
	from := shown(local)
	for {
		next := c.cron.Next(from)
		if next.IsZero() {
			return next
		}
		_, ahead := local.Zone()
		_, end := local.ZoneBounds()
		if next = next.Add(-inSeconds(ahead)); end.IsZero() || next.Before(end) {
			return next
		}
		local = end.In(c.zone)
		from = shown(local).Add(-time.Second)
	}
}

// once takes every time once.
func (c crontab) once(t time.Time) time.Time {
	for next := shown(t.In(c.zone)); ; {
		if next = c.cron.Next(next); next.IsZero() {
			return next
		}
		if at := c.moment(next); at.After(t) {
			return at
		}
	}
}

// moment is when the clock shows a time: of two moments the first, and if it does
// not, the one at which it leaves the time out.
func (c crontab) moment(show time.Time) time.Time {
	at := time.Date(show.Year(), show.Month(), show.Day(), show.Hour(), show.Minute(), show.Second(), 0, c.zone)
	begin, end := at.ZoneBounds()
	switch {
	case shown(at).After(show):
		return begin.UTC()
	case shown(at).Before(show):
		return end.UTC()
	case begin.IsZero():
		return at.UTC()
	}
	_, before := begin.Add(-1).Zone()
	_, ahead := at.Zone()
	if first := at.Add(-inSeconds(before - ahead)); before > ahead && first.Before(begin) {
		return first.UTC()
	}
	return at.UTC()
}

// shown is what a clock shows, as a time of UTC.
func shown(local time.Time) time.Time {
	_, ahead := local.Zone()
	return local.UTC().Add(inSeconds(ahead))
}

func inSeconds(n int) time.Duration { return time.Duration(n) * time.Second }
