package weather

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Reading is the weather of one place at one time.
type Reading struct {
	Place       string    `json:"place"`   // as the source calls it
	Country     string    `json:"country"` // empty for a place that is in none
	Temperature float64   `json:"temperature"`
	FeelsLike   float64   `json:"feels_like"`
	Humidity    float64   `json:"humidity"` // per cent
	Wind        float64   `json:"wind"`
	Description string    `json:"description"`
	Units       Units     `json:"units"` // of temperatures and wind
	Source      string    `json:"source"`
	Observed    time.Time `json:"observed"` // in the zone of the place, if the source tells it
	Fetched     time.Time `json:"fetched"`
}

// String is one line for a terminal.
func (r Reading) String() string {
	return fmt.Sprintf("%s: %s %s (feels like %s), %s, wind %.0f %s, humidity %.0f %% - %s, reading of %s",
		r.where(), tenths(r.Temperature), r.Units.degrees(), tenths(r.FeelsLike), r.Description,
		r.Wind, r.Units.speed(), r.Humidity, r.Source, clock(r.Observed))
}

// LastKnown is the line for a reading that is shown because there is no newer
// one. It says how old the reading is.
func (r Reading) LastKnown(now time.Time) string {
	return fmt.Sprintf("last known reading, %s old: %s", age(now.Sub(r.Observed)), r)
}

func (r Reading) where() string {
	if r.Country == "" || r.Country == r.Place {
		return r.Place
	}
	return r.Place + ", " + r.Country
}

// check refuses a reading that cannot be true: the bounds are somewhat beyond what
// was ever measured on Earth.
func (r Reading) check() error {
	switch {
	case r.Place == "":
		return fmt.Errorf("answered without the name of the place")
	case r.Description == "":
		return fmt.Errorf("answered without a description of the weather")
	case !between(r.Units.celsius(r.Temperature), -100, 70):
		return fmt.Errorf("answered with a temperature of %g %s", r.Temperature, r.Units.degrees())
	case !between(r.Units.celsius(r.FeelsLike), -150, 120):
		return fmt.Errorf("answered that it feels like %g %s", r.FeelsLike, r.Units.degrees())
	case !between(r.Humidity, 0, 100):
		return fmt.Errorf("answered with a humidity of %g %%", r.Humidity)
	case !between(r.Units.kmh(r.Wind), 0, 500):
		return fmt.Errorf("answered with a wind of %g %s", r.Wind, r.Units.speed())
	case r.Observed.Year() < 2000:
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
