package streams

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/nats-io/nats.go"

	"warren/streams/internal/jsapi"
)

// GetFlag says how a message is taken.
type GetFlag uint8

// AutoAck settles the message when it is taken.
const AutoAck GetFlag = 1

// Get takes one message from a queue; false says that none is ready. It asks
// the queue's home first and then its views, and is not bounded by any
// prefetch. A queue that is not there is 404, one exclusive to another session
// 405.
func (s *Session) Get(ctx context.Context, queue string, flags ...GetFlag) (*Delivery, bool, error) {
	all, err := joinFlags(flags, AutoAck)
	if err != nil {
		return nil, false, fmt.Errorf("get from queue %q: %w", queue, err)
	}
	autoAck := all == AutoAck
	d, err := within(ctx, s,
		func(ctx context.Context) (*Delivery, error) { return s.get(ctx, queue, autoAck) },
		func(d *Delivery) {
			if d != nil && !autoAck {
				_ = d.Nack(Requeue)
			}
		})
	if err != nil {
		return nil, false, fmt.Errorf("get from queue %q: %w", queue, err)
	}
	return d, d != nil, nil
}

func (s *Session) get(ctx context.Context, queue string, autoAck bool) (*Delivery, error) {
	u, err := s.use(ctx, queue, nil)
	if err != nil {
		return nil, err
	}
	defer u.gotten(ctx)
	if there, err := s.queues.useQueue(ctx, u.record()); err != nil {
		return nil, err
	} else if !there {
		return nil, s.noQueue(queue)
	}
	if err := u.returned(ctx); err != nil { // what was handed back comes first
		return nil, err
	}
	d, err := u.takeFirst(ctx)
	if errors.Is(err, errSourceGone) { // what is known of the queue is not so any more
		if err := u.read(ctx, nil); err != nil {
			return nil, err
		}
		if d, err = u.takeFirst(ctx); errors.Is(err, errSourceGone) {
			return nil, nil
		}
	}
	if d == nil || err != nil {
		return d, err
	}
	if s.explainDelivery("basic.get", queue, d, false); !autoAck {
		return d, nil
	}
	return d, d.Ack()
}

// takeFirst takes the first message that is ready at a source, in their order, and counts
// what is behind it.
func (u *user) takeFirst(ctx context.Context) (*Delivery, error) {
	if d := u.d.get(); d != nil { // it waits in this process
		return d, u.holdReady(ctx, d)
	}
	sources := u.gets.sourcesFor(u.s, u.record())
	var gone error
	others := len(sources) - 1 // which may have messages
	for _, src := range sources {
		var g *glance
		d, err := jsapi.UntilAnswered(ctx, func() (d *Delivery, err error) {
			d, g, err = u.take(ctx, src)
			return d, err
		})
		if errors.Is(err, errSourceGone) {
			gone = err
			continue
		}
		if err != nil {
			return nil, err
		}
		if d != nil {
			return d, u.hold(ctx, d, src, g, others > 0)
		}
		if g.isEmpty() {
			others--
		}
	}
	if d := u.d.get(); d != nil { // it has come meanwhile
		return d, u.holdReady(ctx, d)
	}
	return nil, gone
}

// holdReady is hold for a message that was ready in this process.
func (u *user) holdReady(ctx context.Context, d *Delivery) (err error) {
	if err := u.enter(d); err != nil {
		return err
	}
	if d.MessageCount, err = u.readBehind(ctx); err != nil {
		return errors.Join(err, d.Nack(Requeue))
	}
	return nil
}

// enter enters a message that was taken.
func (u *user) enter(d *Delivery) error {
	u.taken.enter(d, false)
	if u.s.isClosed() { // it may have handed back the others already
		_ = u.d.requeue(u.taken.withdraw(nil, true), func() {})
		return ErrClosed
	}
	return nil
}

// hold enters a message that was taken, and counts what is ready behind it.
func (u *user) hold(ctx context.Context, d *Delivery, src *source, g *glance, others bool) (err error) {
	if err := u.enter(d); err != nil {
		return err
	}
	known := false
	if a, ok := parseArrival(d.reply); ok && g.msg != nil && !others && d.Expiration == "" && src.sieve.knowable(a) {
		d.MessageCount, known, err = u.behind(ctx, src, g, a)
	}
	if err == nil && !known {
		d.MessageCount, err = u.readBehind(ctx)
	}
	if err != nil {
		return errors.Join(err, d.Nack(Requeue))
	}
	return nil
}

// behind counts what is ready at the only source that has messages.
func (u *user) behind(ctx context.Context, src *source, g *glance, a arrival) (n int, known bool, err error) {
	if n, known = g.counted(src, a); known || a.delivered != 1 {
		return n, known, nil
	}
	n = 0 // the server was behind
	for _, filter := range src.sieve.filters {
		some, err := jsapi.CountFrom(ctx, u.s.nc, src.stream, filter, a.seq+1)
		if err != nil {
			return 0, false, err
		}
		n += int(some)
	}
	return n, true, nil
}

// few is how much a Get reads to count what is behind.
var few = reading{most: 64, enough: math.MaxInt}

// readBehind counts what is ready as an inspection does.
func (u *user) readBehind(ctx context.Context) (int, error) {
	info, err := u.s.contents.countQueue(ctx, u.record(), few)
	return info.Ready, err
}

// take takes a message that is ready at one source. The glance is the last one at it, and
// has no message if the one that was taken did not come with it.
func (u *user) take(ctx context.Context, src *source) (d *Delivery, g *glance, err error) {
	p, err := u.gets.puller(u.s, src)
	if err != nil {
		return nil, g, err
	}
	defer func() {
		p.broken = p.broken || err != nil
		u.gets.keep(p)
	}()
	for {
		if g, err = p.glance(ctx); err != nil {
			return nil, g, err
		}
		if g.gone {
			if err = p.awaitServer(ctx); err != nil {
				return nil, g, err
			}
			continue
		}
		msg := g.msg
		if msg == nil && (!src.plain || !g.isEmpty()) {
			msg, err = p.search(ctx)
		}
		if err != nil || msg == nil {
			return nil, g, err
		}
		a, _ := parseArrival(msg.Reply)
		wanted := src.sieve.wants(msg, a)
		ended := wanted && u.s.contents.isOver(src, msg, a)
		if wanted && !ended {
			return newDelivery(msg, a, src), g, nil
		}
		if err := u.pass(ctx, src, msg, ended); err != nil {
			return nil, g, err
		}
	}
}

// pass drops a message that was taken and is not the queue's, or has ended.
func (u *user) pass(ctx context.Context, src *source, msg *nats.Msg, ended bool) error {
	if !ended {
		err := u.s.settleRaw(msg.Reply, verdictAck)
		u.taken.passOver(src.stream, msg.Reply)
		return err
	}
	// It is to be done with before the source is looked at.
	if err := u.s.reader.settleAll(ctx, []*nats.Msg{msg}, verdictAck); err != nil {
		return err
	}
	u.taken.passOver(src.stream, msg.Reply)
	return u.sweep(ctx, src) // many more may have ended
}

// sweep drops what has ended at the front of a source.
func (u *user) sweep(ctx context.Context, src *source) error {
	in, err := u.s.contents.usage(ctx, u.queue)
	if err != nil {
		return err
	}
	return u.s.contents.sweepSource(ctx, src, in.heldAt[src.stream], nil)
}
