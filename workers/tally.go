package workers

import (
	"maps"
	"sync"
)

// tally counts what has ended in a worker.
type tally struct {
	mu     sync.Mutex
	total  map[string]int // by the name of the task
	states map[State]int
}

func (t *tally) count(rec record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.total == nil {
		t.total, t.states = make(map[string]int), make(map[State]int)
	}
	t.states[rec.Status]++
	if rec.Status.Ready() {
		t.total[rec.Task]++
	}
}

// sum is how many tasks have ended.
func (t *tally) sum() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := 0
	for _, n := range t.total {
		sum += n
	}
	return sum
}

func (t *tally) all() (total map[string]int, states map[State]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.total), maps.Clone(t.states)
}
