package beat

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// occurrences are the next n times of a schedule, on the clock of a zone.
func occurrences(t *testing.T, s Schedule, zone, from string, n int) []string {
	t.Helper()
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339, from)
	if err != nil {
		t.Fatal(err)
	}
	times, err := s.times(at)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for range n {
		at = times.after(at)
		list = append(list, at.In(location).Format("01-02 15:04:05 -0700"))
	}
	return list
}

func TestCrontabOnAClockThatIsPutForwardAndBack(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, spec, zone, from, want string
	}{
		{
			"a time that is left out", "30 3 * * *", "Europe/Kyiv", "2026-03-28T00:00:00Z",
			"03-28 03:30:00 +0200, 03-29 04:00:00 +0300, 03-30 03:30:00 +0300",
		}, {
			"several of them", "0,15,30 3 * * *", "Europe/Kyiv", "2026-03-29T00:00:00Z",
			"03-29 04:00:00 +0300, 03-30 03:00:00 +0300, 03-30 03:15:00 +0300",
		}, {
			"and the one behind them", "0 3,4 * * *", "Europe/Kyiv", "2026-03-29T00:00:00Z",
			"03-29 04:00:00 +0300, 03-30 03:00:00 +0300, 03-30 04:00:00 +0300",
		}, {
			"a time that comes twice", "30 3 * * *", "Europe/Kyiv", "2026-10-24T12:00:00Z",
			"10-25 03:30:00 +0300, 10-26 03:30:00 +0200, 10-27 03:30:00 +0200",
		}, {
			"times around them", "30 2-4 * * *", "Europe/Kyiv", "2026-10-24T22:00:00Z",
			"10-25 02:30:00 +0300, 10-25 03:30:00 +0300, 10-25 04:30:00 +0200",
		}, {
			"every hour, forward", "30 * * * *", "Europe/Kyiv", "2026-03-29T00:00:00Z",
			"03-29 02:30:00 +0200, 03-29 04:30:00 +0300, 03-29 05:30:00 +0300",
		}, {
			"every hour, back", "30 * * * *", "Europe/Kyiv", "2026-10-25T00:00:00Z",
			"10-25 03:30:00 +0300, 10-25 03:30:00 +0200, 10-25 04:30:00 +0200",
		}, {
			"every 20 minutes, back", "*/20 * * * *", "America/New_York", "2026-11-01T05:30:00Z",
			"11-01 01:40:00 -0400, 11-01 01:00:00 -0500, 11-01 01:20:00 -0500",
		}, {
			"half an hour, back", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z",
			"04-05 01:45:00 +1100, 04-06 01:45:00 +1030, 04-07 01:45:00 +1030",
		}, {
			"half an hour, forward", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z",
			"10-04 02:30:00 +1100, 10-05 02:15:00 +1100, 10-06 02:15:00 +1100",
		}, {
			"a day that is left out", "0 9 * * *", "Pacific/Apia", "2011-12-29T20:00:00Z",
			"12-31 00:00:00 +1400, 12-31 09:00:00 +1400, 01-01 09:00:00 +1400",
		}, {
			"seconds", "*/30 59 23 31 12 *", "UTC", "2026-01-01T00:00:00Z",
			"12-31 23:59:00 +0000, 12-31 23:59:30 +0000, 12-31 23:59:00 +0000",
		}, {
			"names", "0 9 * JAN MON", "UTC", "2026-01-01T00:00:00Z",
			"01-05 09:00:00 +0000, 01-12 09:00:00 +0000, 01-19 09:00:00 +0000",
		},
	} {
		got := strings.Join(occurrences(t, Crontab(test.spec).In(test.zone), test.zone, test.from, 3), ", ")
		if got != test.want {
			t.Errorf("%s: %q in %s is due at\n%s, want\n%s", test.name, test.spec, test.zone, got, test.want)
		}
	}
}

// Every day has its run, and one only, whatever the clock does, and whatever the
// time it is looked for from.
func TestCrontabOnceADay(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Europe/Kyiv", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "UTC"} {
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range []string{"0 0 * * *", "30 1 * * *", "59 1 * * *", "0 2 * * *", "30 2 * * *", "0 3 * * *", "45 3 * * *", "17 30 0 * * *"} {
			c, err := newCrontab(spec, zone)
			if err != nil {
				t.Fatal(err)
			}
			days := make(map[string]int)
			at := time.Date(2018, 1, 1, 12, 0, 0, 0, location)
			for range 3 * 365 {
				next := c.after(at)
				days[next.In(location).Format(time.DateOnly)]++
				for _, later := range []time.Duration{next.Sub(at) / 3, next.Sub(at) - time.Second} {
					if got := c.after(at.Add(later)); !got.Equal(next) {
						t.Fatalf("%q in %s: after %v comes %v, but %v later %v", spec, zone, at, next, later, got)
					}
				}
				at = next
			}
			if len(days) != 3*365 {
				t.Errorf("%q in %s: %d runs on %d days", spec, zone, 3*365, len(days))
			}
		}
	}
}

// One that leaves the hour open is due each time its minutes come.
func TestCrontabLeavesNoGap(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Europe/Kyiv", "America/New_York", "Australia/Lord_Howe"} {
		c, err := newCrontab("*/30 * * * *", zone)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for at.Year() == 2026 {
			next := c.after(at)
			if next.Sub(at) != 30*time.Minute {
				t.Fatalf("in %s, %v follows %v", zone, next, at)
			}
			at = next
		}
	}
}

func TestScheduleSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]Schedule{
		"the schedule is empty":                  {},
		"at: the schedule is empty":              At(),
		"use a second or more":                   Every(time.Millisecond),
		"the interval is -1s":                    Every(-time.Second),
		"only a crontab has a time zone":         Every(time.Minute).In("Europe/Kyiv"),
		`there is no time zone "Europe/Nowhere"`: Crontab("* * * * *").In("Europe/Nowhere"),
		`there is no time zone "Local"`:          Crontab("* * * * *").In("Local"),
		"give the time zone with In":             Crontab("TZ=UTC * * * * *"),
		"use Every for an interval":              Crontab("@every 5m"),
		"crontab \" \": it is empty":             Crontab(" "),
		"that never comes":                       Crontab("0 0 30 2 *"),
		"expected 5 to 6 fields, found 1":        Crontab("x"),
		"end of range (61) above maximum (59)":   Crontab("61 * * * *"),
		"failed to parse int from five":          Crontab("five * * * *"),
		"unrecognized descriptor: @fortnightly":  Crontab("@fortnightly"),
	} {
		_, err := s.times(time.Now())
		if want = strings.TrimPrefix(want, "at: "); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: got %v, want an error with %q", s, err, want)
		}
	}
}

func FuzzCrontab(f *testing.F) {
	for _, spec := range []string{"* * * * *", "0 */5 * * * *", "@daily", "0 9 1-7 * MON", "1,2-4/2 * ? * *", ""} {
		f.Add(spec, int64(1774742400))
	}
	zone, err := time.LoadLocation("Europe/Kyiv")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, spec string, unix int64) {
		c, err := newCrontab(spec, "Europe/Kyiv")
		at := time.Unix(unix%(1<<33), 0).In(zone)
		if err != nil || at.Year() < 1990 {
			return
		}
		next := c.after(at)
		if !next.IsZero() && !next.After(at) {
			t.Errorf("%q: after %v comes %v", spec, at, next)
		}
	})
}

func TestMomentsAreSorted(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	s := At(noon.Add(time.Hour), noon, noon.Add(-time.Hour))
	got := occurrences(t, s, "UTC", "2026-01-01T11:30:00Z", 2)
	if want := []string{"01-01 12:00:00 +0000", "01-01 13:00:00 +0000"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestCrontab_DaysAsInCrontab5: both fields count if one of them begins with a star.
func TestCrontab_DaysAsInCrontab5(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ spec, want string }{ // from Monday, 1 June 2026, on
		{"0 4 * * 7", "06-07 06-14 06-21"},
		{"0 4 * * 0", "06-07 06-14 06-21"},
		{"0 4 * * SUN", "06-07 06-14 06-21"},
		{"0 4 * * 5-7", "06-05 06-06 06-07"},
		{"0 4 * * fri-sun", "06-05 06-06 06-07"},
		{"0 4 * * 6-7/2", "06-06 06-13 06-20"},
		{"0 4 * * 1-7", "06-01 06-02 06-03"},
		{"0 4 * * 0,3", "06-03 06-07 06-10"},
		{"0 4 * * 5/2", "06-05 06-12 06-19"},
		{"0 4 */2 * mon", "06-01 06-15 06-29"},
		{"0 4 */2 * tue", "06-09 06-23 07-07"},
		{"0 4 13 * fri", "06-05 06-12 06-13"},
		{"0 4 13 * */5", "09-13 11-13 12-13"}, // Sundays and Fridays
		{"0 4 */31,2-7 * MON", "06-01 07-06 08-03"},
		{"0 4 1-7 * MON", "06-01 06-02 06-03"},
		{"0 4 ? * MON", "06-01 06-08 06-15"},
		{"0 4 13 * ?", "06-13 07-13 08-13"},
		{"0 0 4 */10 * 1", "06-01 08-31 09-21"},
		{"@weekly", "06-07 06-14 06-21"},
		{"@monthly", "06-01 07-01 08-01"},
		{"0 4 13,* * fri", "06-01 06-02 06-03"}, // it begins with no star
		{"@yearly", "01-01 01-01 01-01"},
		{"@daily", "06-01 06-02 06-03"},
	} {
		got := occurrences(t, Crontab(test.spec), "UTC", "2026-05-31T23:00:00Z", 3)
		for i := range got {
			got[i] = got[i][:5]
		}
		if list := strings.Join(got, " "); list != test.want {
			t.Errorf("%q is due on %s, want %s", test.spec, list, test.want)
		}
	}
	for _, spec := range []string{"0 4 * * 8", "0 4 * * 07", "0 4 * * mon-", "0 4 * * 5-3", "0 4 * * */0", "0 4 * * */x", "0 4 * * ,", "0 4 * * sunday"} {
		if _, err := newCrontab(spec, "UTC"); err == nil {
			t.Errorf("%q is accepted", spec)
		}
	}
}

// naively reports whether a field matches a number, by nothing but crontab(5).
func naively(field string, number, least, most int, names string) bool {
	for part := range strings.SplitSeq(strings.ToLower(field), ",") {
		span, step, stepped := strings.Cut(part, "/")
		every := 1
		if stepped {
			every, _ = strconv.Atoi(step)
		}
		value := func(text string) int {
			if at := strings.Index(names, text); len(text) == 3 && at >= 0 {
				return at/3 + least
			}
			n, _ := strconv.Atoi(text)
			return n
		}
		from, to := least, most
		if span != "*" {
			first, last, ranged := strings.Cut(span, "-")
			from = value(first)
			to = from
			if ranged {
				to = value(last)
			}
		}
		for n := from; n <= to; n += every {
			if n == number || names == daysInOrder && n%7 == number {
				return true
			}
		}
	}
	return false
}

const (
	monthsInOrder = "janfebmaraprmayjunjulaugsepoctnovdec"
	daysInOrder   = "sunmontuewedthufrisat"
)

func dueNaively(spec string, at time.Time) bool {
	f := strings.Fields(spec)
	month := naively(f[2], at.Day(), 1, 31, "")
	week := naively(f[4], int(at.Weekday()), 0, 6, daysInOrder)
	day := month || week
	if f[2][0] == '*' || f[4][0] == '*' {
		day = month && week
	}
	return day && naively(f[0], at.Minute(), 0, 59, "") && naively(f[1], at.Hour(), 0, 23, "") && naively(f[3], int(at.Month()), 1, 12, monthsInOrder)
}

// randomCrontab makes a line of all that crontab(5) knows.
func randomCrontab(r *rand.Rand) string {
	field := func(least, most int, names string, star int) string {
		var parts []string
		for range 1 + r.IntN(3) {
			name := func(n int) string {
				if i := n - least; names != "" && r.IntN(2) == 0 && 3*i < len(names) {
					return names[3*i : 3*i+3]
				}
				return strconv.Itoa(n)
			}
			from := least + r.IntN(most-least+1)
			part := name(from)
			switch r.IntN(star) {
			case 0:
				part = "*"
			case 1:
				part = name(from) + "-" + strconv.Itoa(from+r.IntN(most-from+1))
			}
			if r.IntN(2) == 0 && strings.ContainsAny(part, "*-") {
				part += "/" + strconv.Itoa(1+r.IntN(9))
			}
			parts = append(parts, part)
		}
		return strings.Join(parts, ",")
	}
	return strings.Join([]string{
		field(0, 59, "", 3), field(0, 23, "", 3), field(1, 31, "", 4), field(1, 12, monthsInOrder, 2), field(0, 7, daysInOrder, 4),
	}, " ")
}

// FuzzCrontab_AgainstAClock: a walk from minute to minute finds the same times.
func FuzzCrontab_AgainstAClock(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a test
		spec := randomCrontab(r)
		at := time.Unix(r.Int64N(1<<32), 0).UTC()
		c, err := newCrontab(spec, "UTC")
		if err != nil {
			if strings.Contains(err.Error(), "never comes") {
				return
			}
			t.Fatal(err)
		}
		next := c.after(at)
		for walk := at.Truncate(time.Minute).Add(time.Minute); walk.Before(at.AddDate(0, 3, 0)); walk = walk.Add(time.Minute) {
			if !dueNaively(spec, walk) {
				continue
			}
			if !walk.Equal(next) {
				t.Errorf("%q: after %v comes %v, want %v", spec, at, next, walk)
			}
			return
		}
		if !next.IsZero() && next.Before(at.AddDate(0, 3, 0)) {
			t.Errorf("%q: after %v comes %v, want nothing for three months", spec, at, next)
		}
	})
}
