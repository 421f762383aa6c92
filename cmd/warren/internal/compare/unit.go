package compare

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Figures have three significant digits, for no run here is repeatable to more.

// rateText is a number of messages a second: "97.2 k".
func rateText(perSecond float64) string {
	switch {
	case perSecond <= 0:
		return "–"
	case perSecond >= 999_500:
		return digits(perSecond/1e6) + " M"
	case perSecond >= 999.5:
		return digits(perSecond/1e3) + " k"
	}
	return digits(perSecond)
}

// durationText is a duration in the unit that suits it: "330 µs".
func durationText(d time.Duration) string {
	switch {
	case d <= 0:
		return "–"
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < 999_500*time.Nanosecond:
		return digits(d.Seconds()*1e6) + " µs"
	case d < 999_500*time.Microsecond:
		return digits(d.Seconds()*1e3) + " ms"
	case d < 2*time.Minute:
		return digits(d.Seconds()) + " s"
	}
	return d.Round(time.Second).String()
}

// bytesText is a number of bytes: "16 KiB".
func bytesText(n int64) string {
	size, unit := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if size < 1024 {
			break
		}
		size, unit = size/1024, next
	}
	return digits(size) + " " + unit
}

// digits writes a number with three significant digits, and without a fraction
// that is zero.
func digits(f float64) string {
	if f >= 99.95 {
		return strconv.FormatFloat(math.Round(f), 'f', 0, 64)
	}
	decimals := 2
	switch {
	case f >= 9.995:
		decimals = 1
	case f > 0 && f < 0.0995:
		decimals = 1 - int(math.Floor(math.Log10(f)))
	}
	text := strconv.FormatFloat(f, 'f', decimals, 64)
	if whole, fraction, _ := strings.Cut(text, "."); strings.Trim(fraction, "0") == "" {
		return whole
	}
	return text
}

// count is a number with its noun: "1 consumer", "4 consumers".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// describe says in words what a message survives in a class.
func describe(c Class) string {
	switch c {
	case D0:
		return "held in memory, survives nothing"
	case D1:
		return "written, survives a kill of the broker"
	case D2:
		return "synced before the confirm, survives a power cut"
	}
	return "a class of its own"
}
