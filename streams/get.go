package streams

import (
	"context"
	"errors"
	"fmt"
	"math"
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
	if there, err := s.useQueue(ctx, u.record()); err != nil {
		return nil, err
	} else if !there {
		return nil, s.noQueue(queue)
	}
	if err := u.settled(ctx); err != nil { // what was handed back comes first
		return nil, err
	}
	for _, src := range s.sourcesOf(u.record()) {
		d, err := u.take(ctx, src)
		if err != nil {
			return nil, err
		}
		if d == nil {
			continue
		}
		if err := s.hold(ctx, u, d); err != nil {
			return d, err
		}
		if s.explainDelivery("basic.get", queue, d, false); !autoAck {
			return d, nil
		}
		return d, d.Ack()
	}
	return nil, nil
}

// few is how much a Get reads to count what is behind.
var few = reading{most: 64, enough: math.MaxInt}

// hold enters a message that was taken, and counts what is ready behind it.
func (s *Session) hold(ctx context.Context, u *user, d *Delivery) error {
	u.taken.enter(d)
	if s.isClosed() { // it may have handed back the others already
		u.taken.handBack()
		return ErrClosed
	}
	info, err := s.countQueue(ctx, u.record(), few)
	if err != nil {
		return errors.Join(err, d.Nack(Requeue))
	}
	d.MessageCount = info.Ready
	return nil
}

// take takes a message that is ready at one source.
func (u *user) take(ctx context.Context, src *source) (*Delivery, error) {
	p, err := u.s.newPuller(src)
	if err != nil {
		return nil, err
	}
	defer p.close()
	for {
		msgs, err := p.pull(ctx, 1)
		if err != nil || len(msgs) == 0 {
			return nil, err
		}
		a, _ := parseArrival(msgs[0].Reply)
		wanted := src.sieve.wants(msgs[0], a)
		ended := wanted && u.s.isOver(src, msgs[0], a)
		if wanted && !ended {
			return newDelivery(msgs[0], a, src), nil
		}
		if ended {
			err = u.s.settleAll(ctx, msgs, verdictAck) // which is done with before the source is looked at
		} else {
			err = u.s.settleRaw(msgs[0].Reply, verdictAck)
		}
		if err != nil {
			return nil, err
		}
		u.taken.passOver(src.stream, msgs[0].Reply)
		if ended { // and many more may have
			if err := u.sweep(ctx, src); err != nil {
				return nil, err
			}
		}
	}
}

// sweep drops what has ended at the front of a source.
func (u *user) sweep(ctx context.Context, src *source) error {
	in, err := u.s.usage(ctx, u.queue)
	if err != nil {
		return err
	}
	return u.s.sweepSource(ctx, src, in.heldAt[src.stream], nil)
}
