package compare

import "sync"

// Arrivals are the messages of one queue that came, of all publishers.
type arrivals struct {
	mu         sync.Mutex
	seen       [][]bool // of each publisher, by sequence
	duplicated int
	foreign    int // what nobody published
}

func newArrivals(each []int) *arrivals {
	a := new(arrivals)
	for _, n := range each {
		a.seen = append(a.seen, make([]bool, n))
	}
	return a
}

// note notes that a message came, and reports whether it came for the first time.
func (a *arrivals) note(s stamp, known bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !known || s.publisher >= len(a.seen) || s.sequence >= len(a.seen[s.publisher]) {
		a.foreign++
		return false
	}
	if a.seen[s.publisher][s.sequence] {
		a.duplicated++
		return false
	}
	a.seen[s.publisher][s.sequence] = true
	return true
}

// missing counts what did not come.
func (a *arrivals) missing() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, of := range a.seen {
		for _, came := range of {
			if !came {
				n++
			}
		}
	}
	return n
}

// An orderCheck counts what one consumer got behind something that was published
// after it.
type orderCheck struct {
	last      map[int]int // the highest sequence of each publisher
	reordered int
}

func (o *orderCheck) note(s stamp) {
	if o.last == nil {
		o.last = make(map[int]int)
	}
	last, any := o.last[s.publisher]
	if any && s.sequence < last {
		o.reordered++
		return
	}
	o.last[s.publisher] = s.sequence
}
