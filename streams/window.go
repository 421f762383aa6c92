package streams

import "sync"

// A Window is a budget of unsettled messages: AMQP's prefetch. A consumer has
// one of its own, or shares one with others, which is what AMQP calls a global
// prefetch. It is changed while consumers run.
type Window struct {
	mu      sync.Mutex
	limit   int
	used    int
	members map[*Consumer]struct{}
}

// unlimited is the room of a window without a limit.
const unlimited = 1 << 30

// NewWindow makes a window of that many messages; 0 is no limit.
func NewWindow(limit int) *Window {
	return &Window{limit: max(limit, 0), members: make(map[*Consumer]struct{})}
}

// Set changes the limit of the consumers that share the window; 0 is no limit.
// With a lower one, nothing is handed back: nothing new comes until enough is
// settled.
func (w *Window) Set(limit int) {
	w.mu.Lock()
	w.limit = max(limit, 0)
	w.mu.Unlock()
	w.wake(nil)
}

// Limit is how many unsettled messages the window allows; 0 is no limit.
func (w *Window) Limit() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.limit
}

// Used is how many messages are unsettled.
func (w *Window) Used() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.used
}

// take makes room for a message; false says that the budget is spent.
func (w *Window) take() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.limit > 0 && w.used >= w.limit {
		return false
	}
	w.used++
	return true
}

// give takes settled messages out, and wakes the others that wait for room.
func (w *Window) give(n int, from *Consumer) {
	w.mu.Lock()
	w.used -= n
	alone := len(w.members) < 2
	w.mu.Unlock()
	if !alone {
		w.wake(from)
	}
}

// room is how many more messages may come, and how large the window is.
func (w *Window) room() (free, limit int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.limit == 0 {
		return unlimited, unlimited
	}
	return max(w.limit-w.used, 0), w.limit
}

func (w *Window) join(c *Consumer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.members[c] = struct{}{}
}

func (w *Window) part(c *Consumer) {
	w.mu.Lock()
	delete(w.members, c)
	w.mu.Unlock()
	w.wake(c)
}

// wake lets the members ask for more.
func (w *Window) wake(but *Consumer) {
	w.mu.Lock()
	members := make([]*Consumer, 0, len(w.members))
	for c := range w.members {
		if c != but {
			members = append(members, c)
		}
	}
	w.mu.Unlock()
	for _, c := range members {
		c.refill()
	}
}
