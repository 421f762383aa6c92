package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// purgeBatch is how many messages a purge takes at once.
const purgeBatch = 1000

// PurgeQueue drops the ready messages of a queue and says how many there were;
// those a consumer holds stay its own. Messages published while it runs may
// stay. A queue that is not there is 404.
func (s *Session) PurgeQueue(ctx context.Context, queue string) (int, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rec, err := s.needQueue(ctx, queue)
	if err != nil {
		return 0, fmt.Errorf("purge queue %q: %w", queue, err)
	}
	total := 0
	for _, src := range s.sourcesOf(rec) {
		count, err := s.purge(ctx, src)
		total += count
		if err != nil {
			return total, fmt.Errorf("purge queue %q: %w", queue, err)
		}
	}
	return total, nil
}

// purge takes what is ready at a source and drops it. JetStream's own purge
// would also take away what consumers hold, and a message requeued after it
// would be lost.
func (s *Session) purge(ctx context.Context, src *source) (int, error) {
	left, err := s.readyAt(ctx, src)
	if err != nil {
		return 0, err
	}
	inbox := s.nc.NewInbox()
	sub, err := s.nc.SubscribeSync(inbox)
	if err != nil {
		return 0, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	total := 0
	for left > 0 {
		taken, wanted, err := s.purgeSome(ctx, src, sub, min(left, purgeBatch))
		total += wanted
		left -= taken
		if err != nil || taken == 0 {
			return total, err
		}
	}
	return total, s.nc.FlushWithContext(ctx)
}

// readyAt bounds what may be taken from a source now.
func (s *Session) readyAt(ctx context.Context, src *source) (int, error) {
	count, err := s.countAt(ctx, src)
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, nil
	}
	return count, err
}

// purgeSome drops one batch, and says how many messages it took, and how many
// of them were the queue's.
func (s *Session) purgeSome(ctx context.Context, src *source, sub *nats.Subscription, batch int) (taken, wanted int, err error) {
	body := fmt.Appendf(nil, `{"batch":%d,"no_wait":true}`, batch)
	if err := s.nc.PublishRequest(src.next, sub.Subject, body); err != nil {
		return 0, 0, err
	}
	for taken < batch {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return taken, wanted, err
		}
		a, ok := parseArrival(msg.Reply)
		if !ok {
			return taken, wanted, nil // nothing more is there now
		}
		taken++
		if src.sieve.wants(msg, a) {
			wanted++
		}
		if err := s.settleRaw(msg.Reply, verdictAck); err != nil {
			return taken, wanted, err
		}
	}
	return taken, wanted, nil
}
