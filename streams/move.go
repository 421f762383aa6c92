package streams

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// How an exchange moves from memory to files. Its record is marked, each queue
// bound to it is bound in files, too, and then the subjects go from one stream to
// the other; in between, messages are published again until somebody listens. Then
// the bindings in memory end. Every step may be repeated, by anyone.

// moveToFiles has an exchange store in files what is published from now on.
func (es *exchanges) moveToFiles(ctx context.Context, name string) error {
	for {
		rec, revision, err := es.need(ctx, name)
		if err != nil || !rec.Volatile && !rec.Moving {
			return err
		}
		if rec.Moving {
			return es.finishMove(ctx, rec)
		}
		rec.Moving = true
		_, err = es.topology.put(ctx, exchangeKey(name), rec, revision)
		if err != nil && !errors.Is(err, errConflict) {
			return err
		}
	}
}

// finishMove moves an exchange whose record says that it moves.
func (es *exchanges) finishMove(ctx context.Context, x *exchangeRecord) error {
	moved := *x
	moved.Volatile = false
	if x.Volatile {
		if err := es.prepareFiles(ctx, &moved); err != nil {
			return err
		}
		err := es.changeBound(ctx, x, func(c *queueChange) error { return c.bindInFiles(ctx, &moved) })
		if err != nil {
			return err
		}
		if err := es.switchToFiles(ctx, x); err != nil {
			return err
		}
	}
	err := es.changeBound(ctx, x, func(c *queueChange) error { return c.leaveMemory(ctx, &moved) })
	if err != nil {
		return err
	}
	if err := es.clearLeftStream(ctx, origin{x.Name, true}); err != nil {
		return err
	}
	return es.update(ctx, x, func(rec *exchangeRecord) { rec.Moving = false })
}

// prepareFiles makes sure of a stream in files, to which nobody publishes yet. One
// of an earlier exchange has filters that are interest, but no route.
func (es *exchanges) prepareFiles(ctx context.Context, x *exchangeRecord) error {
	cfg := es.originConfig(x.origin())
	cfg.Subjects = []string{es.vhost.parkedSubject(x.origin())}
	_, err := es.js.CreateStream(ctx, cfg)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return es.setWide(ctx, x.Name)
	}
	return err
}

// changeBound changes all queues that are bound to an exchange.
func (es *exchanges) changeBound(ctx context.Context, x *exchangeRecord, f func(*queueChange) error) error {
	queues, err := readable(es.topology.queues(ctx))
	if err != nil {
		return err
	}
	for i := range queues {
		if !queues[i].boundTo(x) {
			continue
		}
		if err := es.queues.change(ctx, queues[i].Name, f); err != nil && !isNotFound(err) {
			return err
		}
	}
	return nil
}

// bindInFiles gives each binding in memory a twin in files.
func (c *queueChange) bindInFiles(ctx context.Context, moved *exchangeRecord) error {
	last, err := c.q.reader.lastSequence(ctx, moved.origin())
	if err != nil {
		return err
	}
	before := len(c.rec.Bindings)
	for _, b := range c.rec.Bindings[:before] {
		if b.Ended || !b.Volatile || b.Exchange != moved.Name || b.Life != moved.Life || c.rec.twin(&b) {
			continue
		}
		b.Volatile, b.From = false, last
		c.rec.Bindings = append(c.rec.Bindings, b)
	}
	if len(c.rec.Bindings) == before {
		return nil
	}
	subjects, err := c.planView(ctx, moved.origin())
	if err != nil {
		return err
	}
	if err := c.save(ctx); err != nil {
		return err
	}
	_, err = c.bound(ctx, moved, func() error { return c.makeView(ctx, moved.origin(), subjects) })
	return err
}

// twin reports whether a binding in memory stands in files, too.
func (rec *queueRecord) twin(b *bindingRecord) bool {
	x := exchangeRecord{Exchange: Exchange{Name: b.Exchange}, Life: b.Life}
	for i := range rec.Bindings {
		if other := &rec.Bindings[i]; !other.Volatile && other.is(&x, b.binding(rec.Name)) {
			return true
		}
	}
	return false
}

// leaveMemory ends the bindings in memory to an exchange that has moved.
func (c *queueChange) leaveMemory(ctx context.Context, moved *exchangeRecord) error {
	_, err := c.endBindings(ctx, moved, func(b *bindingRecord) bool { return b.Volatile })
	return err
}

// followMoves ends bindings in memory to exchanges that have moved: a bind that was
// left half done has missed it.
func (c *queueChange) followMoves(ctx context.Context) error {
	for _, o := range c.rec.origins() {
		if !o.volatile {
			continue
		}
		x, err := c.q.exchanges.standing(ctx, o.exchange)
		if err != nil {
			return err
		}
		if x != nil && !x.Volatile {
			if err := c.leaveMemory(ctx, x); err != nil {
				return err
			}
		}
	}
	return nil
}

// switchToFiles has an exchange's stream in files listen instead of the one in
// memory.
func (es *exchanges) switchToFiles(ctx context.Context, x *exchangeRecord) error {
	err := es.hold(ctx, x.Name, func(rec *exchangeRecord, _ bool) bool {
		return rec.Life == x.Life && rec.Moving && rec.Volatile && es.epoch.standsExchange(rec)
	}, func(uint64) error {
		if err := es.swap(ctx, x.Name); err != nil {
			return err
		}
		return es.update(ctx, x, func(rec *exchangeRecord) { rec.Volatile, rec.Busy = false, "" })
	})
	if err != nil {
		return err
	}
	return es.tell(x.Name)
}

// swap gives the subjects of an exchange to its stream in files. Who has read the
// record before it was marked may give them to the other one again.
func (es *exchanges) swap(ctx context.Context, exchange string) error {
	for {
		if err := es.park(ctx, origin{exchange, true}); err != nil {
			return err
		}
		_, err := es.ensureOrigin(ctx, origin{exchange, false})
		if !jsapi.IsError(err, jsapi.CodeSubjectOverlap) {
			return err
		}
		if err := jsapi.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// update changes the record of an exchange, if that stands.
func (es *exchanges) update(ctx context.Context, x *exchangeRecord, f func(*exchangeRecord)) error {
	return es.edit(ctx, x.Name, func(rec *exchangeRecord) bool {
		if rec.Life != x.Life || !es.epoch.standsExchange(rec) {
			return false
		}
		f(rec)
		return true
	})
}
