package weather

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

func FuzzOpenMeteo(f *testing.F) {
	f.Add([]byte(searchKyiv), []byte(forecastKyiv), false)
	f.Add([]byte(searchKyiv), []byte(forecastKyivImperial), true)
	f.Add([]byte(searchNothing), []byte(`{"error":true,"reason":"no"}`), false)
	f.Fuzz(func(t *testing.T, search, forecast []byte, imperial bool) {
		reading := blank(imperial)
		place, err := parsePlace(search, "Kyiv")
		if err != nil {
			checkLine(t, err.Error())
			return
		}
		reading.Place, reading.Country = place.name, place.country
		reading, err = parseForecast(forecast, reading)
		checkOutcome(t, reading, err)
	})
}

func FuzzWttr(f *testing.F) {
	f.Add([]byte(wttrKyiv), false)
	f.Add([]byte(wttrKyiv), true)
	f.Add([]byte("Unknown location; please try ~50.45,30.52"), false)
	f.Fuzz(func(t *testing.T, answer []byte, imperial bool) {
		reading, err := parseWttr(answer, blank(imperial))
		checkOutcome(t, reading, err)
	})
}

func blank(imperial bool) Reading {
	units := Metric
	if imperial {
		units = Imperial
	}
	return Reading{Units: units, Source: "a server", Fetched: now()}
}

// checkOutcome is the oracle: an error, or a reading that can be true. Both are
// fit for one line of a terminal, and the reading for JSON.
func checkOutcome(t *testing.T, r Reading, err error) {
	t.Helper()
	if err != nil {
		checkLine(t, err.Error())
		return
	}
	coldest, hottest, strongest := -150.0, 120.0, 500.0
	if r.Units == Imperial {
		coldest, hottest, strongest = -238, 248, 311
	}
	inside := func(x *float64, low, high float64) bool { return x == nil || *x >= low && *x <= high }
	for name, within := range map[string]bool{
		"temperature": inside(r.Temperature, coldest, hottest),
		"feels like":  inside(r.FeelsLike, coldest, hottest),
		"humidity":    inside(r.Humidity, 0, 100),
		"wind":        inside(r.Wind, 0, strongest),
		"time":        r.Observed.IsZero() || r.Observed.Year() >= 2000 && r.Observed.Year() <= 9999,
		"place":       r.Place != "",
		"anything":    r.Temperature != nil || r.FeelsLike != nil || r.Humidity != nil || r.Wind != nil || r.Description != "",
	} {
		if !within {
			t.Errorf("got an impossible %s in %#v", name, r)
		}
	}
	checkLine(t, r.String())
	checkLine(t, r.LastKnown(now()))
	checkJSON(t, r)
}

func checkLine(t *testing.T, line string) {
	t.Helper()
	if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
		t.Errorf("got %q at %d of %q, want a line that can be printed", line[i:i+1], i, line)
	}
	if len(line) > 4000 {
		t.Errorf("got a line of %d bytes, want a line that can be read", len(line))
	}
}

func checkJSON(t *testing.T, r Reading) {
	t.Helper()
	encoded, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var decoded Reading
	if err := json.Unmarshal(encoded, &decoded); err != nil {
		t.Fatal(err)
	}
	if got, want := decoded.String(), r.String(); got != want {
		t.Errorf("got %s through JSON, want %s", got, want)
	}
}
