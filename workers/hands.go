package workers

import "sync"

// hands are the goroutines that run a worker's tasks. One that is done waits for the
// next task: the stack of a new one would have to grow for each task anew. There are
// as many as were ever busy at once.
type hands struct {
	work chan func()
	busy sync.WaitGroup
	all  sync.WaitGroup
}

func newHands() *hands { return &hands{work: make(chan func())} }

// do has f done, and does not wait for it.
func (h *hands) do(f func()) {
	h.busy.Add(1)
	select {
	case h.work <- f:
	default:
		h.all.Go(func() { h.live(f) })
	}
}

func (h *hands) live(f func()) {
	for ; f != nil; f = <-h.work {
		h.run(f)
	}
}

// run runs f, which may end the goroutine.
func (h *hands) run(f func()) {
	defer h.busy.Done()
	f()
}

// wait waits until all is done.
func (h *hands) wait() { h.busy.Wait() }

// close ends the goroutines. Nothing is to be done any more.
func (h *hands) close() {
	close(h.work)
	h.all.Wait()
}
