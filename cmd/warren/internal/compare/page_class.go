package compare

import (
	"maps"
	"slices"
)

// A classPart is a class that was measured or that a target has, and the ways in
// which targets get there.
type classPart struct {
	Class Class
	Ways  []way
}

// A way is how some targets reach a class.
type way struct {
	How     string
	Targets []seriesName
}

// A seriesName is a target by its place in the report and by name.
type seriesName struct {
	Series int
	Name   string
}

func classesOf(r Report) []classPart {
	found := make(map[Class]bool)
	for _, t := range r.Targets {
		for c := range t.Classes {
			found[c] = true
		}
	}
	for _, m := range r.Measurements {
		found[m.Class] = true
	}
	var parts []classPart
	for _, c := range slices.Sorted(maps.Keys(found)) {
		part := classPart{Class: c}
		for i, t := range r.Targets {
			if how := t.Classes[c]; how != "" {
				part.add(how, seriesName{i, t.Name})
			}
		}
		parts = append(parts, part)
	}
	return parts
}

func (p *classPart) add(how string, target seriesName) {
	i := slices.IndexFunc(p.Ways, func(w way) bool { return w.How == how })
	if i < 0 {
		i = len(p.Ways)
		p.Ways = append(p.Ways, way{How: how})
	}
	p.Ways[i].Targets = append(p.Ways[i].Targets, target)
}
