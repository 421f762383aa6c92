package weather

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// wttr asks wttr.in, whose answers are those of a paid service that it passes on.
type wttr struct {
	base   string
	client *http.Client
}

func newWttr(base string) *wttr { return &wttr{base: base, client: newClient()} }

func (w *wttr) Name() string { return "wttr.in" }

func (w *wttr) Current(ctx context.Context, city string, units Units) (Reading, error) {
	if err := checkQuestion(city, units); err != nil {
		return Reading{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	reading, err := w.current(ctx, city, units)
	if err != nil {
		return Reading{}, fmt.Errorf("%s %w", w.Name(), err)
	}
	return reading, nil
}

func (w *wttr) current(ctx context.Context, city string, units Units) (Reading, error) {
	answer, err := get(ctx, w.client, w.base+"/"+url.PathEscape(city)+"?format=j1")
	var status *statusError
	switch {
	case errors.As(err, &status) && status.meansUnknownPlace():
		return Reading{}, unknownPlace(city)
	case err != nil:
		return Reading{}, err
	case bytes.HasPrefix(answer, []byte("Unknown location")):
		// It says this of places that it knows too, when it gets no weather itself.
		return Reading{}, fmt.Errorf("has no weather for %q now (%s); try again later, or check the spelling",
			city, excerpt(string(answer), 80))
	}
	return parseWttr(answer, Reading{Units: units, Source: w.Name(), Fetched: now()})
}

// meansUnknownPlace knows both ways in which wttr.in says so. With 404 comes the
// weather of some other place.
func (e *statusError) meansUnknownPlace() bool {
	return e.code == http.StatusNotFound || strings.Contains(e.reason, "location not found")
}

// wttrTexts is how wttr.in writes a text.
type wttrTexts []struct{ Value string }

func (t wttrTexts) first() string {
	if len(t) == 0 {
		return ""
	}
	return printable(t[0].Value)
}

// wttrCondition has its numbers in strings.
type wttrCondition struct {
	TempC         json.Number `json:"temp_C"`
	TempF         json.Number `json:"temp_F"`
	FeelsLikeC    json.Number
	FeelsLikeF    json.Number
	Humidity      json.Number
	WindKmph      json.Number `json:"windspeedKmph"`
	WindMiles     json.Number `json:"windspeedMiles"`
	Description   wttrTexts   `json:"weatherDesc"`
	UTCTime       string      `json:"observation_time"`
	LocalDateTime string      `json:"localObsDateTime"`
}

// parseWttr completes the reading with an answer of wttr.in.
func parseWttr(answer []byte, r Reading) (Reading, error) {
	var document struct {
		Current []wttrCondition `json:"current_condition"`
		Area    []struct {
			Name    wttrTexts `json:"areaName"`
			Country wttrTexts
		} `json:"nearest_area"`
	}
	if err := decode(answer, &document); err != nil {
		return Reading{}, err
	}
	if len(document.Current) == 0 {
		return Reading{}, errors.New("answered without the current weather")
	}
	if len(document.Area) == 0 {
		return Reading{}, errors.New("answered without the name of the place")
	}
	r.Place, r.Country = document.Area[0].Name.first(), document.Area[0].Country.first()
	return document.Current[0].complete(r)
}

func (c wttrCondition) complete(r Reading) (Reading, error) {
	temperature, feelsLike, wind := c.TempC, c.FeelsLikeC, c.WindKmph
	if r.Units == Imperial {
		temperature, feelsLike, wind = c.TempF, c.FeelsLikeF, c.WindMiles
	}
	var f figures
	r.Temperature = f.take(temperature, "temperature")
	r.FeelsLike = f.take(feelsLike, "apparent temperature")
	r.Humidity = f.take(c.Humidity, "humidity")
	r.Wind = f.take(wind, "wind speed")
	if f.err != nil {
		return Reading{}, f.err
	}
	r.Description = strings.ToLower(c.Description.first())
	var err error
	if r.Observed, err = c.observed(r.Fetched); err != nil {
		return Reading{}, err
	}
	return r, r.check()
}

// observed puts together a time of day in UTC and a local time without a zone,
// which is missing at times. Where the zone may be one of two a day apart, as
// beside the date line, that one is right by which the reading is about now.
func (c wttrCondition) observed(now time.Time) (time.Time, error) {
	utc, err := time.Parse("03:04 PM", c.UTCTime)
	if err != nil {
		return time.Time{}, fmt.Errorf("answered with %q as the time", excerpt(c.UTCTime, 40))
	}
	if c.LocalDateTime == "" {
		return nearest(now, sinceMidnight(utc)), nil
	}
	local, err := time.Parse("2006-01-02 03:04 PM", c.LocalDateTime)
	if err != nil {
		return time.Time{}, fmt.Errorf("answered with %q as the local time", excerpt(c.LocalDateTime, 40))
	}
	return inZone(now, local, sinceMidnight(local)-sinceMidnight(utc)), nil
}

// inZone gives a local time the zone that is so far ahead of UTC, give or take a
// day.
func inZone(now, local time.Time, ahead time.Duration) time.Time {
	const day = 24 * time.Hour
	ahead = ahead.Round(15 * time.Minute) // as zones are; the two times may be a minute apart
	var best time.Time
	for _, ahead := range []time.Duration{ahead - day, ahead, ahead + day} {
		location, err := zone(ahead)
		if err != nil {
			continue
		}
		t := local.Add(-ahead).In(location)
		if best.IsZero() || t.Sub(now).Abs() < best.Sub(now).Abs() {
			best = t
		}
	}
	return best
}

func sinceMidnight(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
}

// nearest is that time of day in UTC which is closest to now.
func nearest(now time.Time, timeOfDay time.Duration) time.Time {
	t := now.UTC().Truncate(24 * time.Hour).Add(timeOfDay)
	switch ahead := t.Sub(now); {
	case ahead > 12*time.Hour:
		return t.AddDate(0, 0, -1)
	case ahead < -12*time.Hour:
		return t.AddDate(0, 0, 1)
	}
	return t
}
