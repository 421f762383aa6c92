package streams

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams/internal/jsapi"
)

// A puller takes what is ready at one source, outside of any consumer.
type puller struct {
	jsapi.Replies
	r   *reader
	src *source
	// broken says that an answer may still come to a request that nobody waits for.
	broken bool
	large  bool // the last message that came was
	// until is the last sequence that was stored when nothing seemed to be
	// there; 0 before.
	until uint64
}

// newPuller makes a puller that asks for up to so many messages at once. It needs a
// subscription of its own: a request would share one, where answers are told apart by a
// subject that JetStream overwrites. Whoever makes a puller closes it.
func (rd *reader) newPuller(src *source, most int) (*puller, error) {
	const others = 2 // how a request ends, and what else is asked with it
	in, err := jsapi.NewReplies(rd.link.nc, most+others)
	return &puller{Replies: in, r: rd, src: src}, err
}

// patience is how long a puller lets the server look for a message that lies in
// the stream: it may be one that the queue's consumer has passed over.
const patience = 2 * time.Second

// pull takes up to so many messages that are ready; none says that there are
// none. The server tells a consumer of a message a moment after it has confirmed
// it, and would say that there is nothing. So where something lies in the stream,
// the server is made to look, for longer each time.
func (p *puller) pull(ctx context.Context, most int) ([]*nats.Msg, error) {
	msgs, err := p.ask(ctx, most, 0)
	if len(msgs) > 0 || err != nil {
		return msgs, err
	}
	return p.searchFor(ctx, most)
}

// search is pull of one message, of a source that has said that nothing is there.
func (p *puller) search(ctx context.Context) (*nats.Msg, error) {
	msgs, err := p.searchFor(ctx, 1)
	if len(msgs) == 0 {
		return nil, err
	}
	return msgs[0], err
}

func (p *puller) searchFor(ctx context.Context, most int) ([]*nats.Msg, error) {
	p.until = 0
	for look := time.Millisecond; look < patience; look *= 2 {
		if left, err := p.left(ctx); !left || err != nil {
			return nil, err
		}
		msgs, err := p.ask(ctx, most, look)
		if len(msgs) > 0 || err != nil {
			return msgs, err
		}
	}
	return nil, nil
}

// request sends one request. With a time to look for messages the server reads the
// stream, and otherwise goes by what it counted.
func (p *puller) request(most int, look time.Duration) error {
	body := fmt.Appendf(nil, `{"batch":%d,"no_wait":true,"expires":%d}`, most, look)
	return p.Ask(p.src.next, body)
}

// ask sends one request and takes what comes.
func (p *puller) ask(ctx context.Context, most int, look time.Duration) ([]*nats.Msg, error) {
	if err := p.request(most, look); err != nil {
		return nil, err
	}
	var msgs []*nats.Msg
	for len(msgs) < most {
		msg, err := p.Next(ctx)
		if err != nil {
			return msgs, err
		}
		if _, ok := parseArrival(msg.Reply); !ok {
			break // nothing more is there now, or the view went as we looked
		}
		msgs = append(msgs, msg)
	}
	return msgs, nil
}

// left reports whether something is left in the stream that is the queue's and
// that no consumer was sent, of what was stored when this was asked first.
func (p *puller) left(ctx context.Context) (bool, error) {
	state, info, err := p.r.lookAt(ctx, p.src.stream, p.src.queue)
	if err != nil || info == nil {
		return false, err
	}
	if p.until == 0 {
		p.until = state.LastSeq
	}
	for _, filter := range filtersOf(info) {
		if left, err := p.leftOf(ctx, filter, info.Delivered.Stream+1); left || err != nil {
			return left, err
		}
	}
	return false, nil
}

// leftOf looks for a message of one filter, from a sequence on. It does not look
// at many that are not the queue's: those go when they are taken.
func (p *puller) leftOf(ctx context.Context, filter string, from uint64) (bool, error) {
	const most = 64
	for range most {
		if from > p.until {
			return false, nil
		}
		msg, at, err := jsapi.ReadNext(ctx, p.r.link.nc, p.src.stream, filter, from)
		if err != nil || msg == nil || at.Seq > p.until {
			return false, err
		}
		if p.src.sieve.wants(msg, readAt(at)) {
			return true, nil
		}
		from = at.Seq + 1
	}
	return true, nil
}

// settleAll settles messages all in one way, and returns when the server has done what
// they say.
func (rd *reader) settleAll(ctx context.Context, msgs []*nats.Msg, v verdict) error {
	for _, msg := range msgs {
		if err := rd.link.settleRaw(msg.Reply, v); err != nil {
			return err
		}
	}
	if len(msgs) == 0 {
		return nil
	}
	return rd.settledAt(ctx, msgs[len(msgs)-1].Reply)
}

// settledAt returns when the broker has taken note of what was settled before of the
// source of a reply. A renewal of what is settled does nothing; its answer comes behind
// everything said before.
func (rd *reader) settledAt(ctx context.Context, reply string) error {
	_, err := jsapi.Ask(ctx, func(ctx context.Context) (*nats.Msg, error) {
		return rd.link.nc.RequestWithContext(ctx, reply, verdictBytes[leaseRenewal])
	})
	return err
}
