package weather

import "fmt"

// wmo are the codes of the World Meteorological Organization that Open-Meteo uses
// (table 4677), in words.
var wmo = map[int]string{
	0:  "clear sky",
	1:  "mainly clear",
	2:  "partly cloudy",
	3:  "overcast",
	45: "fog",
	48: "freezing fog",
	51: "light drizzle",
	53: "drizzle",
	55: "heavy drizzle",
	56: "light freezing drizzle",
	57: "freezing drizzle",
	61: "light rain",
	63: "rain",
	65: "heavy rain",
	66: "light freezing rain",
	67: "freezing rain",
	71: "light snow",
	73: "snow",
	75: "heavy snow",
	77: "snow grains",
	80: "light showers",
	81: "showers",
	82: "violent showers",
	85: "light snow showers",
	86: "heavy snow showers",
	95: "thunderstorm",
	96: "thunderstorm with light hail",
	99: "thunderstorm with heavy hail",
}

// describe words a code. One that is not in the table is told as it is, and what can
// be no code is no description.
func describe(code *float64) string {
	if code == nil || !between(*code, 0, 999) || *code != float64(int(*code)) {
		return ""
	}
	if words, ok := wmo[int(*code)]; ok {
		return words
	}
	return fmt.Sprintf("weather of code %g", *code)
}
