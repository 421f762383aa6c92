package compare

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// chartWidth is in points and fits a phone: a wider page has more charts beside
// one another.
const chartWidth = 400

// A chart is a drawing within an svg element, and what it shows in words.
type chart struct {
	Width, Height int
	Alt           string
	Drawing       template.HTML
}

// newPlot is an empty plot in the page's colors and its own font.
func newPlot() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil // the page's
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color = gridColor
		axis.Tick.Color = gridColor
		axis.Tick.Length = 3
		axis.Label.Padding = 3
		axis.Label.TextStyle.Color = mutedColor
		axis.Label.TextStyle.Font = chartFont(11)
		axis.Tick.Label.Color = inkColor
		axis.Tick.Label.Font = chartFont(12)
	}
	return p
}

func chartFont(size vg.Length) font.Font {
	return font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size)
}

func chartText(size vg.Length, ink color.Color, x text.XAlignment) text.Style {
	return text.Style{Color: ink, Font: chartFont(size), XAlign: x, YAlign: draw.YCenter, Handler: plot.DefaultTextHandler}
}

// measured notes how wide each text of a drawing is in the font that it was laid
// out for. The reader's computer may have a wider one.
type measured struct {
	*vgsvg.Canvas
	widths []vg.Length
}

// Stroke draws a line, without the points that nobody would miss.
func (m *measured) Stroke(line vg.Path) { m.Canvas.Stroke(thinned(line)) }

// FillString writes a text.
func (m *measured) FillString(face font.Face, at vg.Point, text string) {
	m.widths = append(m.widths, face.Width(text))
	m.Canvas.FillString(face, at, text)
}

// fit has each text take the room that was measured, whatever the font.
func (m *measured) fit(drawing string) string {
	const text = "<text "
	pieces := strings.Split(drawing, text)
	var out strings.Builder
	out.WriteString(pieces[0])
	for i, piece := range pieces[1:] {
		out.WriteString(text)
		if i < len(m.widths) && m.widths[i] > 0 {
			fmt.Fprintf(&out, `textLength="%.1f" lengthAdjust="spacingAndGlyphs" `, m.widths[i].Points())
		}
		out.WriteString(piece)
	}
	return out.String()
}

// render draws a plot. What the drawing library writes is a file of its own; the
// page needs what is in it, and writes the svg element itself.
func render(p *plot.Plot, height int, alt string) (chart, error) {
	canvas := &measured{Canvas: vgsvg.New(chartWidth, vg.Length(height))}
	p.Draw(draw.Crop(draw.New(canvas), 1, -1, 1, -4)) // half a line and half a letter stand out
	var file bytes.Buffer
	if _, err := canvas.WriteTo(&file); err != nil {
		return chart{}, fmt.Errorf("draw a chart: %w", err)
	}
	_, rest, _ := strings.Cut(file.String(), "<svg")
	_, drawing, opened := strings.Cut(rest, ">")
	end := strings.LastIndex(drawing, "</svg>")
	if !opened || end < 0 {
		return chart{}, fmt.Errorf("draw a chart: the drawing is no SVG")
	}
	// The library escapes all texts; nothing else in the drawing comes from outside.
	body := template.HTML(compact(cssColors.Replace(canvas.fit(drawing[:end]))))
	return chart{Width: chartWidth, Height: height, Alt: alt, Drawing: body}, nil
}

// ticks are fixed marks of an axis.
type ticks []plot.Tick

// Ticks gives all of them: the axis leaves out what is not on it.
func (t ticks) Ticks(_, _ float64) []plot.Tick { return t }

// rateTicks are about four round rates from 0 to the top.
func rateTicks(top float64) ticks {
	step := math.Pow(10, math.Floor(math.Log10(top/4)))
	for _, f := range []float64{1, 2, 5, 10} {
		if top/(step*f) <= 4.5 {
			step *= f
			break
		}
	}
	marks := ticks{{Value: 0, Label: "0"}}
	for v := step; v <= top; v += step {
		marks = append(marks, plot.Tick{Value: v, Label: rateText(v)})
	}
	return marks
}

// shorten keeps a name within a chart.
func shorten(name string, most int) string {
	if letters := []rune(name); len(letters) > most {
		return string(letters[:most-1]) + "…"
	}
	return name
}

// grid draws lines across a plot at the marks of its axes, below all else.
type grid struct{ X, Y bool }

// Plot draws the lines.
func (g grid) Plot(c draw.Canvas, p *plot.Plot) {
	style := draw.LineStyle{Color: gridColor, Width: 0.5}
	toX, toY := p.Transforms(&c)
	if g.X {
		for _, mark := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
			if x := toX(mark.Value); !mark.IsMinor() && c.ContainsX(x) {
				c.StrokeLine2(style, x, c.Min.Y, x, c.Max.Y)
			}
		}
	}
	if g.Y {
		for _, mark := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
			if y := toY(mark.Value); !mark.IsMinor() && c.ContainsY(y) {
				c.StrokeLine2(style, c.Min.X, y, c.Max.X, y)
			}
		}
	}
}
