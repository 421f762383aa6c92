package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
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
	srcs := s.sourcesOf(u.record())
	for i, src := range srcs {
		d, pending, err := s.take(ctx, src)
		if err != nil {
			return nil, err
		}
		if d == nil {
			continue
		}
		if d.MessageCount, err = s.behind(ctx, srcs[i+1:], pending); err != nil {
			return nil, errors.Join(err, s.settleRaw(d.reply, verdictRequeue))
		}
		if autoAck {
			u.taken.number(d)
			return d, s.settleRaw(d.reply, verdictAck)
		}
		u.taken.enter(d)
		if s.isClosed() { // it may have handed back the others already
			u.taken.handBack()
			return nil, ErrClosed
		}
		return d, nil
	}
	return nil, nil
}

// take takes a message that is ready at one source, and says how many are
// behind it.
func (s *Session) take(ctx context.Context, src *source) (*Delivery, int, error) {
	p, err := s.newPuller(src)
	if err != nil {
		return nil, 0, err
	}
	defer p.close()
	for {
		msgs, err := p.pull(ctx, 1)
		if err != nil || len(msgs) == 0 {
			return nil, 0, err
		}
		a, _ := parseArrival(msgs[0].Reply)
		if src.sieve.wants(msgs[0], a) {
			return newDelivery(msgs[0], a, src), int(a.pending), nil
		}
		if err := s.settleRaw(msgs[0].Reply, verdictAck); err != nil {
			return nil, 0, err
		}
	}
}

// behind counts what is ready behind a message that was taken.
func (s *Session) behind(ctx context.Context, rest []*source, pending int) (int, error) {
	for _, src := range rest {
		more, err := s.readyAt(ctx, src)
		if err != nil {
			return 0, err
		}
		pending += more
	}
	return pending, nil
}

// readyAt is how much a source has ready, held messages among it.
func (s *Session) readyAt(ctx context.Context, src *source) (int, error) {
	count, err := s.countAt(ctx, src)
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, nil
	}
	return count, err
}
