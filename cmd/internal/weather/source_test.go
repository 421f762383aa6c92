package weather

import (
	"strings"
	"testing"
)

func TestNew(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"":                                  "Open-Meteo",
		"open-meteo":                        "Open-Meteo",
		"wttr":                              "wttr.in",
		"http://127.0.0.1:8080":             "127.0.0.1:8080",
		"HTTPS://weather.example.com/meteo": "weather.example.com",
	} {
		source, err := New(given)
		if err != nil {
			t.Errorf("%q: got error %v, want %s", given, err, want)
		} else if source.Name() != want {
			t.Errorf("%q: got %s, want %s", given, source.Name(), want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	const unknown = "give open-meteo, wttr, or the http:// or https:// address of a server that speaks Open-Meteo's API"
	for given, want := range map[string]string{
		"Open-Meteo":                   unknown,
		"bbc":                          unknown,
		"weather.example.com":          unknown,
		"ftp://weather.example.com":    unknown,
		"http://":                      unknown,
		"http://:8080":                 unknown,
		"http://weather test":          unknown,
		"http://weather.test/?key=1":   "give the address without what follows '?' or '#'",
		"http://weather.test/#current": "give the address without what follows '?' or '#'",
	} {
		if source, err := New(given); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: got %v, %v, want the error ...%s", given, source, err, want)
		}
	}
}

func TestBaseAddress(t *testing.T) {
	t.Parallel()
	source, err := New("http://weather.test/meteo/")
	if err != nil {
		t.Fatal(err)
	}
	got, want := source.(*openMeteo), "http://weather.test/meteo/v1/"
	if got.search != want+"search" || got.forecast != want+"forecast" {
		t.Errorf("got %s and %s, want both below %s", got.search, got.forecast, want)
	}
}

// What no source can answer is not asked.
func TestQuestionsNotAsked(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"open-meteo", "wttr"} {
		source, err := New(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, city := range []string{"", " ", "..", "?\x1b"} {
			_, err := source.Current(t.Context(), city, Metric)
			if want := `is no city: give its name, as in "Kyiv"`; err == nil || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%s, %q: got error %v, want ...%s", name, city, err, want)
			}
		}
		_, err = source.Current(t.Context(), "Kyiv", "kelvin")
		if want := `unknown units "kelvin": give metric or imperial`; err == nil || err.Error() != want {
			t.Errorf("%s: got error %v, want %s", name, err, want)
		}
	}
}
