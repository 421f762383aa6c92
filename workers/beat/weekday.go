package beat

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-co-op/gocron/v2"
)

// The two fields of a crontab that say which days it is due on. By crontab(5), both must
// match if one of them begins with a star, and one is enough if neither does; and Sunday
// is 0 and 7. The reader of crontabs takes "*/2" for a field without a star, and knows no
// day 7: so the day of the week is read here.

// weekdays are days of the week, from Sunday on.
type weekdays [7]bool

// splitDays takes the day of the week out of a crontab, where both fields must match:
// what is left is due on any of them. Otherwise its days are written as numbers that the
// reader knows. Fields that cannot be read are left to it: it says what is wrong.
func splitDays(spec string) (rest string, days weekdays, both bool) {
	fields := strings.Fields(spec)
	if len(fields) < 5 {
		return spec, days, false
	}
	last := len(fields) - 1
	month, week := fields[last-2], fields[last]
	days, ok := parseDays(week)
	switch {
	case !ok || week == "*" || week == "?":
		return spec, days, false
	case strings.IndexByte("*?", month[0]) >= 0 || strings.IndexByte("*?", week[0]) >= 0:
		fields[last], both = "*", true
	case slices.ContainsFunc(strings.Split(month, ","), isAny):
		fields[last-2], fields[last] = "*", "*" // one of two is enough, and one always is
	default:
		fields[last] = days.String()
	}
	return strings.Join(fields, " "), days, both
}

// isAny reports whether a part of a field is all there is, which the reader takes for the
// whole field.
func isAny(part string) bool {
	span, step, _ := strings.Cut(part, "/")
	n, err := strconv.Atoi(step)
	return (span == "*" || span == "?") && (step == "" || err == nil && n == 1)
}

// String is a list of numbers.
func (d weekdays) String() string {
	var list []string
	for day, is := range d {
		if is {
			list = append(list, strconv.Itoa(day))
		}
	}
	return strings.Join(list, ",")
}

// parseDays reads a field: a list of days, ranges and steps. False says that it cannot.
func parseDays(field string) (days weekdays, ok bool) {
	for part := range strings.SplitSeq(field, ",") {
		from, to, step, ok := parseRange(part)
		if !ok {
			return days, false
		}
		for day := from; day <= to; day += step {
			days[day%7] = true
		}
	}
	return days, true
}

// parseRange reads one part of it: *, a day, or one day to another, and a step.
func parseRange(part string) (from, to, step int, ok bool) {
	span, every, stepped := strings.Cut(part, "/")
	step = 1
	if stepped {
		var err error
		if step, err = strconv.Atoi(every); err != nil || step < 1 {
			return 0, 0, 0, false
		}
	}
	if span == "*" || span == "?" {
		return 0, 6, step, true
	}
	first, last, ranged := strings.Cut(span, "-")
	from, ok = parseDay(first)
	to = from
	switch {
	case ranged && ok:
		if to, ok = parseDay(last); to == 0 && from > 0 {
			to = 7
		}
	case stepped:
		to = max(6, from)
	}
	return from, to, step, ok && from <= to
}

// dayNames are the names of the days.
var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func parseDay(text string) (int, bool) {
	if day := slices.Index(dayNames, strings.ToLower(text)); day >= 0 {
		return day, true
	}
	day, err := strconv.Atoi(text)
	return day, err == nil && day >= 0 && day <= 7 && len(text) == 1
}

// onWeekdays is a crontab that is due on certain days of the week only.
type onWeekdays struct {
	gocron.Cron
	days weekdays
}

// calendar is in how many years all days of the month are once on all days of the week,
// a 29 February among them, over a century without one.
const calendar = 40

// Next is the next time on one of the days; the zero time if there is none.
func (c onWeekdays) Next(t time.Time) time.Time {
	for last := t.AddDate(calendar, 0, 0); t.Before(last); {
		next := c.Cron.Next(t)
		if next.IsZero() || c.days[next.Weekday()] {
			return next
		}
		t = time.Date(next.Year(), next.Month(), next.Day(), 23, 59, 59, 0, next.Location())
	}
	return time.Time{}
}
