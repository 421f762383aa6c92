package compare

import (
	"math"
	"strconv"
)

// A ratio is how many times one target's figure is another's. Low and High are what
// the slowest runs of one and the fastest of the other make of it, and the other way
// round. The zero ratio is none.
type ratio struct {
	Value, Low, High float64
	itself           bool // of a row to itself
}

// ratioOf divides the figures of two rows of a setting. There is none where the runs
// are too few to have a spread, or lost messages.
func ratioOf(r, to *row) ratio {
	if to == nil || !r.comparable() || !to.comparable() {
		return ratio{}
	}
	if r == to {
		return ratio{Value: 1, Low: 1, High: 1, itself: true}
	}
	a, b := r.Main(), to.Main()
	if a.Median == 0 || b.Median == 0 {
		return ratio{}
	}
	return ratio{Value: a.Median / b.Median, Low: a.Low / b.High, High: a.High / b.Low}
}

// comparable says whether a row's figure may be divided by another's.
func (r *row) comparable() bool {
	for _, run := range r.Runs {
		if run.Lost > 0 {
			return false
		}
	}
	return r.counted() >= leastRuns
}

// Within says that the runs do not tell which of the two is faster.
func (r ratio) Within() bool { return r.Value > 0 && !r.itself && r.Low <= 1 && r.High >= 1 }

// String has as many digits as the spread allows: "2.4", and "~1.1" within it.
func (r ratio) String() string {
	switch {
	case r.Value == 0:
		return "–"
	case r.itself:
		return "1"
	case r.Within():
		return "~" + r.digits()
	}
	return r.digits()
}

// Range is from the least to the most that the runs make of it.
func (r ratio) Range() string { return digits(r.Low) + " to " + digits(r.High) }

// digits leaves out those that the spread moves by more than five.
func (r ratio) digits() string {
	half := (r.High - r.Low) / 2
	decimals := 2
	if r.Value < 0.095 {
		decimals = 3
	}
	for decimals > 0 && (half > 5*math.Pow10(-decimals) || r.Value >= 9.995*math.Pow10(2-decimals)) {
		decimals--
	}
	if text := strconv.FormatFloat(r.Value, 'f', decimals, 64); text != "0" {
		return text
	}
	return strconv.FormatFloat(r.Value, 'f', 1, 64)
}
