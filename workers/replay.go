package workers

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"warren/streams"
	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
)

// Replay runs what was given up once more: it is sent to its queue under its id, as
// the attempt after its last, and its dead letter goes. Its record is RETRY from
// then on; an expiry that is over does not count. What stood behind it and ended
// with it is PENDING again, and follows if it succeeds this time; error callbacks that
// were called stay called. Results that somebody has been told of stay told: ask
// with a new handle. If it fails again, it is given up again.
func (a *App) Replay(ctx context.Context, id string) error {
	c, err := a.connected()
	if err != nil {
		return err
	}
	if err := celery.CheckID(id); err != nil {
		return err
	}
	if err := c.replay(ctx, id); err != nil {
		return fmt.Errorf("replay %s: %w", id, err)
	}
	return nil
}

// replay can be cut off anywhere, and be done again: the letter goes last.
func (c *client) replay(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	l, err := c.letter(ctx, id)
	if err != nil {
		return err
	}
	m, err := c.receive(l.Message, l.Date)
	if err != nil {
		err = c.sendAgain(ctx, m, l)
	} else {
		err = c.rise(ctx, m, l)
	}
	if err != nil {
		return err
	}
	_, err = c.store.Purge(ctx, deadKey(id, l.Attempt))
	return err
}

// sendAgain sends what is no task, or is refused as one, to its queue as it was:
// workers of a later version may know better.
func (c *client) sendAgain(ctx context.Context, m *Message, l DeadLetter) error {
	if err := c.declare(ctx, l.Queue, Normal); err != nil {
		return err
	}
	if m != nil {
		if err := c.reopenRefused(ctx, m); err != nil {
			return err
		}
	}
	return c.session.Publish(ctx, "", l.Queue, l.Message, streams.Mandatory)
}

// reopenRefused makes a task that was refused one that waits.
func (c *client) reopenRefused(ctx context.Context, m *Message) error {
	rec, revision, err := c.runRecord(ctx, m.ID)
	if err != nil || revision == 0 || rec.Status != Failed || rec.Retries != m.Retries {
		return err
	}
	if err := waitFor(ctx, c.put(ctx, sentKey(m.ID), m.about(Pending), 0, streams.Any)); err != nil {
		return err
	}
	_, err = c.store.Purge(ctx, stateKey(m.ID))
	return err
}

func (c *client) rise(ctx context.Context, m *Message, l DeadLetter) error {
	if err := checkQueue(c.route(m.Task, m.Queue), m.Level()); err != nil {
		return err
	}
	m, err := c.revivable(ctx, m)
	if err != nil {
		return err
	}
	next := *m
	next.Retries, next.ETA, next.Expires = m.Retries+1, time.Time{}, time.Time{}
	if err := c.reopenTask(ctx, m, l); err != nil {
		return err
	}
	behind := &effects{}
	behind.Stop(l.Failure, false, m.position())
	if err := c.reopen(ctx, behind); err != nil {
		return err
	}
	s, err := c.dispatch(ctx, &next, c.now())
	if err != nil {
		return err
	}
	return s.wait(ctx)
}

// revivable is a task with all steps behind it, which are to wait again.
func (c *client) revivable(ctx context.Context, m *Message) (*Message, error) {
	all := *m
	var err error
	all.Embed.Chain, all.plan, err = c.allSteps(ctx, m.Embed.Chain, m.plan)
	if errors.Is(err, errPlanOver) { // they have run
		all.Embed.Chain, all.plan, err = nil, nil, nil
	}
	return &all, err
}

// reopenTask makes the record of a task one of a task that is to be run again,
// unless it is already.
func (c *client) reopenTask(ctx context.Context, m *Message, l DeadLetter) error {
	rec, revision, err := c.runRecord(ctx, m.ID)
	switch {
	case err != nil:
		return err
	case rec.Status == Retrying && rec.Retries == m.Retries+1:
		return nil
	case revision != 0 && (rec.Status != Failed || rec.Retries != m.Retries):
		return fmt.Errorf("the task has gone on: it is %s", rec.Status)
	}
	rec = m.about(Retrying)
	rec.Retries, rec.Failure, rec.Worker, rec.Done = m.Retries+1, &l.Failure, l.Worker, c.now()
	p := c.put(ctx, stateKey(m.ID), rec, 0, streams.Revision(revision))
	if err := waitFor(ctx, p); errors.Is(err, streams.ErrConflict) {
		return fmt.Errorf("somebody else has just changed the task: %w", err)
	} else if err != nil {
		return err
	}
	return nil
}

// reopen takes back the ends of what did not run.
func (c *client) reopen(ctx context.Context, ended *effects) error {
	for _, e := range ended.Ends {
		if err := c.reopenEnd(ctx, e); err != nil {
			return err
		}
	}
	for _, s := range ended.Slots {
		if err := c.reopenSlot(ctx, s); err != nil {
			return fmt.Errorf("empty slot %d of group %s: %w", s.Index, s.Join, err)
		}
	}
	return nil
}

// reopenEnd makes a task that did not run one that waits: who asks waits, too.
func (c *client) reopenEnd(ctx context.Context, e canvas.End) error {
	rec, revision, err := c.runRecord(ctx, e.ID)
	if err != nil || revision == 0 || rec.Worker != "" {
		return err // or it ran after all
	}
	waits := record{Status: Pending, Task: e.Task, ID: e.ID}
	if err := waitFor(ctx, c.put(ctx, sentKey(e.ID), waits, 0, streams.Any)); err != nil {
		return err
	}
	_, err = c.store.Purge(ctx, stateKey(e.ID))
	return err
}

// reopenSlot empties a member's slot. What the group's failure has ended is taken
// back, unless another member has failed as well: then it is that one's failure
// from here on.
func (c *client) reopenSlot(ctx context.Context, s canvas.Slot) error {
	j, err := c.join(ctx, s.Join)
	if err != nil || j == nil {
		return err
	}
	list, err := c.slots(ctx, j)
	if err != nil {
		return err
	}
	if s.Index < len(list) && list[s.Index] != nil && list[s.Index].Failure == nil {
		return nil
	}
	if err := c.unbreak(ctx, j, s, list); err != nil {
		return err
	}
	_, err = c.store.Purge(ctx, slotKey(s.Join, 0, s.Index))
	return err
}

func (c *client) unbreak(ctx context.Context, j *canvas.Join, s canvas.Slot, list []*filled) error {
	e, err := c.store.Get(ctx, joinKey(j.ID, "broken"))
	if errors.Is(err, streams.ErrNoEntry) || err == nil && string(e.Value) != strconv.Itoa(s.Index) {
		return nil
	}
	if err != nil {
		return err
	}
	for i, f := range list {
		if i != s.Index && f != nil && f.Failure != nil {
			_, err := c.store.Put(ctx, streams.Put{Key: joinKey(j.ID, "broken"), Value: []byte(strconv.Itoa(i)), TTL: c.keptFor(j.Own())})
			return err
		}
	}
	if j.Rest, j.Plan, err = c.allSteps(ctx, j.Rest, j.Plan); err != nil && !errors.Is(err, errPlanOver) {
		return err
	}
	ended := &effects{}
	ended.Break(j, j.Failure(nil), false)
	if err := c.reopen(ctx, ended); err != nil {
		return err
	}
	_, err = c.store.Purge(ctx, joinKey(j.ID, "broken"))
	return err
}
