package compare

import (
	"math"
	"math/rand/v2"
	"regexp"
	"testing"

	"gonum.org/v1/plot/vg"
)

// TestThinnedLinesLookTheSame: a line passes near each point that it leaves out.
func TestThinnedLinesLookTheSame(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var line vg.Path
		at := vg.Point{}
		line.Move(at)
		for range random.IntN(80) {
			at = at.Add(vg.Point{X: vg.Length(random.Float64() * 4), Y: vg.Length(random.NormFloat64() * 0.3)})
			line.Line(at)
		}
		thin := thinned(line)
		if thin[0].Pos != line[0].Pos || thin[len(thin)-1].Pos != line[len(line)-1].Pos || len(thin) > len(line) {
			t.Fatalf("got %v, want the ends of %v", thin, line)
		}
		for _, c := range line {
			if off := distance(c.Pos, thin); off > missable+1e-9 {
				t.Fatalf("%v is %v from the line, want %v at most; got %v of %v", c.Pos, off, missable, thin, line)
			}
		}
	}
}

// distance is from a point to the nearest piece of a line.
func distance(p vg.Point, line vg.Path) float64 {
	least := math.Hypot(p.X.Points(), p.Y.Points())
	for i := 1; i < len(line); i++ {
		a, b := line[i-1].Pos, line[i].Pos
		along, to := b.Sub(a), p.Sub(a)
		share := 0.0
		if length := float64(along.X*along.X + along.Y*along.Y); length > 0 {
			share = math.Min(math.Max(float64(along.X*to.X+along.Y*to.Y)/length, 0), 1)
		}
		off := to.Sub(along.Scale(vg.Length(share)))
		least = min(least, math.Hypot(off.X.Points(), off.Y.Points()))
	}
	return least
}

func TestThinned(t *testing.T) {
	t.Parallel()
	path := func(points ...vg.Point) (p vg.Path) {
		p.Move(points[0])
		for _, at := range points[1:] {
			p.Line(at)
		}
		return p
	}
	around := path(vg.Point{}, vg.Point{X: 9}, vg.Point{X: 9, Y: 9}, vg.Point{})
	closed := append(path(vg.Point{}, vg.Point{X: 1}, vg.Point{X: 2}), vg.PathComp{Type: vg.CloseComp})
	for name, test := range map[string]struct {
		line vg.Path
		want int
	}{
		"straight": {path(vg.Point{}, vg.Point{X: 1, Y: 1}, vg.Point{X: 2, Y: 2.1}, vg.Point{X: 3, Y: 3}), 2},
		"a step":   {path(vg.Point{}, vg.Point{X: 1}, vg.Point{X: 2}, vg.Point{X: 2, Y: 5}, vg.Point{X: 9, Y: 5}), 4},
		"around":   {around, 4},
		"closed":   {closed, 4},
		"two":      {path(vg.Point{}, vg.Point{X: 1}), 2},
	} {
		if got := thinned(test.line); len(got) != test.want {
			t.Errorf("%s: got %v, want %d points", name, got, test.want)
		}
	}
}

// TestChartsAreCompact: what is the same for all charts is in none of them.
func TestChartsAreCompact(t *testing.T) {
	t.Parallel()
	long := regexp.MustCompile(`font-family|stroke-width:0\.5|scale\(1, -1\)"| (?:d|x|y)="[^"]*\.[0-9]{2}|L[^"]*"/>\n<path d="[^"]*"/>`)
	for name, r := range awkwardReports(t) {
		data, err := newPage(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, c := range chartsOf(data) {
			if found := long.FindString(string(c.Drawing)); found != "" {
				t.Errorf("%s: the chart %q has %q in it", name, c.Alt, found)
			}
		}
	}
}
