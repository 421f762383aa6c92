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
// writes its session into the queue's record. What a session that died holding it
// left half done, the next one repairs.
type queueChange struct {
	s        *Session
	rec      *queueRecord
	revision uint64
	removed  bool
}

// changeQueue runs f while this session holds the queue; 404 when there is no
// such queue. A queue that is going is cleared away instead. Whoever took the
// session for dead may have taken the queue over: then f runs again, on what it
// finds, its own writes among it.
func (s *Session) changeQueue(ctx context.Context, name string, f func(*queueChange) error) error {
	for pause := contended(); ; {
		err := s.changeQueueOnce(ctx, name, f)
		if !errors.Is(err, errConflict) || pause.Wait(ctx) != nil {
			return err
		}
	}
}

func (s *Session) changeQueueOnce(ctx context.Context, name string, f func(*queueChange) error) (err error) {
	unlock, err := s.queueLocks.Lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	change, left, err := s.holdQueue(ctx, name)
	if err != nil {
		return err
	}
	defer func() {
		// What failed half way stays marked, for the next one to repair.
		if err == nil || errors.As(err, new(*Error)) {
			err = errors.Join(err, change.release())
		}
	}()
	if err := change.repair(ctx, left); err != nil {
		return err
	}
	if change.rec.Deleting {
		if err := change.remove(ctx); err != nil {
			return err
		}
		return s.noQueue(name)
	}
	return f(change)
}

// holdQueue makes the record of a queue this session's to change, and says who
// left it held. The lock of the name within this session must be held.
func (s *Session) holdQueue(ctx context.Context, name string) (*queueChange, string, error) {
	for pause := contended(); ; {
		rec := new(queueRecord)
		revision, err := s.topology.get(ctx, queueKey(name), rec)
		if err != nil {
			return nil, "", err
		}
		if revision == 0 {
			return nil, "", s.noQueue(name)
		}
		left := rec.Busy
		free, err := s.mayHold(ctx, left, name)
		if err != nil {
			return nil, "", err
		}
		if free {
			rec.Busy = s.id
			revision, err = s.topology.put(ctx, queueKey(name), rec, revision)
			if err == nil {
				err = s.topology.gather(ctx, rec)
				return &queueChange{s: s, rec: rec, revision: revision}, left, err
			}
			if !errors.Is(err, errConflict) {
				return nil, "", err
			}
		}
		if err := pause.Wait(ctx); err != nil {
			return nil, "", fmt.Errorf("queue %q is being changed by another session: %w", name, err)
		}
	}
}

// mayHold reports whether the holder of a queue is done with it, gave up, or
// died.
func (s *Session) mayHold(ctx context.Context, holder, queue string) (bool, error) {
	if holder == "" || holder == s.id {
		return true, nil
	}
	answer, err := s.peers.ask(ctx, holder, question{Changing: queue})
	return answer == nil || !answer.Changing, err
}

// repair completes what a holder left half done.
func (c *queueChange) repair(ctx context.Context, left string) error {
	if left == "" || c.rec.Deleting || !c.s.standsQueue(c.rec) {
		return nil
	}
	if err := c.s.topology.dropLoosePages(ctx, c.rec); err != nil {
		return err
	}
	if err := c.s.ensureHome(ctx, c.rec); err != nil {
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
	x, err := c.s.standing(ctx, o.exchange)
	if err != nil {
		return err
	}
	stays := x != nil && x.origin() == o
	var last uint64
	if stays {
		if last, err = c.s.keepExchange(ctx, x); err != nil {
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
	revision, err := c.s.topology.putQueue(ctx, c.rec, c.revision)
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
	ctx, cancel := context.WithTimeout(context.Background(), c.s.cfg.Timeout)
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
	for _, o := range c.rec.origins() {
		if err := c.s.dropView(ctx, c.rec.Name, o); err != nil {
			return err
		}
	}
	if err := c.s.dropHome(ctx, c.rec.Name); err != nil {
		return err
	}
	if err := c.s.peers.tellUsers(ctx, c.rec); err != nil {
		return err
	}
	if err := c.s.topology.removeQueue(ctx, c.rec, c.revision); err != nil {
		return err
	}
	c.removed = true
	c.s.disowns(c.rec.Name)
	if c.rec.Expires != 0 {
		c.s.forgetUse(ctx, c.rec.Name)
	}
	return c.s.dropUnboundOf(ctx, c.rec.Bindings)
}

// contended is the pause between tries while another session is changing a record.
func contended() jsapi.Backoff {
	return jsapi.Backoff{First: time.Millisecond, Most: 50 * time.Millisecond}
}
