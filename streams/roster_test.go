package streams

import (
	"fmt"
	"math"
	"testing"
)

// seats makes a roster of lines, one for each turn.
func seats(turns ...Turn) *roster {
	r := &roster{}
	for _, t := range turns {
		r.seat(&line{}, t)
	}
	return r
}

func always(*line) bool { return true }

func TestARosterGivesByWeight(t *testing.T) {
	t.Parallel()
	r := seats(Turn{Group: "a", Weight: 6}, Turn{Group: "b", Weight: 3}, Turn{Group: "c"})
	given := make(map[*group]int)
	for n := 1; n <= 1000; n++ {
		given[r.pick(always).group]++
		for _, g := range r.groups {
			if got, want := float64(given[g]), float64(n)*float64(g.weight)/10; math.Abs(got-want) > 1.5 {
				t.Fatalf("the group of weight %d was given %g of %d, want %g", g.weight, got, n, want)
			}
		}
	}
}

func TestARosterGivesByRank(t *testing.T) {
	t.Parallel()
	r := seats(Turn{Rank: 0}, Turn{Rank: 2}, Turn{Rank: 1}, Turn{Rank: 1})
	shut := make(map[*line]bool)
	got := ""
	for _, closes := range []int{-1, 1, -1, -1, 2, 3, -1} {
		if closes >= 0 {
			shut[r.lines[closes]] = true
		}
		picked := r.pick(func(l *line) bool { return !shut[l] })
		for i, l := range r.lines {
			if l == picked {
				got += fmt.Sprint(i)
			}
		}
	}
	if want := "1232300"; got != want {
		t.Errorf("got lines %s, want %s", got, want)
	}
}

// A group for which nothing waited for long does not make up for it.
func TestARosterOwesNothing(t *testing.T) {
	t.Parallel()
	r := seats(Turn{Group: "a"}, Turn{Group: "b"})
	a, b := r.lines[0], r.lines[1]
	for range 1000 {
		r.pick(func(l *line) bool { return l == a })
		// It was looked at, and nothing was there.
		if r.pick(func(l *line) bool { return l == b }) == b {
			r.uncount(b, 1)
		}
	}
	count := make(map[*line]int)
	for range 10 {
		count[r.pick(always)]++
	}
	if count[a] != 5 || count[b] != 5 {
		t.Errorf("got %d and %d of ten, want five each", count[a], count[b])
	}
}

// FuzzRoster picks while lines open and close. Groups that stay open are never
// further apart than one turn of each, measured by their weights, and who has the
// highest rank of the open ones of a group goes first.
func FuzzRoster(f *testing.F) {
	f.Add([]byte{6, 3, 1}, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{1, 1, 200, 7}, []byte{0, 1, 2, 0, 0, 3, 0, 0, 4, 5, 0, 0, 1, 0, 0, 0, 9, 0})
	f.Add([]byte{255, 1}, []byte{1, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 2, 0})
	f.Fuzz(func(t *testing.T, weights, steps []byte) {
		if len(weights) == 0 || len(weights) > 16 {
			return
		}
		r := &roster{}
		for i, w := range weights {
			for rank := range 2 {
				r.seat(&line{}, Turn{Group: fmt.Sprint(i), Weight: int(w), Rank: rank})
			}
		}
		shut := make(map[*line]bool)
		open := func(l *line) bool { return !shut[l] }
		c := newRosterCheck(r)
		for _, step := range steps {
			if step > 0 { // a line opens or closes
				l := r.lines[int(step)%len(r.lines)]
				shut[l] = !shut[l]
				c.begin(open)
				continue
			}
			c.picked(t, r.pick(open), open)
		}
	})
}

// A rosterCheck counts what groups were given since the lines changed last.
type rosterCheck struct {
	r     *roster
	given map[*group]float64
}

func newRosterCheck(r *roster) *rosterCheck {
	c := &rosterCheck{r: r}
	c.begin(always)
	return c
}

func (c *rosterCheck) begin(open func(*line) bool) {
	c.given = make(map[*group]float64)
	for _, l := range c.r.lines {
		if open(l) {
			c.given[l.group] = 0
		}
	}
}

func (c *rosterCheck) picked(t *testing.T, l *line, open func(*line) bool) {
	t.Helper()
	if l == nil {
		if len(c.given) > 0 {
			t.Fatalf("nobody was picked of %d groups", len(c.given))
		}
		return
	}
	if !open(l) {
		t.Fatal("a line was picked that is not open")
	}
	for _, other := range c.r.lines {
		if other.group == l.group && other.rank > l.rank && open(other) {
			t.Fatalf("rank %d was picked before rank %d", l.rank, other.rank)
		}
	}
	c.given[l.group] += 1 / float64(l.group.weight)
	for a, had := range c.given {
		for b, has := range c.given {
			if apart, most := math.Abs(had-has), 1/float64(a.weight)+1/float64(b.weight); apart > most+1e-6 {
				t.Fatalf("groups of weights %d and %d are %g apart, more than %g", a.weight, b.weight, apart, most)
			}
		}
	}
}
