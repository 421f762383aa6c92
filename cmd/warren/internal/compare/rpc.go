package compare

import (
	"context"
	"fmt"
)

// callAll makes calls, one after the other. Both sides consume; the answer is the
// request, so what is measured of it is the way there and back.
func (p *play) callAll(ctx context.Context) error {
	back := make(chan struct{}, 1)
	caller := &receiver{queue: p.queued[0], fail: p.fail, arrived: func() { p.arrived(); back <- struct{}{} }}
	p.receivers = append(p.receivers, caller)
	if err := caller.start(ctx, p.publisherConn(0), p.answers, p.w.Prefetch); err != nil {
		return err
	}
	stop, err := p.answerCalls(ctx)
	if err != nil {
		return err
	}
	defer stop()
	s := p.senders[0]
	s.first = clock()
	for i := range s.count {
		if err := s.publish(ctx, i, clock()); err != nil {
			return err
		}
		select {
		case <-back:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answerCalls is the server.
func (p *play) answerCalls(ctx context.Context) (stop func(), err error) {
	conn := p.consumerConn(0)
	out, err := conn.Publisher(ctx, p.w.Window+p.w.Prefetch)
	if err != nil {
		return nil, fmt.Errorf("open a publisher: %w", err)
	}
	p.publishers = append(p.publishers, out)
	confirmed := func(err error) {
		if err != nil {
			p.fail(fmt.Errorf("answer: %w", err))
		}
	}
	end, err := conn.Consume(ctx, p.queues[0], p.w.Prefetch, func(d Delivery) {
		m := Message{Class: p.class, Body: d.Message().Body}
		if err := out.Publish(ctx, "", p.answers, m, confirmed); err != nil {
			confirmed(err)
			return
		}
		if err := d.Ack(); err != nil {
			p.fail(fmt.Errorf("ack: %w", err))
		}
	})
	if err != nil {
		return nil, fmt.Errorf("consume: %w", err)
	}
	return func() {
		if err := end(); err != nil {
			p.fail(err)
		}
	}, nil
}
