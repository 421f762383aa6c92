package streams

import (
	"context"
	"sync"
	"time"
)

// Errands are the goroutines that do a node's own work. They end with the context, and
// end waits for them.
type errands struct {
	ctx  context.Context
	stop context.CancelFunc

	mu      sync.Mutex
	rounds  []*time.Timer
	over    bool // none begins any more
	running sync.WaitGroup
}

func newErrands(ctx context.Context) *errands {
	e := new(errands)
	e.ctx, e.stop = context.WithCancel(ctx)
	return e
}

// run does an errand in a goroutine. It returns false if errands have ended.
func (e *errands) run(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.over {
		e.running.Go(f)
	}
	return !e.over
}

// every does something again and again until errands end, in a goroutine that is
// there only meanwhile: so often, and later if it takes longer.
func (e *errands) every(wait time.Duration, f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := len(e.rounds)
	e.rounds = append(e.rounds, time.AfterFunc(wait, func() {
		e.run(func() {
			began := time.Now()
			if e.ctx.Err() == nil {
				f()
			}
			e.mu.Lock()
			defer e.mu.Unlock()
			if !e.over {
				e.rounds[at].Reset(max(wait-time.Since(began), 0))
			}
		})
	}))
}

// end lets no more errands begin, and waits for those that run.
func (e *errands) end() {
	e.stop()
	e.mu.Lock()
	e.over = true
	for _, round := range e.rounds {
		round.Stop()
	}
	e.mu.Unlock()
	e.running.Wait()
}
