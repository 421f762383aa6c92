package streams

import (
	"slices"
	"sync"
	"sync/atomic"
)

// A Window is a budget of unsettled messages: AMQP's prefetch. A consumer has
// one of its own, and may share one with others, which is what AMQP calls a global
// prefetch. Who goes first of those that share it, they say: see [Turn]. It is
// changed while consumers run.
type Window struct {
	shared atomic.Bool // it has a limit and members of several queues: see fill

	adapting sync.Mutex // held while members are made to share it, or not to

	mu       sync.Mutex
	limit    int
	most     int // the highest limit that it had; 0 is none
	used     int
	members  []*Consumer
	roster   roster
	changing bool // the members are on their way to share it
	stopped  bool // see Flow
}

// unlimited is the room of a window without a limit.
const unlimited = 1 << 30

// NewWindow makes a window of that many messages; 0 is no limit, and a negative one
// 406.
func NewWindow(limit int) (*Window, error) {
	if err := checkLimit("window", limit); err != nil {
		return nil, err
	}
	return limited(limit), nil
}

func limited(limit int) *Window { return &Window{limit: limit, most: limit} }

// highest is the highest limit that the window has had; 0 is none.
func (w *Window) highest() int {
	if w == nil {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most
}

// checkLimit refuses a negative number of messages.
func checkLimit(what string, limit int) error {
	if limit < 0 {
		return errPrecondition("%s is %d; use 0 for no limit, or a positive number", what, limit)
	}
	return nil
}

// Set changes the limit of the consumers that share the window; 0 is no limit. With
// a lower one, nothing is handed back: nothing new comes until enough is settled. A
// negative one is 406, and changes nothing.
func (w *Window) Set(limit int) error {
	if err := checkLimit("window", limit); err != nil {
		return err
	}
	w.mu.Lock()
	w.limit = limit
	raised := w.most > 0 && (limit == 0 || limit > w.most)
	if raised {
		w.most = limit
	}
	members := slices.Clone(w.members)
	w.mu.Unlock()
	for _, c := range members {
		if raised {
			c.holdsMore()
		}
	}
	w.adapt()
	w.mu.Lock()
	dispatchers := w.dispatchers()
	w.mu.Unlock()
	for _, d := range dispatchers {
		d.trim()
	}
	w.wake()
	return nil
}

// Flow stops the messages of the consumers that share the window, or lets them come
// again, as AMQP's channel.flow does. It stops those of consumers with AutoAck, too. What
// the broker has sent already waits at its place in the queue, and after some seconds goes
// back to the broker if another node uses the queue. One message may be on its way to its
// consumer. Who starts several consumers of
// different [Turn] stops the flow until they are all there: otherwise the first message
// is from whoever was there first.
func (w *Window) Flow(active bool) {
	w.mu.Lock()
	w.stopped = !active
	w.mu.Unlock()
	w.wake()
}

// Limit is how many unsettled messages the window allows; 0 is no limit.
func (w *Window) Limit() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.limit
}

// Used is how many messages are unsettled, without those whose places were given up
// by [Delivery.Vacate].
func (w *Window) Used() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.used
}

// give takes settled messages out: what is to come next is looked for anew.
func (w *Window) give(n int) {
	if w == nil || n == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used -= n
	if !w.shared.Load() {
		return
	}
	for _, l := range w.roster.lines {
		l.empty = l.empty && l.stays
	}
}

// room is how many more messages may come, and how large the window is.
func (w *Window) room() (free, limit int) {
	if w == nil {
		return unlimited, unlimited
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.left()
}

// left is room. The lock is held.
func (w *Window) left() (free, limit int) {
	switch {
	case w.stopped:
		return 0, unlimited
	case w.limit == 0:
		return unlimited, unlimited
	}
	return max(w.limit-w.used, 0), w.limit
}

// isStopped reports whether nothing may come, see Flow.
func (w *Window) isStopped() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopped
}

// enter takes room for a message. False says that there is none.
func (w *Window) enter() bool {
	if w == nil {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.take()
}

// take is enter. The lock is held.
func (w *Window) take() bool {
	if w.stopped || w.limit > 0 && w.used >= w.limit {
		return false
	}
	w.used++
	return true
}

func (w *Window) join(c *Consumer) {
	if w == nil {
		return
	}
	w.mu.Lock()
	w.members = append(w.members, c)
	w.mu.Unlock()
	w.adapt()
}

func (w *Window) part(c *Consumer) {
	if w == nil {
		return
	}
	w.mu.Lock()
	w.members = slices.DeleteFunc(w.members, func(m *Consumer) bool { return m == c })
	w.mu.Unlock()
	w.adapt()
	w.wake()
}

// adapt has the members share the window, if it has a limit and they are of several
// queues, or the dispatcher of the queue ask for them.
func (w *Window) adapt() {
	w.adapting.Lock()
	defer w.adapting.Unlock()
	w.mu.Lock()
	share := w.isShared()
	if share == w.shared.Load() {
		w.mu.Unlock()
		return
	}
	w.changing = true
	w.shared.Store(share)
	dispatchers := w.dispatchers()
	w.mu.Unlock()
	for _, d := range dispatchers {
		_ = d.arrange() // without an inbox it asks for nothing: the connection has closed
	}
	w.mu.Lock()
	w.changing = false
	w.mu.Unlock()
	for _, d := range dispatchers {
		d.refill()
	}
}

// isShared reports whether the window chooses between queues, or between consumers that
// stand differently. The lock is held.
func (w *Window) isShared() bool {
	if w.limit == 0 {
		return false
	}
	var first *Consumer
	for _, c := range w.members {
		switch {
		case c.opts.AutoAck: // it holds nothing
		case first == nil:
			first = c
		case c.d != first.d || c.opts.Turn != first.opts.Turn:
			return true
		}
	}
	return false
}

// dispatchers are those of the members. The lock is held.
func (w *Window) dispatchers() (list []*dispatcher) {
	for _, c := range w.members {
		if !slices.Contains(list, c.d) {
			list = append(list, c.d)
		}
	}
	return list
}

// wake lets the members ask for more.
func (w *Window) wake() {
	w.mu.Lock()
	dispatchers := w.dispatchers()
	w.mu.Unlock()
	for _, d := range dispatchers {
		d.refill()
	}
}
