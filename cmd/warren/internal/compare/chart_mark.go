package compare

import (
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A mark tells targets apart that have the same color. These are its corners, with its
// middle at zero and none of them farther from it than 1.
type mark []vg.Point

// marks are of the first targets, of those that have their colors again, and so on.
var marks = []mark{
	nil,
	spiked(6, 1, 0), // round
	spiked(3, 0.5, math.Pi/2),
	spiked(4, 0.3, 0),
	spiked(3, 0.5, -math.Pi/2),
	spiked(6, 0.4, 0),
	spiked(4, math.Sqrt2/2, 0),
}

// spiked is a star with so many points, whose inner corners are that far from the middle.
// With the cosine of the half angle between two points it is a polygon.
func spiked(points int, inner, turn float64) mark {
	var m mark
	for i := range 2 * points {
		radius := 1.0
		if i%2 == 1 {
			radius = inner
		}
		sin, cos := math.Sincos(turn + math.Pi*float64(i)/float64(points))
		m = append(m, vg.Point{X: vg.Length(radius * cos), Y: vg.Length(radius * sin)})
	}
	return m
}

func seriesMark(series int) mark { return marks[series/seriesColors%len(marks)] }

// DrawGlyph draws the mark on a chart.
func (m mark) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	var path vg.Path
	for i, corner := range m {
		to := at.Add(corner.Scale(style.Radius))
		if i == 0 {
			path.Move(to)
		} else {
			path.Line(to)
		}
	}
	if len(path) > 0 {
		path.Close()
		c.Fill(path)
	}
}

// markPath is a target's mark as a path of SVG about a place; empty if it has none.
func markPath(series int, x, y, radius float64) string {
	var path strings.Builder
	for i, corner := range seriesMark(series) {
		command := 'L'
		if i == 0 {
			command = 'M'
		}
		fmt.Fprintf(&path, "%c%.1f %.1f", command, x+radius*corner.X.Points(), y-radius*corner.Y.Points())
	}
	if path.Len() > 0 {
		path.WriteByte('Z')
	}
	return path.String()
}

const markRadius = 4 // points

// A barMark is the mark of a bar, near its beginning.
type barMark struct {
	mark
	y, length float64 // of the bar
}

// Plot draws it, unless the bar is too short for it.
func (b barMark) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	if toX(b.length)-toX(0) < 4*markRadius {
		return
	}
	c.DrawGlyph(draw.GlyphStyle{Color: sheetColor, Radius: markRadius, Shape: b.mark},
		vg.Point{X: toX(0) + 2*markRadius, Y: toY(b.y)})
}
