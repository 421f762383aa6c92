package compare

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// A spread is one figure over all repeats of a measurement. The zero value says
// that no run has it.
type spread struct{ Median, Low, High float64 }

// spreadOf leaves out the runs in which the figure is 0, which have none.
func spreadOf(runs []Run, figure func(Run) float64) spread {
	var all []float64
	for _, r := range runs {
		if f := figure(r); f > 0 {
			all = append(all, f)
		}
	}
	if len(all) == 0 {
		return spread{}
	}
	slices.Sort(all)
	middle := len(all) / 2
	median := all[middle]
	if len(all)%2 == 0 {
		median = (all[middle-1] + all[middle]) / 2
	}
	return spread{Median: median, Low: all[0], High: all[len(all)-1]}
}

// Deviation is how far the farthest run is from the median, as part of it.
func (s spread) Deviation() float64 {
	if s.Median == 0 {
		return 0
	}
	return max(s.High-s.Median, s.Median-s.Low) / s.Median
}

// Rate is the spread of a rate: "97.2 k ±2%".
func (s spread) Rate() string {
	if s.Median == 0 {
		return "–"
	}
	return fmt.Sprintf("%s ±%.0f%%", rateText(s.Median), math.Round(100*s.Deviation()))
}

// RateRange is a rate's lowest and highest run: "95.1 k to 99.0 k".
func (s spread) RateRange() string {
	if s.Median == 0 {
		return "–"
	}
	return rateText(s.Low) + " to " + rateText(s.High)
}

// Duration is the median of durations.
func (s spread) Duration() string { return durationText(time.Duration(s.Median)) }

// DurationRange is the shortest and the longest of durations.
func (s spread) DurationRange() string {
	if s.Median == 0 {
		return "–"
	}
	return durationText(time.Duration(s.Low)) + " to " + durationText(time.Duration(s.High))
}

// latencySpread is that of a latency over all repeats, quantile by quantile.
type latencySpread struct{ P50, P95, P99, P999, Max spread }

func latencySpreadOf(runs []Run, side func(Run) *Latency) latencySpread {
	// One message in a thousand is told of where there are a thousand.
	of := func(quantile func(*Latency) time.Duration, one int64) spread {
		return spreadOf(runs, func(r Run) float64 {
			if l := side(r); l != nil && l.Count >= one {
				return float64(quantile(l))
			}
			return 0
		})
	}
	return latencySpread{
		P50:  of(func(l *Latency) time.Duration { return l.P50 }, 2),
		P95:  of(func(l *Latency) time.Duration { return l.P95 }, 20),
		P99:  of(func(l *Latency) time.Duration { return l.P99 }, 100),
		P999: of(func(l *Latency) time.Duration { return l.P999 }, 1000),
		Max:  of(func(l *Latency) time.Duration { return l.Max }, 1),
	}
}
