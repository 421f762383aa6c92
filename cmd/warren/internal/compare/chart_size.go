package compare

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"
)

// missable is how far a line may pass from a point that it leaves out, in points:
// a quarter of what a pixel is on most screens.
const missable = 0.2

// thinned is a line of straight pieces without the points that are next to the line
// between those that stay, after Ramer, Douglas and Peucker. Other paths stay as
// they are.
func thinned(line vg.Path) vg.Path {
	for i, c := range line {
		if (i == 0) != (c.Type == vg.MoveComp) || i > 0 && c.Type != vg.LineComp {
			return line
		}
	}
	if len(line) < 3 {
		return line
	}
	return append(farthest(line), line[len(line)-1])
}

// farthest are the points that a line keeps, but for its last.
func farthest(line vg.Path) vg.Path {
	first, last := line[0].Pos, line[len(line)-1].Pos
	along := last.Sub(first)
	length := math.Hypot(along.X.Points(), along.Y.Points())
	most, at := missable, 0
	for i := 1; i < len(line)-1; i++ {
		p := line[i].Pos.Sub(first)
		off := math.Hypot(p.X.Points(), p.Y.Points()) // where it comes back to its start
		if length > 0 {
			off = math.Abs(float64(along.X*p.Y-along.Y*p.X)) / length
		}
		if off > most {
			most, at = off, i
		}
	}
	if at == 0 {
		return vg.Path{line[0]}
	}
	return append(farthest(line[:at+1]), farthest(line[at:])...)
}

// The style sheet says once of all charts what the library says of each piece.
var (
	sameForAll = strings.NewReplacer(
		"\n\tstyle=", " style=", `" />`, `"/>`,
		"font-family:Liberation Sans;font-variant:normal;font-weight:normal;font-style:normal;", "",
		` style="fill:none;stroke:var(--grid);stroke-width:0.5" />`, "/>",
		` style="fill:none;stroke:var(--ink)" />`, ` class="whisker"/>`,
		`style="fill:none;`, `style="`, `style="fill:var(--series`, `class="bar" style="fill:var(--series`,
		`style="fill:var(--sheet`, `class="bar" style="fill:var(--sheet`,
		` transform="scale(1, -1)"`, "",
	)
	usualText   = strings.NewReplacer(` style="font-size:12px;fill:var(--ink)"`, "")
	alike       = regexp.MustCompile(`(<path d="[^"]*"/>\n)+|(<path d="[^"]*" class="whisker"/>\n)+`)
	anotherPath = regexp.MustCompile(`"[^"<]*("whisker")?/>\n<path d="`)
	places      = regexp.MustCompile(` (d|x|y)="[^"]*"`)
	coordinate  = regexp.MustCompile(`-?[0-9]+\.[0-9]+`)
)

// compact is a drawing that says nothing that the style sheet does, has lines that
// look the same in one path, and its coordinates to a tenth of a point.
func compact(drawing string) string {
	drawing = usualText.Replace(sameForAll.Replace(drawing))
	drawing = alike.ReplaceAllStringFunc(drawing, func(lines string) string {
		return anotherPath.ReplaceAllString(lines, "")
	})
	return places.ReplaceAllStringFunc(drawing, func(place string) string {
		return coordinate.ReplaceAllStringFunc(place, func(number string) string {
			f, err := strconv.ParseFloat(number, 64)
			if err != nil {
				return number
			}
			return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64)
		})
	})
}
