package workers

import (
	"context"

	"warren/streams"
)

// A client of Celery sends a task with an ETA or a countdown straight to its queue, and
// leaves it to the worker to wait. Here the worker hands it on at once, to where the
// tasks of this package wait for their time: it has no place in the worker, and no
// worker that is killed has it in its hands.

// postponed reports whether a task that was delivered is to wait first, or did: a
// worker that was killed may have sent it to wait, and not have taken it from its
// queue. One that ends at once need not wait: its end is told now.
func (w *Worker) postponed(ctx context.Context, m *Message, d *streams.Delivery) (bool, error) {
	now := w.c.now()
	switch {
	case m.ETA.IsZero() || !m.foreign() || m.foreignChord():
		return false, nil
	case w.revoked.has(m.ID) || w.revoked.has(m.RootID) || !m.Expires.IsZero() && now.After(m.Expires):
		return false, nil
	case m.ETA.After(now):
		return true, nil
	case !d.Redelivered:
		return false, nil
	}
	return w.c.announced(ctx, m.ID)
}

// announced reports whether there is a record of a task's having been sent.
func (c *client) announced(ctx context.Context, id string) (bool, error) {
	e, err := c.store.GetMany(ctx, []string{sentKey(id)})
	return len(e) > 0, err
}

// postpone sends a task to wait for its time, and records before that it does. What is
// sent twice because nobody knew whether it had been is one.
func (w *Worker) postpone(ctx context.Context, m *Message, again bool) error {
	ctx, cancel := context.WithTimeout(ctx, w.c.cfg.Timeout)
	defer cancel()
	if again {
		if left, err := w.c.notBegun(ctx, []*Message{m}); err != nil || len(left) == 0 {
			return err
		}
	}
	if err := recorded(ctx, []*streams.Pending{w.c.announce(ctx, m)}); err != nil {
		return err
	}
	m.Queue = w.c.route(m.Task, m.Queue) // and it is no other program's from here on
	s := &sending{c: w.c, m: m}
	if err := s.begin(ctx, w.c.now()); err != nil {
		return err
	}
	reached(pointPostponed)
	return s.wait(ctx)
}
