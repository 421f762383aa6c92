package workers

import (
	"context"
	"strings"
	"sync"

	"warren/streams"
)

// follow returns when the worker knows what the store has under a pattern, and
// goes on to follow it.
func (w *Worker) follow(ctx, aside context.Context, errands *sync.WaitGroup, pattern string, f func(streams.Entry)) error {
	known := make(chan struct{})
	failed := make(chan error, 1)
	errands.Go(func() {
		failed <- w.c.store.Follow(aside, pattern, f, func() { close(known) })
	})
	select {
	case <-known:
		return nil
	case err := <-failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// followLaunches returns when the worker knows which canvases are being sent, and
// goes on to send those whose clients die.
func (w *Worker) followLaunches(ctx, aside context.Context, errands *sync.WaitGroup) error {
	l := newLaunches(w)
	errands.Go(func() { l.run(aside) })
	return w.follow(ctx, aside, errands, launchPrefix+">", l.told)
}

// followOrders returns when the worker knows which queues are paused, which
// levels they have, and whether
// anybody listens to events, and goes on to follow both.
func (w *Worker) followOrders(ctx, aside context.Context, errands *sync.WaitGroup) error {
	return w.follow(ctx, aside, errands, "control.>", func(e streams.Entry) {
		if queue, ok := strings.CutPrefix(e.Key, pausedPrefix); ok {
			w.intake.pause(aside, queue, e.Gone == streams.Present)
		}
		if queue, l, ok := parseLevelKey(e.Key); ok && e.Gone == streams.Present {
			w.intake.add(aside, queue, l)
		}
		if listener, ok := strings.CutPrefix(e.Key, listenPrefix); ok {
			w.listener(listener, e.Gone == streams.Present)
		}
	})
}
