package weather

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// wttrKyiv is in the form of wttr.in's j1, without what nobody reads here.
const wttrKyiv = `{
  "current_condition": [{
    "FeelsLikeC": "0", "FeelsLikeF": "32", "cloudcover": "100", "humidity": "87",
    "localObsDateTime": "2026-01-05 02:15 PM", "observation_time": "12:15 PM",
    "precipMM": "0.0", "pressure": "1019", "temp_C": "-3", "temp_F": "27", "uvIndex": 5,
    "weatherCode": "122", "weatherDesc": [{"value": "Overcast "}], "weatherIconUrl": [{"value": ""}],
    "winddir16Point": "NNE", "winddirDegree": "20", "windspeedKmph": "14", "windspeedMiles": "9"
  }],
  "nearest_area": [{
    "areaName": [{"value": "Kyiv"}], "country": [{"value": "Ukraine"}], "region": [{"value": "Kyyivska Oblast'"}],
    "latitude": "50.433", "longitude": "30.517", "population": "2514227"
  }],
  "request": [{"query": "Kyiv, Ukraine", "type": "City"}],
  "weather": []
}`

func TestWttr(t *testing.T) {
	t.Parallel()
	for units, want := range map[Units]string{
		Metric:   "Kyiv, Ukraine: -3 °C (feels like 0), overcast, wind 14 km/h, humidity 87 % - wttr.in, reading of 14:15 (UTC+2)",
		Imperial: "Kyiv, Ukraine: 27 °F (feels like 32), overcast, wind 9 mph, humidity 87 % - wttr.in, reading of 14:15 (UTC+2)",
	} {
		t.Run(string(units), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				asked := make(chan string, 1)
				source, _, _ := wttrServing(t, func(w http.ResponseWriter, r *http.Request) {
					asked <- r.RequestURI
					answer(200, wttrKyiv)(w, r)
				})
				reading, err := source.Current(t.Context(), "Kyiv, Ukraine/?", units)
				if err != nil {
					t.Fatal(err)
				}
				if got := reading.String(); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				if !reading.Fetched.Equal(time.Now()) {
					t.Errorf("got it fetched at %s, want %s", reading.Fetched, time.Now())
				}
				if got, want := <-asked, "/Kyiv%2C%20Ukraine%2F%3F?format=j1"; got != want {
					t.Errorf("got a request for %s, want %s", got, want)
				}
			})
		})
	}
}

func TestWttrUnknownPlace(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"with the weather elsewhere": answer(404, wttrKyiv),
		"in words":                   answer(500, "location not found: location not found\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				source, _, _ := wttrServing(t, handler)
				_, err := source.Current(t.Context(), "Kyyyiv", Metric)
				want := `wttr.in knows no place called "Kyyyiv"; check the spelling, or add the country, as in "Kyiv, Ukraine"`
				if !errors.Is(err, ErrUnknownPlace) || err.Error() != want {
					t.Errorf("got error %v, want %s", err, want)
				}
			})
		})
	}
}

func TestWttrWithoutWeather(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source, _, _ := wttrServing(t, answer(200, "Unknown location; please try ~50.45,30.52"))
		_, err := source.Current(t.Context(), "Kyiv", Metric)
		want := `wttr.in has no weather for "Kyiv" now (Unknown location; please try ~50.45,30.52); try again later, or check the spelling`
		if err == nil || errors.Is(err, ErrUnknownPlace) || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
	})
}

func TestWttrNonsense(t *testing.T) {
	t.Parallel()
	tests := []struct{ old, new, want string }{
		{wttrKyiv, `{}`, "answered without the current weather"},
		{wttrKyiv, `[]`, "answered JSON of another form: cannot unmarshal array into Go value"},
		{wttrKyiv, strings.Repeat("[", 20_000), "answered something that is no JSON"},
		{wttrKyiv, wttrKyiv[:300], "answered something that is no JSON"},
		{`"current_condition": [{`, `"current_condition": [], "was": [{`, "answered without the current weather"},
		{`"nearest_area"`, `"area"`, "answered without the name of the place"},
		{`"2026-01-05 02:15 PM"`, `"1926-01-05 02:15 PM"`, "answered with a reading of the year 1926"},
	}
	for _, test := range tests {
		t.Run(test.want, func(t *testing.T) {
			t.Parallel()
			body := strings.Replace(wttrKyiv, test.old, test.new, 1)
			reading, err := parseWttr([]byte(body), Reading{Units: Metric, Source: "wttr.in", Fetched: now()})
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("with %s got %v, %v, want the error %s", test.new, reading, err, test.want)
			}
		})
	}
}

// TestWttr_OneValueMissing: what is absent, is no number or cannot be true is unknown,
// and the rest is told. A place without a name is the one that was asked for.
func TestWttr_OneValueMissing(t *testing.T) {
	t.Parallel()
	noTemperature := []string{"-3 °C (feels like 0)", "temperature unknown (feels like 0 °C)"}
	noFeelsLike := []string{" (feels like 0)", ""}
	noHumidity := []string{"87 %", "unknown"}
	noWind := []string{"14 km/h", "unknown"}
	noPlace := []string{"Kyiv, Ukraine", "Kiev"}
	noWords := []string{"overcast", "weather unknown"}
	inUTC := []string{"14:15 (UTC+2)", "12:15 (UTC)"}
	tests := []struct {
		old, new string
		gone     []string
	}{
		{`"temp_C": "-3",`, ``, noTemperature},
		{`"temp_C": "-3"`, `"temp_C": null`, noTemperature},
		{`"temp_C": "-3"`, `"temp_C": "NaN"`, noTemperature},
		{`"temp_C": "-3"`, `"temp_C": "not yet implemented"`, noTemperature},
		{`"temp_C": "-3"`, `"temp_C": true`, noTemperature},
		{`"temp_C": "-3"`, `"temp_C": [3]`, noTemperature},
		{`"temp_C": "-3"`, `"temp_C": "1e999"`, noTemperature},
		{`"temp_C": "-3"`, `"temp_C": "4000"`, noTemperature},
		{`"FeelsLikeC": "0"`, `"FeelsLikeC": "-300"`, noFeelsLike},
		{`"FeelsLikeC": "0",`, ``, noFeelsLike},
		{`"humidity": "87"`, `"humidity": "101"`, noHumidity},
		{`"humidity": "87"`, `"humidity": ""`, noHumidity},
		{`"windspeedKmph": "14"`, `"windspeedKmph": "-1"`, noWind},
		{`"windspeedKmph": "14"`, `"windspeedKmph": null`, noWind},
		{`[{"value": "Overcast "}]`, `[{}]`, noWords},
		{`[{"value": "Overcast "}]`, `null`, noWords},
		{`[{"value": "Overcast "}]`, `[{"value": 3}]`, noWords},
		{`"nearest_area"`, `"area"`, noPlace},
		{`[{"value": "Kyiv"}]`, `[]`, noPlace},
		{`[{"value": "Kyiv"}]`, `"Kyiv"`, noPlace},
		{`[{"value": "Kyiv"}]`, `[{"value": "\u001b\u0007\u202e"}]`, noPlace},
		{`"observation_time": "12:15 PM"`, `"observation_time": "noon"`, []string{"reading of 14:15 (UTC+2)", "asked at 12:20 (UTC)"}},
		{`"2026-01-05 02:15 PM"`, `"2026-01-05T14:15"`, inUTC},
		{`"2026-01-05 02:15 PM"`, `null`, inUTC},
	}
	blank := Reading{Place: "Kiev", Units: Metric, Source: "wttr.in", Fetched: kyiv().Fetched}
	all, err := parseWttr([]byte(wttrKyiv), blank)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		want := strings.Replace(all.String(), test.gone[0], test.gone[1], 1)
		reading, err := parseWttr([]byte(strings.Replace(wttrKyiv, test.old, test.new, 1)), blank)
		if got := reading.String(); err != nil || got != want {
			t.Errorf("with %s got %s, %v, want %s", test.new, got, err, want)
		}
	}
}

func TestWttrTimes(t *testing.T) {
	t.Parallel()
	tests := []struct{ now, utc, local, want string }{
		{"2026-01-05T12:20:00Z", "12:15 PM", "2026-01-05 02:15 PM", "2026-01-05T14:15:00+02:00"},
		{"2026-01-05T23:59:00Z", "11:45 PM", "2026-01-06 05:15 AM", "2026-01-06T05:15:00+05:30"},
		{"2026-01-05T02:20:00Z", "02:15 AM", "2026-01-04 10:45 PM", "2026-01-04T22:45:00-03:30"},
		{"2026-01-05T12:20:00Z", "12:14 PM", "2026-01-05 02:15 PM", "2026-01-05T14:15:00+02:00"},
		// Kiritimati and Honolulu have the same time of day, a day apart.
		{"2026-01-05T01:20:00Z", "01:15 AM", "2026-01-05 03:15 PM", "2026-01-05T15:15:00+14:00"},
		{"2026-01-06T01:20:00Z", "01:15 AM", "2026-01-05 03:15 PM", "2026-01-05T15:15:00-10:00"},
		// Without the local time, it is the nearest such time in UTC.
		{"2026-01-05T12:20:00Z", "12:15 PM", "", "2026-01-05T12:15:00Z"},
		{"2026-01-05T00:20:00Z", "11:45 PM", "", "2026-01-04T23:45:00Z"},
		{"2026-01-05T23:50:00Z", "12:15 AM", "", "2026-01-06T00:15:00Z"},
	}
	for _, test := range tests {
		now, err := time.Parse(time.RFC3339, test.now)
		if err != nil {
			t.Fatal(err)
		}
		condition := wttrCondition{UTCTime: label(test.utc), LocalDateTime: label(test.local)}
		if got := condition.observed(now).Format(time.RFC3339); got != test.want {
			t.Errorf("at %s, %q and %q: got %s, want %s", test.now, test.utc, test.local, got, test.want)
		}
	}
}
