package weather

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"unicode"
)

// A Source tells the current weather.
type Source interface {
	// Name is what readings and errors call the source.
	Name() string

	// Current is the weather in a city, which may be followed by its country, as
	// in "Kyiv, Ukraine". A source that is away or overloaded is asked again, for
	// half a minute in all, or until ctx ends.
	//
	// The error wraps [ErrUnknownPlace] if there is no such city, and
	// [context.Canceled] if ctx was cancelled. Being too slow is the source's
	// fault, whoever set the deadline: that error wraps nothing.
	Current(ctx context.Context, city string, units Units) (Reading, error)
}

// New is the source of that name: "open-meteo", which "" stands for too, "wttr",
// or the http or https address of a server that speaks Open-Meteo's API, below
// which it has v1/search and v1/forecast. Nothing is asked yet.
func New(name string) (Source, error) {
	switch name {
	case "", "open-meteo":
		return newOpenMeteo("Open-Meteo", "https://geocoding-api.open-meteo.com", "https://api.open-meteo.com"), nil
	case "wttr":
		return newWttr("https://wttr.in"), nil
	}
	base, err := url.Parse(name)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Hostname() == "" {
		return nil, fmt.Errorf("unknown weather source %q: give open-meteo, wttr, or the http:// or https:// address "+
			"of a server that speaks Open-Meteo's API", name)
	}
	if base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("weather source %q: give the address without what follows '?' or '#'", name)
	}
	address := strings.TrimRight(base.String(), "/")
	return newOpenMeteo(printable(base.Host), address, address), nil
}

// checkQuestion refuses what no source can answer.
func checkQuestion(city string, units Units) error {
	if err := CheckCity(city); err != nil {
		return err
	}
	return units.Validate()
}

// CheckCity refuses what can be the name of no city. A path without a word in it
// would ask some sources for the weather here.
func CheckCity(city string) error {
	if !strings.ContainsFunc(city, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
		return fmt.Errorf("%q is no city: give its name, as in \"Kyiv\"", city)
	}
	return nil
}

func unknownPlace(city string) error {
	return fmt.Errorf("knows %w called %q; check the spelling, or add the country, as in \"Kyiv, Ukraine\"",
		ErrUnknownPlace, city)
}
