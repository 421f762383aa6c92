package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"warren/streams"
	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
)

// launches are the plans of canvases that are being sent. One that has not come
// further for a lease is of a client that died: a worker takes it over.
type launches struct {
	w       *Worker
	changed chan struct{}

	mu  sync.Mutex
	all map[string]seenPlan // by key
}

type seenPlan struct {
	streams.Entry
	at    time.Time
	tries int // how often it was taken over in vain
}

func newLaunches(w *Worker) *launches {
	return &launches{w: w, changed: make(chan struct{}, 1), all: make(map[string]seenPlan)}
}

// told is called with every plan that is written or deleted.
func (l *launches) told(e streams.Entry) {
	l.mu.Lock()
	if e.Gone == streams.Present {
		l.all[e.Key] = seenPlan{e, time.Now(), l.all[e.Key].tries}
	} else {
		delete(l.all, e.Key)
	}
	l.mu.Unlock()
	poke(l.changed)
}

// run takes over what has been left, until the context ends.
func (l *launches) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.changed:
		case <-timer.C:
		}
		left, wait := l.left()
		for _, p := range left {
			if err := l.takeOver(ctx, p); err != nil && ctx.Err() == nil {
				l.w.log.Warn("could not send the rest of a canvas whose client died; it is tried again", "error", err)
			}
		}
		timer.Stop()
		if wait > 0 {
			timer.Reset(wait)
		}
	}
}

// left are the plans nobody goes on with, and how long to wait before there may be
// more; 0 for as long as there are none.
func (l *launches) left() (left []seenPlan, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lease := l.w.c.cfg.Lease
	for key, p := range l.all {
		rest := lease - time.Since(p.at)
		if rest <= 0 {
			p.at, p.tries = time.Now(), p.tries+1 // if it is not to be had, again later
			left = append(left, p)
			l.all[key] = p
			rest = lease
		}
		if wait == 0 || rest < wait {
			wait = rest
		}
	}
	return left, wait
}

// takeOver sends the rest of a canvas, unless another worker does, or its client
// lives.
func (l *launches) takeOver(ctx context.Context, p seenPlan) error {
	ctx, cancel := context.WithTimeout(ctx, l.w.c.cfg.Timeout)
	defer cancel()
	gone := func(err error) bool { return final(err, p.tries) }
	err := l.w.c.resume(ctx, p.Entry, l.w.cfg.Name, gone)
	switch {
	case errors.Is(err, streams.ErrConflict):
		return nil
	case err != nil && gone(err):
		return l.giveUp(ctx, p.Entry, err)
	}
	return err
}

// giveUp keeps a plan that nobody can go on with as a dead letter, and forgets it.
func (l *launches) giveUp(ctx context.Context, e streams.Entry, cause error) error {
	id := strings.TrimPrefix(e.Key, launchPrefix)
	l.w.log.Error("gave up the rest of a canvas whose client died", "plan", id, "error", cause)
	letter := DeadLetter{
		ID: idOf(streams.Message{CorrelationID: id, Body: e.Value}), Worker: l.w.cfg.Name, Attempt: 1, Date: l.w.c.now(),
		Failure: Failure{Type: malformed, Message: cause.Error(), Attempt: 1, Worker: l.w.cfg.Name},
		Message: streams.Message{CorrelationID: id, Body: e.Value},
	}
	letter.Failure.TaskID = letter.ID
	if err := l.w.c.bury(ctx, letter); err != nil {
		return err
	}
	return l.w.c.store.Delete(ctx, e.Key)
}

// resume goes on with a plan as it was written.
func (c *client) resume(ctx context.Context, e streams.Entry, worker string, gone func(error) bool) error {
	l := &launch{c: c, id: strings.TrimPrefix(e.Key, launchPrefix), planned: true, revision: e.Revision}
	var err error
	if l.plan, err = parsePlan(e.Value); err != nil {
		return celery.Permanent(fmt.Errorf("read plan %s: %w", l.id, err))
	}
	l.plan.Worker = worker
	if err := l.write(ctx); err != nil {
		return err
	}
	sig, err := c.planned(ctx, l.plan)
	if err != nil {
		return fmt.Errorf("read plan %s: %w", l.id, err)
	}
	eff := &effects{Effects: canvas.Effects{SentAt: l.plan.SentAt}, again: true, launch: l, final: gone}
	eff.Start(sig, nil, canvas.Beginning(sig))
	l.pieces = c.pieces(eff)
	if len(l.pieces) == 0 || l.plan.Sent > len(l.pieces) {
		return celery.Permanent(fmt.Errorf("read plan %s: %d of its %d pieces are sent", l.id, l.plan.Sent, len(l.pieces)))
	}
	return c.carry(ctx, eff)
}

// parsePlan reads a plan.
func parsePlan(text []byte) (launchPlan, error) {
	var p launchPlan
	if err := json.Unmarshal(text, &p); err != nil {
		return p, err
	}
	if p.Sent < 0 {
		return p, fmt.Errorf("%d of its pieces are sent", p.Sent)
	}
	return p, nil
}

// planned reads the canvas of a plan.
func (c *client) planned(ctx context.Context, p launchPlan) (sig Signature, err error) {
	text, err := c.fetch(ctx, p.Canvas)
	if err == nil {
		err = celery.Permanent(json.Unmarshal(text, &sig))
	}
	return sig, err
}

// poke tells who waits at a channel of one place, once.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
