package compare

import (
	"fmt"
	"image/color"
	"strings"

	"gonum.org/v1/plot/vg"
)

// Charts are drawn in colors that nothing else is drawn in, and those are then
// replaced by CSS variables: so the page decides what they look like, by light, by
// dark and on paper. A target has the same color, dashes and mark on every chart.

// seriesColors is how many colors the page has for targets; then they repeat, with
// other dashes and another mark.
const seriesColors = 12

var (
	inkColor   = color.NRGBA{R: 0xF1, A: 0xFF} // text and axes
	mutedColor = color.NRGBA{R: 0xF2, A: 0xFF} // names of axes
	gridColor  = color.NRGBA{R: 0xF3, A: 0xFF}
	sheetColor = color.NRGBA{R: 0xF4, A: 0xFF} // what charts are drawn on
)

func seriesColor(series int) color.NRGBA {
	return color.NRGBA{R: 0xF0, G: uint8(series % seriesColors), A: 0xFF}
}

// cssColors turns the colors of a drawing into the page's variables.
var cssColors = func() *strings.Replacer {
	pairs := []string{hex(inkColor), "var(--ink)", hex(mutedColor), "var(--muted)", hex(gridColor), "var(--grid)", hex(sheetColor), "var(--sheet)"}
	for i := range seriesColors {
		pairs = append(pairs, hex(seriesColor(i)), fmt.Sprintf("var(--series-%d)", i))
	}
	return strings.NewReplacer(pairs...)
}()

func hex(c color.NRGBA) string { return fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B) }

// seriesDashes tells lines apart for those who do not tell their colors apart.
func seriesDashes(series int) []vg.Length {
	dashes := [][]vg.Length{nil, {6, 3}, {2, 2}, {8, 3, 2, 3}, {12, 3}, {4, 4, 1, 4}}
	return dashes[(series+series/seriesColors)%len(dashes)]
}
