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
	return parseWttr(answer, Reading{Place: printable(city), Units: units, Source: w.Name(), Fetched: now()})
}

// meansUnknownPlace knows both ways in which wttr.in says so. With 404 comes the
// weather of some other place.
func (e *statusError) meansUnknownPlace() bool {
	return e.code == http.StatusNotFound || strings.Contains(e.reason, "location not found")
}

// wttrTexts is how wttr.in writes a text.
type wttrTexts []struct{ Value label }

// UnmarshalJSON takes anything.
func (t *wttrTexts) UnmarshalJSON(text []byte) error {
	type plain wttrTexts
	if json.Unmarshal(text, (*plain)(t)) != nil {
		*t = nil
	}
	return nil
}

func (t wttrTexts) first() string {
	if len(t) == 0 {
		return ""
	}
	return printable(string(t[0].Value))
}

// wttrCondition has its numbers in strings.
type wttrCondition struct {
	TempC         figure `json:"temp_C"`
	TempF         figure `json:"temp_F"`
	FeelsLikeC    figure
	FeelsLikeF    figure
	Humidity      figure
	WindKmph      figure    `json:"windspeedKmph"`
	WindMiles     figure    `json:"windspeedMiles"`
	Description   wttrTexts `json:"weatherDesc"`
	UTCTime       label     `json:"observation_time"`
	LocalDateTime label     `json:"localObsDateTime"`
}

// parseWttr completes the reading with an answer of wttr.in. If that does not name the
// place, it is the one that was asked for.
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
	if len(document.Area) > 0 && document.Area[0].Name.first() != "" {
		r.Place, r.Country = document.Area[0].Name.first(), document.Area[0].Country.first()
	}
	return document.Current[0].complete(r)
}

func (c wttrCondition) complete(r Reading) (Reading, error) {
	temperature, feelsLike, wind := c.TempC, c.FeelsLikeC, c.WindKmph
	if r.Units == Imperial {
		temperature, feelsLike, wind = c.TempF, c.FeelsLikeF, c.WindMiles
	}
	r.measure(temperature, feelsLike, c.Humidity, wind)
	r.Description = strings.ToLower(c.Description.first())
	r.Observed = c.observed(r.Fetched)
	return r, r.check()
}

// observed puts together a time of day in UTC and a local time without a zone,
// which is missing at times. Where the zone may be one of two a day apart, as
// beside the date line, that one is right by which the reading is about now.
func (c wttrCondition) observed(now time.Time) (none time.Time) {
	utc, err := time.Parse("03:04 PM", string(c.UTCTime))
	if err != nil {
		return none
	}
	local, err := time.Parse("2006-01-02 03:04 PM", string(c.LocalDateTime))
	if err != nil {
		return nearest(now, sinceMidnight(utc))
	}
	return inZone(now, local, sinceMidnight(local)-sinceMidnight(utc))
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
