package streams

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A stray is a message that the server had begun to send to a consumer that was
// just leaving, and took back. It is there for the next consumer at once. But if
// bindings do not ask for it, it counts as the queue's until somebody meets it, so
// the one who leaves looks.

// meetStrays acknowledges the strays of a queue that are not the queue's.
func (u *user) meetStrays(ctx context.Context) {
	rec := u.record()
	if rec == nil || u.s.nc.IsClosed() {
		return
	}
	srcs := u.s.queues.sourcesOf(rec)
	for _, src := range srcs {
		if !src.sieve.exact && u.meetStraysAt(ctx, src, srcs) != nil {
			return // somebody meets them later
		}
	}
}

func (u *user) meetStraysAt(ctx context.Context, src *source, srcs []*source) error {
	const longest = 50 * time.Millisecond // longer is what a killed consumer held
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	p, err := u.s.reader.newPuller(src, 1)
	if err != nil {
		return err
	}
	defer p.Close()
	for look := time.Duration(0); look < longest; {
		there, err := u.strayAt(ctx, src, srcs)
		if err != nil || !there {
			return err
		}
		msgs, err := p.ask(ctx, 1, look)
		if err != nil {
			return err
		}
		if len(msgs) == 0 {
			look = max(2*look, time.Millisecond)
			continue
		}
		a, _ := parseArrival(msgs[0].Reply)
		if src.sieve.wants(msgs[0], a) {
			return u.s.settleRaw(msgs[0].Reply, verdictRequeue)
		}
		if err := u.s.reader.settleAll(ctx, msgs, verdictAck); err != nil {
			return err
		}
	}
	return nil
}

// strayAt reports whether there may be a stray at a source: the server has sent messages
// that nobody holds, and one of those that it has sent is not the queue's. Others may be on
// their way, or their acks; a message that was never given must not be taken for a look.
func (u *user) strayAt(ctx context.Context, src *source, srcs []*source) (bool, error) {
	in, err := u.s.contents.usage(ctx, u.queue)
	if err != nil {
		return false, err
	}
	var at *jetstream.ConsumerInfo
	sent := 0
	for _, other := range srcs {
		_, info, err := u.s.reader.lookAt(ctx, other.stream, other.queue)
		if err != nil {
			return false, err
		}
		if info != nil {
			sent += info.NumAckPending
		}
		if other == src {
			at = info
		}
	}
	if sent <= in.held || at == nil {
		return false, nil
	}
	return u.s.reader.findGiven(ctx, src, at, func(msg *nats.Msg, a arrival) bool { return !src.sieve.wants(msg, a) })
}
