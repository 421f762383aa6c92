package streams

import "slices"

// A Turn is where a consumer stands among those that share its window: who is
// given room first when messages wait for several of them. With the zero value they
// take turns.
type Turn struct {
	// Group is what the consumer belongs to. Groups are given room in proportion to
	// their weights, as long as messages wait for them, and none starves. Default:
	// the one without a name.
	Group string
	// Weight is that of the group: the largest that one of its consumers says.
	// Default: 1.
	Weight int
	// Rank is the place in the group: who has a higher one is given room first, as
	// long as messages wait for it. Consumers of one rank take turns. Default: 0.
	Rank int
}

func (t Turn) check() error {
	if t.Weight < 0 {
		return errPrecondition("weight is %d; use a positive number", t.Weight)
	}
	return nil
}

// A roster says whose turn it is, of the lines of a window. Each group is due at a
// time, and the first that is due is picked. Then it is due again the later, the
// less it weighs. The roster's time is that of the last pick: nobody is due before,
// so that a group for which nothing waited does not make up for it.
type roster struct {
	lines  []*line
	groups map[string]*group
	now    float64
	picks  uint64
}

type group struct {
	weight int
	due    float64
}

// seat gives a line its place.
func (r *roster) seat(l *line, t Turn) {
	g := r.groups[t.Group]
	if g == nil {
		g = &group{due: r.now}
		if r.groups == nil {
			r.groups = make(map[string]*group)
		}
		r.groups[t.Group] = g
	}
	g.weight = max(g.weight, t.Weight, 1)
	l.group, l.rank = g, t.Rank
	r.lines = append(r.lines, l)
}

// even reports whether all lines stand alike.
func (r *roster) even() bool {
	for _, l := range r.lines {
		if l.group != r.lines[0].group || l.rank != r.lines[0].rank {
			return false
		}
	}
	return true
}

// drop takes out the lines of which it is so. A group is remembered: one that
// comes back at once must not be due earlier for it.
func (r *roster) drop(so func(*line) bool) { r.lines = slices.DeleteFunc(r.lines, so) }

// pick says whose turn it is of the lines of which it is so, and counts it as given;
// nil if it is of none.
func (r *roster) pick(so func(*line) bool) *line {
	var best *line
	for _, l := range r.lines {
		if so(l) && (best == nil || r.before(l, best)) {
			best = l
		}
	}
	if best != nil {
		r.now = r.due(best)
		r.count(best)
	}
	return best
}

// count counts one as given to a line.
func (r *roster) count(l *line) {
	l.group.due = r.due(l) + 1/float64(l.group.weight)
	r.picks++
	l.picked = r.picks
}

// uncount takes back what a line was given and had no use for.
func (r *roster) uncount(l *line, n int) { l.group.due -= float64(n) / float64(l.group.weight) }

func (r *roster) due(l *line) float64 { return max(l.group.due, r.now) }

// before reports whether a line comes before another that is seated earlier.
func (r *roster) before(l, other *line) bool {
	switch {
	case l.group != other.group:
		return r.due(l) < r.due(other)
	case l.rank != other.rank:
		return l.rank > other.rank
	}
	return l.picked < other.picked
}
