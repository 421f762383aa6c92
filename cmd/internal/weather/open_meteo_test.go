package weather

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Answers in the form of Open-Meteo's documentation.
const (
	searchKyiv = `{"results":[{"id":703448,"name":"Kyiv","latitude":50.45466,"longitude":30.5238,"elevation":187.0,
		"feature_code":"PPLC","country_code":"UA","timezone":"Europe/Kyiv","population":2797553,
		"country_id":690791,"country":"Ukraine","admin1":"Kyiv City"}],"generationtime_ms":0.7}`
	searchNothing = `{"generationtime_ms":0.5}`
	forecastKyiv  = `{"latitude":50.4375,"longitude":30.5,"generationtime_ms":0.05,"utc_offset_seconds":7200,
		"timezone":"Europe/Kyiv","timezone_abbreviation":"GMT+2","elevation":187.0,
		"current_units":{"time":"iso8601","interval":"seconds","temperature_2m":"°C","apparent_temperature":"°C",
			"relative_humidity_2m":"%","weather_code":"wmo code","wind_speed_10m":"km/h"},
		"current":{"time":"2026-01-05T14:15","interval":900,"temperature_2m":3.4,"apparent_temperature":0.1,
			"relative_humidity_2m":87,"weather_code":3,"wind_speed_10m":14.2}}`
	forecastKyivImperial = `{"utc_offset_seconds":7200,"current_units":{"temperature_2m":"°F"},
		"current":{"time":"2026-01-05T14:15","temperature_2m":38.1,"apparent_temperature":32.2,
			"relative_humidity_2m":87,"weather_code":3,"wind_speed_10m":8.8}}`
)

// openMeteoServer answers what is documented to what is documented, and an error
// to everything else.
func openMeteoServer() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/search", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		switch {
		case query.Get("count") != "1" || query.Get("language") != "en" || query.Get("format") != "json":
			refuse(w, "Cannot search for "+r.URL.RawQuery)
		case query.Get("name") == "Kyiv, Ukraine":
			fmt.Fprint(w, searchKyiv)
		default:
			fmt.Fprint(w, searchNothing)
		}
	})
	mux.HandleFunc("GET /v1/forecast", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		at := query.Get("latitude") + "," + query.Get("longitude") + " " + query.Get("timezone")
		units := query.Get("temperature_unit") + " " + query.Get("wind_speed_unit")
		current := query.Get("current")
		const variables = "temperature_2m,apparent_temperature,relative_humidity_2m,weather_code,wind_speed_10m"
		switch {
		case at != "50.45466,30.5238 auto" || current != variables:
			refuse(w, "Cannot forecast "+r.URL.RawQuery)
		case units == "celsius kmh":
			fmt.Fprint(w, forecastKyiv)
		case units == "fahrenheit mph":
			fmt.Fprint(w, forecastKyivImperial)
		default:
			refuse(w, "Cannot measure in "+units)
		}
	})
	return mux
}

func refuse(w http.ResponseWriter, reason string) {
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, `{"error":true,"reason":%q}`, reason)
}

func openMeteoServing(t *testing.T, handler http.Handler) *openMeteo {
	t.Helper()
	source := newOpenMeteo("Open-Meteo", weatherTest, weatherTest)
	serve(t, source.client, handler)
	return source
}

func TestOpenMeteo(t *testing.T) {
	t.Parallel()
	for units, want := range map[Units]string{
		Metric:   "Kyiv, Ukraine: 3.4 °C (feels like 0.1), overcast, wind 14 km/h, humidity 87 % - Open-Meteo, reading of 14:15 (UTC+2)",
		Imperial: "Kyiv, Ukraine: 38.1 °F (feels like 32.2), overcast, wind 9 mph, humidity 87 % - Open-Meteo, reading of 14:15 (UTC+2)",
	} {
		t.Run(string(units), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				source := openMeteoServing(t, openMeteoServer())
				reading, err := source.Current(t.Context(), "Kyiv, Ukraine", units)
				if err != nil {
					t.Fatal(err)
				}
				if got := reading.String(); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				if !reading.Fetched.Equal(time.Now()) {
					t.Errorf("got it fetched at %s, want %s", reading.Fetched, time.Now())
				}
			})
		})
	}
}

func TestOpenMeteoUnknownPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := openMeteoServing(t, openMeteoServer())
		_, err := source.Current(t.Context(), "Kyyyiv", Metric)
		want := `Open-Meteo knows no place called "Kyyyiv"; check the spelling, or add the country, as in "Kyiv, Ukraine"`
		if !errors.Is(err, ErrUnknownPlace) || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
	})
}

func TestOpenMeteoRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := openMeteoServing(t, &answering{handlers: []http.HandlerFunc{
			answer(200, searchKyiv),
			func(w http.ResponseWriter, _ *http.Request) { refuse(w, "Latitude must be in range of -90 to 90°.") },
		}})
		_, err := source.Current(t.Context(), "Kyiv", Metric)
		if want := "Open-Meteo answered 400 Bad Request: Latitude must be in range of -90 to 90°."; err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
	})
}

// Both questions together take no longer than one may: after 7 seconds for the
// first there is time for two attempts at the second, and for no wait after them.
func TestOpenMeteoIsOutOfTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := openMeteoServing(t, &answering{handlers: []http.HandlerFunc{
			answer(503, ""), answer(503, ""), answer(503, ""), answer(200, searchKyiv), silent,
		}})
		started := time.Now()
		_, err := source.Current(t.Context(), "Kyiv", Metric)
		if want := "Open-Meteo timed out after 21s"; err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
		if took := time.Since(started); took != 28*time.Second {
			t.Errorf("got it after %s, want 28s", took)
		}
	})
}

func TestSearchNonsense(t *testing.T) {
	t.Parallel()
	tests := []struct{ old, new, want string }{
		{searchKyiv, `[]`, "answered JSON of another form: "},
		{searchKyiv, `"Kyiv"`, "answered JSON of another form: "},
		{searchKyiv, searchKyiv[:40], "answered something that is no JSON: "},
		{searchKyiv, `{"results":"Kyiv"}`, "answered JSON of another form: "},
		{`"latitude":50.45466,`, ``, "answered without the latitude of the place"},
		{`"longitude":30.5238`, `"longitude":null`, "answered without the longitude of the place"},
		{`50.45466`, `[50.45466]`, "answered JSON of another form: "},
		{`50.45466`, `1e999`, "answered with 1e999 as the latitude of the place"},
		{`50.45466`, `91`, "answered that the place is at latitude 91, longitude 30.5238"},
		{`30.5238`, `-180.5`, "answered that the place is at latitude 50.45466, longitude -180.5"},
	}
	for _, test := range tests {
		body := strings.Replace(searchKyiv, test.old, test.new, 1)
		place, err := parsePlace([]byte(body), "Kyiv")
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("with %s got %v, %v, want the error %s", test.new, place, err, test.want)
		}
	}
}

func TestForecastNonsense(t *testing.T) {
	t.Parallel()
	const nothing = "answered without the weather: "
	tests := []struct{ old, new, want string }{
		{forecastKyiv, `{}`, nothing},
		{forecastKyiv, `null`, nothing},
		{forecastKyiv, `[` + forecastKyiv + `]`, "answered JSON of another form: "},
		{forecastKyiv, forecastKyiv[:200], "answered something that is no JSON: "},
		{forecastKyiv, forecastKyiv + "{}", "answered something that is no JSON: "},
		{`"current":{`, `"current":[], "was":{`, "answered JSON of another form: "},
		{`"current":{`, `"current":null, "was":{`, nothing},
		{`"2026-01-05T14:15"`, `"0001-01-02T00:00"`, "answered with a reading of the year 1"},
		{`"temperature_2m":"°C"`, `"temperature_2m":"°F"`, "answered in °F, and was asked for °C"},
	}
	for _, test := range tests {
		body := strings.Replace(forecastKyiv, test.old, test.new, 1)
		reading, err := parseForecast([]byte(body), Reading{Place: "Kyiv", Units: Metric, Source: "Open-Meteo"})
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("with %s got %v, %v, want the error %s", test.new, reading, err, test.want)
		}
	}
}

// TestForecast_OneValueMissing: what is absent, is no number or cannot be true is
// unknown, and the rest is told.
func TestForecast_OneValueMissing(t *testing.T) {
	t.Parallel()
	noTemperature := []string{"3.4 °C (feels like 0.1)", "temperature unknown (feels like 0.1 °C)"}
	noFeelsLike := []string{" (feels like 0.1)", ""}
	noHumidity := []string{"87 %", "unknown"}
	noWind := []string{"14 km/h", "unknown"}
	noCode := []string{"overcast", "weather unknown"}
	noTime := []string{"reading of 14:15 (UTC+2)", "asked at 12:20 (UTC)"}
	tests := []struct {
		old, new string
		gone     []string
	}{
		{`"temperature_2m":3.4,`, ``, noTemperature},
		{`"temperature_2m":3.4`, `"temperature_2m":null`, noTemperature},
		{`"temperature_2m":3.4`, `"temperature_2m":"warm"`, noTemperature},
		{`"temperature_2m":3.4`, `"temperature_2m":{}`, noTemperature},
		{`"temperature_2m":3.4`, `"temperature_2m":-1e400`, noTemperature},
		{`"temperature_2m":3.4`, `"temperature_2m":1e300`, noTemperature},
		{`"apparent_temperature":0.1`, `"apparent_temperature":null`, noFeelsLike},
		{`"apparent_temperature":0.1`, `"apparent_temperature":121`, noFeelsLike},
		{`"relative_humidity_2m":87`, `"relative_humidity_2m":null`, noHumidity},
		{`"relative_humidity_2m":87`, `"relative_humidity_2m":101`, noHumidity},
		{`"relative_humidity_2m":87`, `"relative_humidity_2m":-1`, noHumidity},
		{`"wind_speed_10m":14.2`, `"wind_speed_10m":null`, noWind},
		{`"wind_speed_10m":14.2`, `"wind_speed_10m":501`, noWind},
		{`"wind_speed_10m":14.2`, `"wind":14.2`, noWind},
		{`"weather_code":3`, `"weather_code":null`, noCode},
		{`"weather_code":3`, `"weather_code":3.5`, noCode},
		{`"weather_code":3`, `"weather_code":-1e300`, noCode},
		{`"weather_code":3`, `"weather_code":100`, []string{"overcast", "weather of code 100"}},
		{`"utc_offset_seconds":7200`, `"utc_offset_seconds":1e300`, noTime},
		{`"utc_offset_seconds":7200`, `"utc_offset_seconds":54000`, noTime},
		{`"utc_offset_seconds":7200`, `"utc_offset_seconds":7201`, noTime},
		{`"utc_offset_seconds":7200,`, ``, noTime},
		{`"2026-01-05T14:15"`, `"yesterday"`, noTime},
		{`"2026-01-05T14:15"`, `1767622500`, noTime},
		{`"2026-01-05T14:15"`, `null`, noTime},
	}
	blank := Reading{Place: "Kyiv", Units: Metric, Source: "Open-Meteo", Fetched: kyiv().Fetched}
	all, err := parseForecast([]byte(forecastKyiv), blank)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		want := strings.Replace(all.String(), test.gone[0], test.gone[1], 1)
		reading, err := parseForecast([]byte(strings.Replace(forecastKyiv, test.old, test.new, 1)), blank)
		if got := reading.String(); err != nil || got != want {
			t.Errorf("with %s got %s, %v, want %s", test.new, got, err, want)
		}
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	for code, want := range map[float64]string{
		0: "clear sky", 48: "freezing fog", 82: "violent showers", 99: "thunderstorm with heavy hail", 17: "weather of code 17",
		100: "weather of code 100", -1: "", 3.5: "", 1e300: "",
	} {
		if got := describe(&code); got != want {
			t.Errorf("code %g: got %q, want %q", code, got, want)
		}
	}
}
