package workers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"warren/streams"
)

// purging is how many tasks are purged at once.
const purging = 16

// Purge revokes the tasks that wait in a queue, or in the app's own if it is "",
// and says how many there were. Those that a worker has, and those that wait for
// their time, stay. A queue whose oldest message is no task is not of tasks, and stays as
// it is: [ErrNoTask]. Unlike in Celery, which only drops them, who waits for their
// results is told, and what stands behind them ends.
func (a *App) Purge(ctx context.Context, queue string) (int, error) {
	c, err := a.connected()
	if err != nil {
		return 0, err
	}
	if queue == "" {
		queue = c.cfg.Queue
	}
	count, err := c.purge(ctx, queue)
	if err != nil {
		return count, fmt.Errorf("purge queue %q: %w", queue, err)
	}
	return count, nil
}

func (c *client) purge(ctx context.Context, queue string) (int, error) {
	// It ends tasks as a worker does, without running any.
	w := c.app.Worker(WorkerConfig{Name: origin})
	w.c, w.cfg, w.log = c, w.cfg.withDefaults(c.cfg), c.cfg.Logger
	var count atomic.Int64
	ok, err := w.purgeOne(ctx, queue, Normal, true)
	if err != nil {
		return 0, err
	}
	if ok {
		count.Add(1)
	}
	errs := make([]error, purging)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			for _, l := range levels {
				errs[i] = errors.Join(errs[i], w.purge(ctx, queue, l, &count))
			}
		})
	}
	all.Wait()
	return int(count.Load()), errors.Join(errs...)
}

func (w *Worker) purge(ctx context.Context, queue string, l Level, count *atomic.Int64) error {
	for {
		ok, err := w.purgeOne(ctx, queue, l, false)
		if l != Normal && errors.Is(err, streams.ErrNotFound) {
			return nil // no task of that level was ever sent there
		}
		if err != nil || !ok {
			return err
		}
		count.Add(1)
	}
}

// purgeOne purges the oldest message, if there is one.
func (w *Worker) purgeOne(ctx context.Context, queue string, l Level, tasksOnly bool) (ok bool, err error) {
	d, ok, err := w.c.session.Get(ctx, l.queue(queue))
	if err != nil || !ok {
		return false, err
	}
	if err := w.drop(ctx, queue, d, tasksOnly); err != nil {
		return false, errors.Join(err, d.Nack(streams.Requeue))
	}
	return true, d.Ack()
}

// drop ends a task that was not begun as a revoked one.
func (w *Worker) drop(ctx context.Context, queue string, d *streams.Delivery, tasksOnly bool) error {
	m, _ := w.c.receive(d.Message, d.Stored())
	switch {
	case m == nil && tasksOnly:
		return ErrNoTask
	case m == nil:
		return nil // nobody waits for what is no task
	}
	if m.Queue == "" {
		m.Queue = queue
	}
	r := w.newRun(m)
	if _, done, err := r.ended(ctx); done || err != nil && lastingOf(err) != permanent {
		return err
	}
	if err := r.finish(ctx, outcome{err: ErrRevoked}); err != nil && !errors.Is(err, errOvertaken) {
		return err
	}
	return nil
}
