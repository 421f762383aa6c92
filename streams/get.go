package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
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
	// A subscription of its own: a request would share one, where answers are
	// told apart by a subject that JetStream overwrites.
	sub, err := s.nc.SubscribeSync(s.nc.NewInbox())
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	srcs := s.sourcesOf(u.record())
	for i, src := range srcs {
		d, pending, err := s.take(ctx, src, sub)
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

// The requests of a Get: what is there now, and what the server is about to
// find out that it has.
const (
	takeNow  = `{"batch":1,"no_wait":true}`
	takeSoon = `{"batch":1,"no_wait":true,"expires":20000000}`
)

// patience is how often a Get or a purge looks again, 20 ms each, for what the
// server has not told the consumer of yet.
const patience = 5

// mayHaveMore reports whether messages were stored that the consumer may not have
// seen yet.
func (s *Session) mayHaveMore(ctx context.Context, src *source) bool {
	state, info, err := s.lookAt(ctx, src.stream, src.queue)
	return err == nil && info != nil && behindhand(info, state)
}

// take asks one source for a message that is there now.
func (s *Session) take(ctx context.Context, src *source, sub *nats.Subscription) (*Delivery, int, error) {
	request, looks := takeNow, 0
	for {
		if err := s.nc.PublishRequest(src.next, sub.Subject, []byte(request)); err != nil {
			return nil, 0, err
		}
		msg, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrNoResponders) {
			return nil, 0, nil // the view went as we looked
		}
		if err != nil {
			return nil, 0, err
		}
		a, ok := parseArrival(msg.Reply)
		if !ok { // nothing there
			if looks++; looks > patience || !s.mayHaveMore(ctx, src) {
				return nil, 0, nil
			}
			request = takeSoon
			continue
		}
		if !src.sieve.wants(msg, a) {
			if err := s.settleRaw(msg.Reply, verdictAck); err != nil {
				return nil, 0, err
			}
			continue
		}
		return newDelivery(msg, a, src), int(a.pending), nil
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
