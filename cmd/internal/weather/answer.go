package weather

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// decode reads a JSON answer into v.
func decode(answer []byte, v any) error {
	err := json.Unmarshal(answer, v)
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case isHTML(answer):
		return errors.New("answered a web page instead of JSON")
	case len(bytes.TrimSpace(answer)) == 0:
		return errors.New("answered nothing")
	case errors.As(err, &syntax):
		return fmt.Errorf("answered something that is no JSON: %q", excerpt(string(answer), 80))
	}
	return fmt.Errorf("answered JSON of another form: %s", printable(strings.TrimPrefix(err.Error(), "json: ")))
}

func isHTML(answer []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(answer), []byte("<")) }

// reason is what an answer that is an error gives as the cause, if it does.
func reason(answer []byte) string {
	var document struct{ Reason string }
	if json.Valid(answer) || isHTML(answer) {
		_ = json.Unmarshal(answer, &document) // an error of another form has no reason
		return printable(document.Reason)
	}
	return printable(string(answer))
}

// A figure is a number of the weather in an answer, written as one or in a string.
// What is no number is none: the rest of the answer is told without it.
type figure struct{ value *float64 }

// UnmarshalJSON takes anything.
func (f *figure) UnmarshalJSON(text []byte) error {
	var n json.Number
	f.value = nil
	if json.Unmarshal(text, &n) != nil {
		return nil
	}
	if x, err := n.Float64(); err == nil {
		f.value = &x
	}
	return nil
}

// within is the figure if it can be true.
func (f figure) within(low, high float64, unit func(float64) float64) *float64 {
	if f.value == nil || !between(unit(*f.value), low, high) {
		return nil
	}
	return f.value
}

// plain is the unit of what has none.
func plain(x float64) float64 { return x }

// A label is a text in an answer; what is no text is an empty one.
type label string

// UnmarshalJSON takes anything.
func (l *label) UnmarshalJSON(text []byte) error {
	var s string
	_ = json.Unmarshal(text, &s)
	*l = label(s)
	return nil
}

// figures takes the numbers that cannot be done without out of an answer. It keeps the first error, to be
// looked at when all are taken.
type figures struct{ err error }

func (f *figures) take(n json.Number, what string) float64 {
	x, err := n.Float64()
	switch {
	case f.err != nil:
	case n == "":
		f.err = fmt.Errorf("answered without the %s", what)
	case err != nil:
		f.err = fmt.Errorf("answered with %s as the %s", excerpt(n.String(), 20), what)
	}
	return x
}

// zone is the time zone that is so far ahead of UTC. A zone with seconds is none:
// no country has one, and RFC 3339 cannot write it.
func zone(ahead time.Duration) (*time.Location, error) {
	if ahead < -12*time.Hour || ahead > 14*time.Hour || ahead%time.Minute != 0 {
		return nil, fmt.Errorf("answered with a time zone %s ahead of UTC", ahead)
	}
	return time.FixedZone("", int(ahead.Seconds())), nil
}

// printable is a text of a stranger on one line, without anything that steers a
// terminal, and not long.
func printable(text string) string { return excerpt(text, 200) }

func excerpt(text string, length int) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
	runes := []rune(strings.Join(strings.Fields(clean), " "))
	if len(runes) > length {
		return string(runes[:length]) + "…"
	}
	return string(runes)
}
