package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// A feed reads the messages of a store from a sequence on, in order and without
// gaps. It reads through one consumer of its own after the other, each from where
// the last one broke off.
type feed struct {
	t      *Store
	filter string
	next   uint64 // the first sequence that was not read
	bare   bool   // without values
	f      func(Entry) bool
	ends   func(last uint64) // told where the stream ends before it is read; may be nil
}

// toEnd reads what is there, until f says false.
func (d *feed) toEnd(ctx context.Context) error {
	return d.steadily(ctx, func(ctx context.Context, p *pass) error {
		_, err := p.drain(ctx)
		return err
	})
}

// forEver reads what is there, calls ready, and goes on with what comes.
func (d *feed) forEver(ctx context.Context, ready func()) error {
	return d.steadily(ctx, func(ctx context.Context, p *pass) error {
		more, err := p.drain(ctx)
		if err == nil && more && ready != nil {
			ready()
			ready = nil
		}
		for err == nil && more {
			_, more, err = p.read(ctx, lasting)
		}
		return err
	})
}

// steadily ends with the context, or with the session.
func (d *feed) steadily(ctx context.Context, read func(context.Context, *pass) error) error {
	const pause = 20 * time.Millisecond
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(d.t.s.ctx, func() { cancel(ErrClosed) })()
	for {
		err := d.through(ctx, read)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !brokeOff(err) {
			return err
		}
		if jsapi.Sleep(ctx, pause) != nil {
			return context.Cause(ctx)
		}
	}
}

// brokeOff reports whether it was the broker, or the way there, that was away.
func brokeOff(err error) bool {
	return jsapi.Unanswered(err) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrJetStreamNotEnabled)
}

// through reads through one consumer.
func (d *feed) through(ctx context.Context, read func(context.Context, *pass) error) error {
	try, cancel := context.WithTimeout(ctx, jsapi.AnswerTime)
	defer cancel()
	p, err := within(try, d.t.s, d.begin, (*pass).end)
	if err != nil {
		return err
	}
	defer p.leave()
	return read(ctx, p)
}

// A pass is what a feed reads through one consumer.
type pass struct {
	*feed
	sub   *nats.Subscription
	name  string // of the consumer
	taken uint64 // how many messages came through it
}

func (d *feed) begin(ctx context.Context) (*pass, error) {
	s := d.t.s
	if s.isClosed() {
		return nil, ErrClosed
	}
	if err := d.findPlace(ctx); err != nil {
		return nil, err
	}
	consumer, err := s.js.CreateConsumer(ctx, d.t.stream, jetstream.ConsumerConfig{
		FilterSubject:     d.filter,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       d.next,
		AckPolicy:         jetstream.AckNonePolicy,
		HeadersOnly:       d.bare,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: 30 * time.Second,
	})
	if err != nil {
		return nil, d.t.gone(err)
	}
	p := &pass{feed: d, name: consumer.CachedInfo().Name}
	if p.sub, err = s.nc.SubscribeSync(s.nc.NewInbox()); err != nil {
		return nil, err
	}
	return p, p.sub.SetPendingLimits(-1, -1) // it has what was asked for at most
}

// findPlace goes back to where the stream ends: a power cut has taken what was
// written since.
func (d *feed) findPlace(ctx context.Context) error {
	stream, err := d.t.s.js.Stream(ctx, d.t.stream)
	if err != nil {
		return d.t.gone(err)
	}
	last := stream.CachedInfo().State.LastSeq
	d.next = min(d.next, last+1)
	if d.ends != nil {
		d.ends(last)
	}
	return nil
}

// end takes the consumer away. Nobody waits for that: it would go by itself.
func (p *pass) end() {
	_ = p.sub.Unsubscribe()
	_ = p.t.s.nc.Publish("$JS.API.CONSUMER.DELETE."+p.t.stream+"."+p.name, nil)
}

// leave is end, where the broker may have stopped reading.
func (p *pass) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	_ = p.t.s.do(ctx, func(context.Context) error { p.end(); return nil })
}

// feedBatch is how many messages a feed asks for at once.
const feedBatch = 256

// drain reads until the end of the stream; false says that f wants no more. The
// server tells a consumer of a message a moment after it has confirmed it, and
// would say that there is nothing: so it is asked what the stream has, and made to
// look.
func (p *pass) drain(ctx context.Context) (more bool, err error) {
	for look := time.Duration(0); look < patience; look = max(2*look, time.Millisecond) {
		ends := fmt.Sprintf(`,"no_wait":true,"expires":%d}`, look)
		for read := feedBatch; read == feedBatch; {
			if read, more, err = p.read(ctx, ends); err != nil || !more {
				return false, err
			}
		}
		left, err := p.left(ctx)
		if err != nil || !left {
			return true, err
		}
	}
	return false, jsapi.ErrBrokenOff
}

func (p *pass) left(ctx context.Context) (bool, error) {
	return call(ctx, p.t.s, func(ctx context.Context) (bool, error) {
		msg, _, err := jsapi.ReadNext(ctx, p.t.s.nc, p.t.stream, p.filter, p.next)
		return msg != nil, err
	})
}

// read makes one request, and reads what it brings; false says that f wants no
// more.
func (p *pass) read(ctx context.Context, ends string) (count int, more bool, err error) {
	body := fmt.Appendf(nil, `{"batch":%d%s`, feedBatch, ends)
	err = p.t.s.do(ctx, func(context.Context) error {
		return p.t.s.nc.PublishRequest(nextSubject(p.t.stream, p.name), p.sub.Subject, body)
	})
	for ; err == nil && count < feedBatch; count++ {
		var msg *nats.Msg
		if msg, err = p.nextMessage(ctx); err != nil || msg == nil {
			return count, true, err
		}
		if more, err = p.take(ctx, msg); err != nil || !more {
			return count, more, err
		}
	}
	return count, true, err
}

// nextMessage is the next of a request, nil where it ends.
func (p *pass) nextMessage(ctx context.Context) (*nats.Msg, error) {
	for {
		msg, err := p.nextSign(ctx)
		if errors.Is(err, nats.ErrNoResponders) {
			return nil, jsapi.ErrBrokenOff
		}
		if err != nil {
			return nil, err
		}
		switch msg.Header.Get("Status") {
		case "":
			return msg, nil
		case "100": // a sign of life
		case "404", "408":
			return nil, nil
		default:
			return nil, jsapi.ErrBrokenOff
		}
	}
}

// nextSign waits for anything; nothing, for too long, is unanswered.
func (p *pass) nextSign(ctx context.Context) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, lostAfter)
	defer cancel()
	return p.sub.NextMsgWithContext(ctx)
}

// take hands a message on, if none was lost before it.
func (p *pass) take(ctx context.Context, msg *nats.Msg) (more bool, err error) {
	a, ok := parseArrival(msg.Reply)
	if p.taken++; !ok || a.order != p.taken {
		return false, jsapi.ErrBrokenOff
	}
	p.next = a.seq + 1
	p.t.saw(a.seq)
	entry, ok := entryAt(p.t.base, msg, msg.Subject, a.seq, time.Unix(0, a.stamp))
	if !ok {
		return true, nil
	}
	return p.f(p.t.settle(ctx, entry, msg.Header)), nil
}
