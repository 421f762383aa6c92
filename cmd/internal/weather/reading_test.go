package weather

import (
	"encoding/json"
	"testing"
	"time"
)

func kyiv() Reading {
	return Reading{
		Place: "Kyiv", Country: "Ukraine",
		Temperature: new(3.44), FeelsLike: new(-0.04), Humidity: new(87.0), Wind: new(14.2),
		Description: "overcast", Units: Metric, Source: "Open-Meteo",
		Observed: time.Date(2026, 1, 5, 14, 15, 0, 0, time.FixedZone("", 2*3600)),
		Fetched:  time.Date(2026, 1, 5, 12, 20, 0, 0, time.UTC),
	}
}

func TestReadingString(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*Reading)
		want   string
	}{
		"as it is": {
			func(*Reading) {},
			"Kyiv, Ukraine: 3.4 °C (feels like 0), overcast, wind 14 km/h, humidity 87 % - Open-Meteo, reading of 14:15 (UTC+2)",
		},
		"whole degrees, below zero": {
			func(r *Reading) { r.Temperature, r.FeelsLike = new(-7.0), new(-10.96) },
			"Kyiv, Ukraine: -7 °C (feels like -11), overcast, wind 14 km/h, humidity 87 % - Open-Meteo, reading of 14:15 (UTC+2)",
		},
		"in no country, in UTC": {
			func(r *Reading) { r.Place, r.Country, r.Observed = "Vostok Station", "", r.Observed.UTC() },
			"Vostok Station: 3.4 °C (feels like 0), overcast, wind 14 km/h, humidity 87 % - Open-Meteo, reading of 12:15 (UTC)",
		},
		"not all is known": {
			func(r *Reading) { r.FeelsLike, r.Humidity, r.Description = nil, nil, "" },
			"Kyiv, Ukraine: 3.4 °C, weather unknown, wind 14 km/h, humidity unknown - Open-Meteo, reading of 14:15 (UTC+2)",
		},
		"no temperature": {
			func(r *Reading) { r.Temperature, r.Wind = nil, nil },
			"Kyiv, Ukraine: temperature unknown (feels like 0 °C), overcast, wind unknown, humidity 87 % - Open-Meteo, reading of 14:15 (UTC+2)",
		},
		"of an unknown time": {
			func(r *Reading) { r.Temperature, r.FeelsLike, r.Observed = nil, nil, time.Time{} },
			"Kyiv, Ukraine: temperature unknown, overcast, wind 14 km/h, humidity 87 % - Open-Meteo, asked at 12:20 (UTC)",
		},
		"a city that is its country, half an hour off": {
			func(r *Reading) {
				r.Place, r.Country = "Singapore", "Singapore"
				r.Observed = r.Observed.In(time.FixedZone("", -(3*3600 + 1800)))
			},
			"Singapore: 3.4 °C (feels like 0), overcast, wind 14 km/h, humidity 87 % - Open-Meteo, reading of 08:45 (UTC-3:30)",
		},
	}
	for name, test := range tests {
		reading := kyiv()
		test.change(&reading)
		if got := reading.String(); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, test.want)
		}
	}
}

func TestLastKnown(t *testing.T) {
	t.Parallel()
	for old, want := range map[time.Duration]string{
		-time.Hour:                   "less than a minute",
		59 * time.Second:             "less than a minute",
		time.Minute:                  "1 minute",
		42*time.Minute + time.Second: "42 minutes",
		time.Hour:                    "1 hour",
		2*time.Hour - time.Second:    "1 hour 59 minutes",
		5*time.Hour + time.Minute:    "5 hours 1 minute",
		24*time.Hour + time.Minute:   "1 day",
		75 * time.Hour:               "3 days 3 hours",
	} {
		want := "last known reading, " + want + " old: " + kyiv().String()
		if got := kyiv().LastKnown(kyiv().Observed.Add(old)); got != want {
			t.Errorf("after %s:\ngot  %s\nwant %s", old, got, want)
		}
	}
}

// TestLastKnown_UnknownTime: a reading that does not say when it was made is as old as
// the answer.
func TestLastKnown_UnknownTime(t *testing.T) {
	t.Parallel()
	reading := kyiv()
	reading.Observed = time.Time{}
	want := "last known reading, 3 minutes old: " + reading.String()
	if got := reading.LastKnown(reading.Fetched.Add(3 * time.Minute)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestReadingIsJSON(t *testing.T) {
	t.Parallel()
	encoded, err := json.Marshal(kyiv())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"place":"Kyiv","country":"Ukraine","temperature":3.44,"feels_like":-0.04,"humidity":87,"wind":14.2,` +
		`"description":"overcast","units":"metric","source":"Open-Meteo",` +
		`"observed":"2026-01-05T14:15:00+02:00","fetched":"2026-01-05T12:20:00Z"}`
	if string(encoded) != want {
		t.Errorf("got  %s\nwant %s", encoded, want)
	}
	var decoded Reading
	if err := json.Unmarshal(encoded, &decoded); err != nil {
		t.Fatal(err)
	}
	if got, want := decoded.String(), kyiv().String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"Kyiv":                    "Kyiv",
		" Ky\u00a0iv\r\n\t":       "Ky iv",
		"\x1b[2JKyiv\x07":         "[2JKyiv",
		"Ky\u202eiv\u200b\u2028!": "Kyiv !",
		"\x9bKyiv\xff":            "\ufffdKyiv\ufffd",
		"Llanfairpwllgwyngyll":    "Llanfairpwllgwyngyll",
		"Київ, São Paulo, 東京, 서울": "Київ, São Paulo, 東京, 서울",
	} {
		if got := printable(given); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
	if got, want := excerpt("Київ", 3), "Киї…"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
