package streams

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// A queueChange holds a queue while its streams and consumers are changed.
// JetStream gives those no compare-and-set, so whoever changes them first
// writes its node into the queue's record. What a node that died holding it
// left half done, the next one repairs. An exclusive queue is its owner's all the
// time, see [ownedQueues].
type queueChange struct {
	q        *queues
	rec      *queueRecord
	revision uint64
	left     string // the node that left the queue held, and may have left it half changed
	// assumed says that the record was not read, and may have been changed by others. It
	// is to be written before anything is changed that hangs on it.
	assumed bool
	removed bool
}

// change runs f while this node holds the queue; 404 when there is no
// such queue. A queue that is going is cleared away instead. Whoever took the
// node for dead may have taken the queue over: then f runs again, on what it
// finds, its own writes among it.
func (qs *queues) change(ctx context.Context, name string, f func(*queueChange) error) error {
	return qs.whileHeld(ctx, name, func(c *queueChange) error {
		if err := c.repair(ctx); err != nil {
			return err
		}
		if c.rec.Deleting {
			if err := c.remove(ctx); err != nil {
				return err
			}
			return qs.noQueue(name)
		}
		return f(c)
	})
}

// whileHeld runs f while this node holds the queue, in the state in which it was left.
func (qs *queues) whileHeld(ctx context.Context, name string, f func(*queueChange) error) error {
	for pause := contended(); ; {
		err := qs.whileHeldOnce(ctx, name, f)
		if !errors.Is(err, errConflict) || pause.Wait(ctx) != nil {
			return err
		}
	}
}

func (qs *queues) whileHeldOnce(ctx context.Context, name string, f func(*queueChange) error) error {
	unlock, err := qs.locks.Lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	change, err := qs.hold(ctx, name)
	if err != nil {
		return err
	}
	return change.run(f)
}

// run runs f and lets go of the queue. What failed half way stays marked, for the next one
// to repair.
func (c *queueChange) run(f func(*queueChange) error) error {
	err := f(c)
	complete := err == nil || errors.As(err, new(*Error))
	if c.owned() {
		c.q.owned.note(c, complete)
		return err
	}
	if complete {
		err = errors.Join(err, c.release())
	}
	return err
}

// hold makes the record of a queue this node's to change. The lock of the name within this
// node must be held.
func (qs *queues) hold(ctx context.Context, name string) (*queueChange, error) {
	for pause := contended(); ; {
		rec := new(queueRecord)
		revision, err := qs.topology.get(ctx, queueKey(name), rec)
		if err != nil {
			return nil, err
		}
		if revision == 0 || rec.Owner != qs.id {
			qs.owned.forget(name)
		}
		if revision == 0 {
			return nil, qs.noQueue(name)
		}
		change := &queueChange{q: qs, rec: rec, left: rec.Busy}
		free, whole, err := qs.mayHold(ctx, rec.Busy, name)
		if err != nil {
			return nil, err
		}
		if whole {
			change.left = ""
		}
		if free {
			rec.Busy = qs.id
			change.revision, err = qs.topology.put(ctx, queueKey(name), rec, revision)
			if err == nil {
				return change, qs.topology.gather(ctx, rec)
			}
			if !errors.Is(err, errConflict) {
				return nil, err
			}
		}
		if err := pause.Wait(ctx); err != nil {
			return nil, fmt.Errorf("queue %q is being changed by another session: %w", name, err)
		}
	}
}

// mayHold reports whether the holder of a queue is done with it, gave up, or
// died; and whether it says that it has left nothing half done.
func (qs *queues) mayHold(ctx context.Context, holder, queue string) (free, whole bool, err error) {
	switch holder {
	case "":
		return true, true, nil
	case qs.id:
		return true, qs.owned.whole(queue), nil
	}
	answer, err := qs.peers.ask(ctx, holder, question{Changing: queue})
	if answer == nil {
		return true, false, err
	}
	return !answer.Changing, answer.Whole, err
}

// repair completes what a holder left half done.
func (c *queueChange) repair(ctx context.Context) error {
	if c.left == "" || c.rec.Deleting || !c.q.epoch.standsQueue(c.rec) {
		return nil
	}
	if err := c.q.topology.dropLoosePages(ctx, c.rec); err != nil {
		return err
	}
	if err := c.q.ensureHome(ctx, c.rec); err != nil {
		return err
	}
	if err := c.followMoves(ctx); err != nil {
		return err
	}
	for _, o := range c.rec.origins() {
		err := c.deriveView(ctx, o)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			err = c.restoreView(ctx, o)
		}
		if err != nil {
			return err
		}
	}
	return c.settleEnded(ctx)
}

// restoreView begins again where an exchange's stream has gone, with all that
// the queue had in it: a bind was left half done, and the exchange deleted.
// Bindings to what has taken its place hold from now on, others are forgotten.
func (c *queueChange) restoreView(ctx context.Context, o origin) error {
	x, err := c.q.exchanges.standing(ctx, o.exchange)
	if err != nil {
		return err
	}
	stays := x != nil && x.origin() == o
	var last uint64
	if stays {
		if last, err = c.q.exchanges.keep(ctx, x); err != nil {
			return err
		}
	}
	c.rec.Bindings = slices.DeleteFunc(c.rec.Bindings, func(b bindingRecord) bool {
		return b.origin() == o && (!stays || b.Ended || b.Life != x.Life)
	})
	for i := range c.rec.Bindings {
		if b := &c.rec.Bindings[i]; b.origin() == o {
			b.From = last
		}
	}
	if err := c.save(ctx); err != nil {
		return err
	}
	return c.deriveView(ctx, o)
}

// save writes the record, still held.
func (c *queueChange) save(ctx context.Context) error {
	c.rec.Version++
	revision, err := c.q.topology.putQueue(ctx, c.rec, c.revision)
	if !errors.Is(err, errConflict) {
		c.assumed = false // without an answer it may have been written
	}
	if err != nil {
		return err
	}
	c.revision = revision
	return nil
}

// release lets go of the queue, also when the caller's time is up.
func (c *queueChange) release() error {
	if c.removed {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.q.cfg.Timeout)
	defer cancel()
	c.rec.Busy = ""
	return c.save(ctx)
}

// remove deletes the queue: from the first write on it is gone for everybody,
// and whoever meets what is left completes the rest.
func (c *queueChange) remove(ctx context.Context) error {
	c.rec.Deleting = true
	if err := c.save(ctx); err != nil {
		return err
	}
	origins := c.rec.origins()
	err := sideBySide(1+len(origins), func(i int) error {
		if i == 0 {
			return c.q.dropHome(ctx, c.rec.Name)
		}
		return c.endView(ctx, origins[i-1])
	})
	if err != nil {
		return err
	}
	if err := c.tell(ctx); err != nil {
		return err
	}
	if err := c.q.topology.removeQueue(ctx, c.rec, c.revision, c.left != ""); err != nil {
		return err
	}
	c.removed = true
	c.q.gone(c.rec)
	if c.rec.Expires != 0 {
		c.q.forgetUse(ctx, c.rec.Name)
	}
	return c.q.exchanges.dropUnboundOf(ctx, c.rec.Bindings)
}

// tell has all who use the queue obey its record, and returns when they do.
func (c *queueChange) tell(ctx context.Context) error {
	if !c.owned() {
		return c.q.peers.tellUsers(ctx, c.rec)
	}
	c.q.peers.answer(question{Told: c.rec.clone()})
	return nil
}

// contended is the pause between tries while another session is changing a record.
func contended() jsapi.Backoff {
	return jsapi.Backoff{First: time.Millisecond, Most: 50 * time.Millisecond}
}
