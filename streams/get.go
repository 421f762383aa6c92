package streams

import (
	"context"
	"errors"
	"fmt"
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
	autoAck := len(flags) > 0 && flags[0]&AutoAck != 0
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
	u.settled() // what was handed back comes first
	for _, src := range s.sourcesOf(u.record()) {
		d, err := u.take(ctx, src)
		if err != nil {
			return nil, err
		}
		if d == nil {
			continue
		}
		if err := s.hold(ctx, u, d); err != nil || !autoAck {
			return d, err
		}
		return d, d.Ack()
	}
	return nil, nil
}

// fewToRead is how many messages a Get has read at most to count what is behind.
const fewToRead = 64

// hold enters a message that was taken, and counts what is ready behind it.
func (s *Session) hold(ctx context.Context, u *user, d *Delivery) error {
	u.taken.enter(d)
	if s.isClosed() { // it may have handed back the others already
		u.taken.handBack()
		return ErrClosed
	}
	info, err := s.countQueue(ctx, u.record(), fewToRead)
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
		if src.sieve.wants(msgs[0], a) {
			return newDelivery(msgs[0], a, src), nil
		}
		if err := u.s.settleRaw(msgs[0].Reply, verdictAck); err != nil {
			return nil, err
		}
		u.taken.passOver(src.stream, msgs[0].Reply)
	}
}
