package weather

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// openMeteo asks a server that speaks Open-Meteo's API: first where the city is,
// then what the weather is there.
type openMeteo struct {
	name     string
	search   string
	forecast string
	client   *http.Client
}

func newOpenMeteo(name, geocoding, api string) *openMeteo {
	return &openMeteo{
		name:     name,
		search:   geocoding + "/v1/search",
		forecast: api + "/v1/forecast",
		client:   newClient(),
	}
}

func (o *openMeteo) Name() string { return o.name }

func (o *openMeteo) Current(ctx context.Context, city string, units Units) (Reading, error) {
	if err := checkQuestion(city, units); err != nil {
		return Reading{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	reading, err := o.current(ctx, city, units)
	if err != nil {
		return Reading{}, fmt.Errorf("%s %w", o.name, err)
	}
	return reading, nil
}

func (o *openMeteo) current(ctx context.Context, city string, units Units) (Reading, error) {
	answer, err := get(ctx, o.client, o.search+"?"+searchQuery(city).Encode())
	if err != nil {
		return Reading{}, err
	}
	place, err := parsePlace(answer, city)
	if err != nil {
		return Reading{}, err
	}
	answer, err = get(ctx, o.client, o.forecast+"?"+forecastQuery(place, units).Encode())
	if err != nil {
		return Reading{}, err
	}
	return parseForecast(answer, Reading{
		Place:   place.name,
		Country: place.country,
		Units:   units,
		Source:  o.name,
		Fetched: now(),
	})
}

func searchQuery(city string) url.Values {
	return url.Values{"name": {city}, "count": {"1"}, "language": {"en"}, "format": {"json"}}
}

func forecastQuery(p place, units Units) url.Values {
	query := url.Values{
		"latitude":         {degrees(p.latitude)},
		"longitude":        {degrees(p.longitude)},
		"current":          {"temperature_2m,apparent_temperature,relative_humidity_2m,weather_code,wind_speed_10m"},
		"timezone":         {"auto"},
		"temperature_unit": {"celsius"},
		"wind_speed_unit":  {"kmh"},
	}
	if units == Imperial {
		query.Set("temperature_unit", "fahrenheit")
		query.Set("wind_speed_unit", "mph")
	}
	return query
}

func degrees(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// place is where a city is.
type place struct {
	name, country       string
	latitude, longitude float64
}

// parsePlace reads an answer of the search. There are no results in it at all if
// nothing was found.
func parsePlace(answer []byte, city string) (place, error) {
	var document struct {
		Results []struct {
			Name, Country       string
			Latitude, Longitude json.Number
		}
	}
	if err := decode(answer, &document); err != nil {
		return place{}, err
	}
	if len(document.Results) == 0 {
		return place{}, unknownPlace(city)
	}
	var f figures
	result := document.Results[0]
	p := place{
		name:      printable(result.Name),
		country:   printable(result.Country),
		latitude:  f.take(result.Latitude, "latitude of the place"),
		longitude: f.take(result.Longitude, "longitude of the place"),
	}
	if f.err == nil && !(between(p.latitude, -90, 90) && between(p.longitude, -180, 180)) {
		f.err = fmt.Errorf("answered that the place is at latitude %g, longitude %g", p.latitude, p.longitude)
	}
	return p, f.err
}

// forecast is an answer of the forecast.
type forecast struct {
	UTCOffset figure `json:"utc_offset_seconds"`
	Units     struct {
		Temperature string `json:"temperature_2m"`
	} `json:"current_units"`
	Current struct {
		Time        label
		Temperature figure `json:"temperature_2m"`
		FeelsLike   figure `json:"apparent_temperature"`
		Humidity    figure `json:"relative_humidity_2m"`
		Code        figure `json:"weather_code"`
		Wind        figure `json:"wind_speed_10m"`
	}
}

// parseForecast completes the reading with an answer of the forecast.
func parseForecast(answer []byte, r Reading) (Reading, error) {
	var document forecast
	if err := decode(answer, &document); err != nil {
		return Reading{}, err
	}
	if unit := document.Units.Temperature; unit != "" && unit != r.Units.degrees() {
		return Reading{}, fmt.Errorf("answered in %s, and was asked for %s", excerpt(unit, 20), r.Units.degrees())
	}
	return document.complete(r)
}

func (d forecast) complete(r Reading) (Reading, error) {
	r.measure(d.Current.Temperature, d.Current.FeelsLike, d.Current.Humidity, d.Current.Wind)
	r.Description = describe(d.Current.Code.value)
	r.Observed = observedIn(d.UTCOffset.value, string(d.Current.Time))
	return r, r.check()
}

// observedIn is a local time so many seconds ahead of UTC, if it can be one.
func observedIn(offset *float64, local string) (none time.Time) {
	if offset == nil || !between(*offset, -86400, 86400) {
		return none
	}
	location, err := zone(time.Duration(*offset) * time.Second)
	if err != nil {
		return none
	}
	t, err := time.ParseInLocation("2006-01-02T15:04", local, location)
	if err != nil {
		return none
	}
	return t
}
