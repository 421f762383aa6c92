package compare

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"
)

// A curve is one target's latency, over all repeats together.
type curve struct {
	row       *row
	histogram *hdrhistogram.Histogram
}

// curvesOf gives the curves of one side of a setting, for the rows that have it.
func curvesOf(s *setting, side func(Run) *Latency) ([]curve, error) {
	var all []curve
	for _, r := range s.Rows {
		h, err := merged(r.Runs, side)
		if err != nil {
			return nil, fmt.Errorf("latency of %s on %s: %w", r.Workload, r.Target, err)
		}
		if h != nil {
			all = append(all, curve{r, h})
		}
	}
	return all, nil
}

// merged is the histogram of all runs, nil if none of them has any.
func merged(runs []Run, side func(Run) *Latency) (*hdrhistogram.Histogram, error) {
	var all *hdrhistogram.Histogram
	for i, run := range runs {
		l := side(run)
		if l == nil || l.Histogram == "" {
			continue
		}
		h, err := hdrhistogram.Decode([]byte(l.Histogram))
		if err != nil {
			return nil, fmt.Errorf("read the histogram of run %d: %w", i+1, err)
		}
		if h.TotalCount() == 0 {
			continue
		}
		if all == nil {
			all = h
			continue
		}
		if lost := all.Merge(h); lost > 0 {
			return nil, fmt.Errorf("add the histogram of run %d: %d values are out of the range of the others", i+1, lost)
		}
	}
	return all, nil
}

const curveHeight = 250 // points

// curveChart draws latencies by percentile. The axis of percentiles gives each
// next nine as much room as the one before, for the slowest messages are what a
// user notices; a curve ends at its slowest message.
func curveChart(title string, curves []curve) (chart, error) {
	p := newPlot()
	p.Add(grid{X: true, Y: true})
	nines, low, high := nineOf(99.9), math.Inf(1), 0.0
	alt := []string{title + "."}
	for _, c := range curves {
		points := percentiles(c.histogram)
		last := points[len(points)-1]
		nines = max(nines, last.X)
		low, high = min(low, points[0].Y), max(high, last.Y)
		line, err := plotter.NewLine(points)
		if err != nil {
			return chart{}, fmt.Errorf("%s, %s: %w", title, c.row.Target, err)
		}
		line.Color, line.Width, line.Dashes = seriesColor(c.row.Series), 1.8, seriesDashes(c.row.Series)
		p.Add(line)
		if m := seriesMark(c.row.Series); m != nil {
			p.Add(&plotter.Scatter{
				XYs:        markedAt(points, c.row.Series),
				GlyphStyle: draw.GlyphStyle{Color: line.Color, Radius: markRadius, Shape: m},
			})
		}
		alt = append(alt, fmt.Sprintf("%s: p50 %s, p99 %s, max %s.", c.row.Target,
			durationText(quantile(c.histogram, 50)), durationText(quantile(c.histogram, 99)), durationText(time.Duration(last.Y))))
	}
	p.X.Min, p.X.Max = nineOf(50), nines
	p.X.Tick.Marker = percentileTicks()
	p.X.Label.Text = "percentile of messages, to the slowest"
	p.Y.Scale = plot.LogScale{}
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = latencyAxis(low, high)
	p.X.Padding, p.Y.Padding = 6, 6
	return render(p, curveHeight, strings.Join(alt, " "))
}

// markedAt are some points of a curve, evenly apart, and not at the same places for all
// targets.
func markedAt(points plotter.XYs, series int) plotter.XYs {
	const apart = 20
	var some plotter.XYs
	for i := 2 + 7*series%apart; i < len(points)-1; i += apart {
		some = append(some, points[i])
	}
	return some
}

// percentiles are points of a curve from the median to the maximum, evenly apart
// on the axis.
func percentiles(h *hdrhistogram.Histogram) plotter.XYs {
	const steps = 80
	from := nineOf(50)
	// The slowest of n messages is as far out as 1 in n.
	to := max(math.Log10(float64(h.TotalCount())), from+0.1)
	asked := make([]float64, steps)
	at := func(i int) float64 { return from + (to-from)*float64(i)/steps }
	for i := range asked {
		asked[i] = 100 * (1 - math.Pow(10, -at(i)))
	}
	// All at once: a histogram is long, and is gone through from its start.
	values := h.ValueAtPercentiles(asked)
	points := make(plotter.XYs, 0, steps+1)
	for i, percentile := range asked {
		points = append(points, plotter.XY{X: at(i), Y: float64(max(values[percentile], 1))})
	}
	return append(points, plotter.XY{X: to, Y: float64(max(h.Max(), 1))})
}

// nineOf is where a percentile is on the axis: 90 at 1, 99 at 2, 99.9 at 3.
func nineOf(percentile float64) float64 { return -math.Log10(1 - percentile/100) }

func percentileTicks() ticks {
	var marks ticks
	for _, percentile := range []float64{50, 90, 99, 99.9, 99.99, 99.999, 99.9999} {
		marks = append(marks, plot.Tick{Value: nineOf(percentile), Label: number(percentile) + "%"})
	}
	return marks
}

// latencyAxis goes from the 1, 2 or 5 below the lowest value to that above the
// highest, and over a factor of five at least. Over many decades, each has one mark.
func latencyAxis(low, high float64) (from, to float64, marks ticks) {
	low = max(low, 1)
	high = max(high, 5*low)
	from, to = 1, 1
	steps := oneTwoFive(high)
	for _, v := range steps {
		if v <= low {
			from = v
		}
		if to < high {
			to = v
		}
	}
	for i, v := range steps {
		if many := to/from > 500; v >= from && v <= to && (!many || i%3 == 0) {
			marks = append(marks, plot.Tick{Value: v, Label: durationText(time.Duration(v))})
		}
	}
	return from, to, marks
}

// oneTwoFive is 1, 2, 5, 10 and so on, until one is no less than a value.
func oneTwoFive(until float64) []float64 {
	var steps []float64
	for decade := 1.0; ; decade *= 10 {
		for _, step := range []float64{1, 2, 5} {
			steps = append(steps, decade*step)
			if decade*step >= until {
				return steps
			}
		}
	}
}

func quantile(h *hdrhistogram.Histogram, percentile float64) time.Duration {
	return time.Duration(h.ValueAtPercentile(percentile))
}
