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
	at time.Time
}

func newLaunches(w *Worker) *launches {
	return &launches{w: w, changed: make(chan struct{}, 1), all: make(map[string]seenPlan)}
}

// told is called with every plan that is written or deleted.
func (l *launches) told(e streams.Entry) {
	l.mu.Lock()
	if e.Gone == streams.Present {
		l.all[e.Key] = seenPlan{e, time.Now()}
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
		for _, e := range left {
			if err := l.takeOver(ctx, e); err != nil && ctx.Err() == nil {
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
func (l *launches) left() (left []streams.Entry, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lease := l.w.c.cfg.Lease
	for key, p := range l.all {
		rest := lease - time.Since(p.at)
		if rest <= 0 {
			left = append(left, p.Entry)
			l.all[key] = seenPlan{p.Entry, time.Now()} // if it is not to be had, again later
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
func (l *launches) takeOver(ctx context.Context, e streams.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, l.w.c.cfg.Timeout)
	defer cancel()
	err := l.w.c.resume(ctx, e, l.w.cfg.Name)
	if errors.Is(err, streams.ErrConflict) {
		return nil
	}
	return err
}

// resume goes on with a plan as it was written.
func (c *client) resume(ctx context.Context, e streams.Entry, worker string) error {
	l := &launch{c: c, id: strings.TrimPrefix(e.Key, launchPrefix), planned: true, revision: e.Revision}
	if err := json.Unmarshal(e.Value, &l.plan); err != nil {
		return fmt.Errorf("read plan %s: %w", l.id, err)
	}
	l.plan.Worker = worker
	if err := l.write(ctx); err != nil {
		return err
	}
	text, err := c.fetch(ctx, l.plan.Canvas)
	if err != nil {
		return fmt.Errorf("read plan %s: %w", l.id, err)
	}
	var sig Signature
	if err := json.Unmarshal(text, &sig); err != nil {
		return fmt.Errorf("read plan %s: %w", l.id, err)
	}
	mv := &moves{sentAt: l.plan.SentAt, again: true, launch: l}
	mv.start(sig, nil, spot{root: rootOf(sig), index: -1})
	l.pieces = c.pieces(mv)
	return c.carry(ctx, mv)
}
