package compare

import (
	"fmt"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
)

const (
	barHeight  = 14 // points
	lineHeight = 21 // a bar or a heading
)

// barChart draws the rates of an exercise as bars, the settings below one another,
// each under its name if there are several. A whisker reaches from the slowest run to the fastest.
// There is no chart, and false, if nothing has a rate.
func barChart(e *exercise) (chart, bool, error) {
	b := bars{plot: newPlot()}
	for _, s := range e.Settings {
		if len(e.Settings) > 1 {
			b.heading(s.String())
		}
		for _, r := range s.Rows {
			if err := b.add(r); err != nil {
				return chart{}, false, fmt.Errorf("%s on %s: %w", e.Workload, r.Target, err)
			}
		}
	}
	if b.top == 0 {
		return chart{}, false, nil
	}
	drawn, err := b.render(e.Title() + ", " + e.ClassText())
	return drawn, true, err
}

// bars are laid out from top to bottom: line n is at the height -n.
type bars struct {
	plot   *plot.Plot
	lines  int
	top    float64 // the highest rate
	names  ticks
	layers []plot.Plotter
	heads  []label
	values []label
	alt    []string
}

// A label is a text at a place of the plot.
type label struct {
	plotter.XY
	text  string
	style text.Style
}

func (b *bars) heading(name string) {
	b.heads = append(b.heads, label{plotter.XY{Y: -float64(b.lines)}, name, chartText(11, mutedColor, text.XLeft)})
	b.alt = append(b.alt, name+":")
	b.lines++
}

func (b *bars) add(r *row) error {
	rate, y := r.Main(), -float64(b.lines)
	b.names = append(b.names, plot.Tick{Value: y, Label: shorten(r.Target, 24)})
	b.alt = append(b.alt, fmt.Sprintf("%s %s messages a second, from %s;", r.Target, rateText(rate.Median), rate.RateRange()))
	if rate.Median == 0 {
		b.values = append(b.values, label{plotter.XY{Y: y}, "no figure", chartText(11, mutedColor, text.XLeft)})
		b.lines++
		return nil
	}
	bar, err := plotter.NewBarChart(plotter.Values{rate.Median}, barHeight)
	if err != nil {
		return err
	}
	bar.Horizontal, bar.XMin = true, y
	bar.Color, bar.Width = seriesColor(r.Series), barHeight
	bar.LineStyle.Width = 0
	whisker, err := plotter.NewXErrorBars(struct {
		plotter.XYs
		plotter.XErrors
	}{
		plotter.XYs{{X: rate.Median, Y: y}},
		plotter.XErrors{{Low: rate.Median - rate.Low, High: rate.High - rate.Median}},
	})
	if err != nil {
		return err
	}
	whisker.Color, whisker.Width, whisker.CapWidth = inkColor, 1, 6
	b.layers = append(b.layers, bar, barMark{seriesMark(r.Series), y, rate.Median}, whisker)
	b.values = append(b.values, label{plotter.XY{X: rate.High, Y: y}, rateText(rate.Median), chartText(12, inkColor, text.XLeft)})
	b.top = max(b.top, rate.High)
	b.lines++
	return nil
}

// fitHeads makes headings that are too long for the room beside the names smaller,
// and shorter if that is not enough.
func (b *bars) fitHeads() {
	room := vg.Length(chartWidth - 20)
	for _, name := range b.names {
		room = min(room, chartWidth-20-b.plot.Y.Tick.Label.Width(name.Label))
	}
	for i := range b.heads {
		h := &b.heads[i]
		for h.style.Font.Size > 7 && h.style.Width(h.text) > room {
			h.style.Font.Size -= 0.5
		}
		for h.style.Width(h.text) > room {
			h.text = shorten(h.text, len([]rune(h.text))-1)
		}
	}
}

func (b *bars) render(title string) (chart, error) {
	b.fitHeads()
	p := b.plot
	p.Add(grid{X: true})
	p.Add(b.layers...)
	for _, texts := range []struct {
		labels []label
		right  vg.Length
	}{{b.heads, 0}, {b.values, 6}} {
		if len(texts.labels) == 0 {
			continue
		}
		added, err := labels(texts.labels, texts.right)
		if err != nil {
			return chart{}, err
		}
		p.Add(added)
	}
	p.X.Min, p.X.Max = 0, b.top
	p.Y.Min, p.Y.Max = 0.5-float64(b.lines), 0.5
	p.X.Tick.Marker, p.Y.Tick.Marker = rateTicks(b.top), b.names
	p.X.Label.Text = "messages a second"
	p.Y.Tick.Length, p.Y.Width = 0, 0
	p.X.Padding, p.Y.Padding = 0, 5
	return render(p, b.lines*lineHeight+36, title+". "+strings.Join(b.alt, " "))
}

// labels are texts to add to a plot, each so far to the right of its place.
func labels(all []label, right vg.Length) (*plotter.Labels, error) {
	var texts plotter.XYLabels
	var styles []text.Style
	for _, l := range all {
		texts.XYs = append(texts.XYs, l.XY)
		texts.Labels = append(texts.Labels, l.text)
		styles = append(styles, l.style)
	}
	added, err := plotter.NewLabels(texts)
	if err != nil {
		return nil, err
	}
	added.TextStyle, added.Offset = styles, vg.Point{X: right}
	return added, nil
}
