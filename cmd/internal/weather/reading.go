package weather

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Reading is the weather of one place at one time. A source may not know all of it:
// a figure that it does not know, or that cannot be true, is nil.
type Reading struct {
	Place       string    `json:"place"`   // as the source calls it
	Country     string    `json:"country"` // empty for a place that is in none
	Temperature *float64  `json:"temperature"`
	FeelsLike   *float64  `json:"feels_like"`
	Humidity    *float64  `json:"humidity"` // per cent
	Wind        *float64  `json:"wind"`
	Description string    `json:"description"` // empty if it is not known
	Units       Units     `json:"units"`       // of temperatures and wind
	Source      string    `json:"source"`
	Observed    time.Time `json:"observed"` // in the zone of the place, if the source tells it; zero if it is not known
	Fetched     time.Time `json:"fetched"`
}

// measure takes the figures that can be true: the bounds are somewhat beyond what was
// ever measured on Earth.
func (r *Reading) measure(temperature, feelsLike, humidity, wind figure) {
	r.Temperature = temperature.within(-100, 70, r.Units.celsius)
	r.FeelsLike = feelsLike.within(-150, 120, r.Units.celsius)
	r.Humidity = humidity.within(0, 100, plain)
	r.Wind = wind.within(0, 500, r.Units.kmh)
}

// String is one line for a terminal. What is not known is said to be unknown.
func (r Reading) String() string {
	return fmt.Sprintf("%s: %s, %s, wind %s, humidity %s - %s, %s",
		r.where(), r.warmth(), orUnknown(r.Description, "weather unknown"),
		told(r.Wind, whole, " "+r.Units.speed()), told(r.Humidity, whole, " %"), r.Source, r.when())
}

// warmth is the temperature, and what it feels like.
func (r Reading) warmth() string {
	switch {
	case r.Temperature == nil && r.FeelsLike == nil:
		return "temperature unknown"
	case r.Temperature == nil:
		return "temperature unknown (feels like " + told(r.FeelsLike, tenths, " "+r.Units.degrees()) + ")"
	case r.FeelsLike == nil:
		return told(r.Temperature, tenths, " "+r.Units.degrees())
	}
	return fmt.Sprintf("%s %s (feels like %s)", tenths(*r.Temperature), r.Units.degrees(), tenths(*r.FeelsLike))
}

// when says when it was observed, or else asked for.
func (r Reading) when() string {
	if r.Observed.IsZero() {
		return "asked at " + clock(r.Fetched)
	}
	return "reading of " + clock(r.Observed)
}

// told is a figure with its unit, if it is known.
func told(x *float64, write func(float64) string, unit string) string {
	if x == nil {
		return "unknown"
	}
	return write(*x) + unit
}

func whole(x float64) string { return fmt.Sprintf("%.0f", x) }

func orUnknown(text, unknown string) string {
	if text == "" {
		return unknown
	}
	return text
}

// LastKnown is the line for a reading that is shown because there is no newer
// one. It says how old the reading is.
func (r Reading) LastKnown(now time.Time) string {
	since := r.Observed
	if since.IsZero() {
		since = r.Fetched
	}
	return fmt.Sprintf("last known reading, %s old: %s", age(now.Sub(since)), r)
}

func (r Reading) where() string {
	if r.Country == "" || r.Country == r.Place {
		return r.Place
	}
	return r.Place + ", " + r.Country
}

// check refuses a reading that tells nothing, or of another time.
func (r Reading) check() error {
	switch {
	case r.Place == "":
		return fmt.Errorf("answered without the name of the place")
	case r.Temperature == nil && r.FeelsLike == nil && r.Humidity == nil && r.Wind == nil && r.Description == "":
		return fmt.Errorf("answered without the weather: it has no temperature, wind, humidity or weather code that can be true")
	case !r.Observed.IsZero() && r.Observed.Year() < 2000:
		return fmt.Errorf("answered with a reading of the year %d", r.Observed.Year())
	}
	return nil
}

// now is what a reading is stamped with.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

func between(x, low, high float64) bool { return low <= x && x <= high }

// tenths shows no more than a tenth of a degree, and not "-0".
func tenths(x float64) string {
	rounded := math.Round(x*10) / 10
	if rounded == 0 {
		return "0"
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// clock is the time of day with its zone, such as 14:15 (UTC+2).
func clock(t time.Time) string {
	_, offset := t.Zone()
	sign, seconds := "+", offset
	if offset < 0 {
		sign, seconds = "-", -offset
	}
	zone := "UTC"
	if offset != 0 {
		zone += sign + strconv.Itoa(seconds/3600)
	}
	if minutes := seconds / 60 % 60; minutes != 0 {
		zone += fmt.Sprintf(":%02d", minutes)
	}
	return fmt.Sprintf("%s (%s)", t.Format("15:04"), zone)
}

// age words a duration by its largest unit and the next. A clock that is behind
// makes nothing older than new.
func age(d time.Duration) string {
	days, hours, minutes := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60
	switch {
	case days > 0:
		return strings.TrimSpace(count(days, "day") + " " + count(hours, "hour"))
	case hours > 0:
		return strings.TrimSpace(count(hours, "hour") + " " + count(minutes, "minute"))
	case minutes > 0:
		return count(minutes, "minute")
	}
	return "less than a minute"
}

func count(n int, unit string) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
