package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// A puller takes what is ready at one source, outside of any consumer.
type puller struct {
	s   *Session
	src *source
	sub *nats.Subscription
	// until is the last sequence that was stored when nothing seemed to be
	// there; 0 while something was.
	until uint64
}

// newPuller needs a subscription of its own: a request would share one, where
// answers are told apart by a subject that JetStream overwrites. Whoever makes a
// puller closes it.
func (s *Session) newPuller(src *source) (*puller, error) {
	sub, err := s.nc.SubscribeSync(s.nc.NewInbox())
	if err != nil {
		return nil, err
	}
	return &puller{s: s, src: src, sub: sub}, nil
}

func (p *puller) close() { _ = p.sub.Unsubscribe() }

// pull takes up to so many messages that are ready. None means that of what was
// stored when it was called, none is. The server tells a consumer of a message a
// moment after it has confirmed it, and would say that there is nothing: so it
// is made to look, until it has looked far enough.
func (p *puller) pull(ctx context.Context, most int) ([]*nats.Msg, error) {
	p.until = 0
	for look := time.Duration(0); ; look = min(max(2*look, time.Millisecond), 100*time.Millisecond) {
		msgs, err := p.ask(ctx, most, look)
		if len(msgs) > 0 || err != nil {
			return msgs, err
		}
		if seen, err := p.seenAll(ctx); seen || err != nil {
			return nil, err
		}
	}
}

// ask sends one request. With a time to look for messages the server reads the
// stream, and otherwise goes by what it counted.
func (p *puller) ask(ctx context.Context, most int, look time.Duration) ([]*nats.Msg, error) {
	body := fmt.Appendf(nil, `{"batch":%d,"no_wait":true,"expires":%d}`, most, look)
	if err := p.s.nc.PublishRequest(p.src.next, p.sub.Subject, body); err != nil {
		return nil, err
	}
	var msgs []*nats.Msg
	for len(msgs) < most {
		msg, err := p.sub.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrNoResponders) {
			break // the view went as we looked
		}
		if err != nil {
			return msgs, err
		}
		if _, ok := parseArrival(msg.Reply); !ok {
			break // nothing more is there now
		}
		msgs = append(msgs, msg)
	}
	return msgs, nil
}

// seenAll reports whether the consumer has come to the end of its stream, as the
// stream was when this was asked first.
func (p *puller) seenAll(ctx context.Context) (bool, error) {
	state, info, err := p.s.lookAt(ctx, p.src.stream, p.src.queue)
	if err != nil || info == nil {
		return info == nil, err
	}
	if p.until == 0 {
		p.until = state.LastSeq
	}
	return info.Delivered.Stream >= p.until, nil
}

// drop acknowledges messages, and returns when the server has done what they
// say: it does it in order, so that waiting for the last is enough.
func (s *Session) drop(ctx context.Context, msgs []*nats.Msg) error {
	if len(msgs) == 0 {
		return nil
	}
	last := len(msgs) - 1
	for _, msg := range msgs[:last] {
		if err := s.settleRaw(msg.Reply, verdictAck); err != nil {
			return err
		}
	}
	_, err := s.nc.RequestWithContext(ctx, msgs[last].Reply, verdictBytes[verdictAck])
	return err
}
