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
	count, err := call(ctx, s, func(ctx context.Context) (int, error) { return s.purgeQueue(ctx, queue) })
	if err != nil {
		return count, fmt.Errorf("purge queue %q: %w", queue, err)
	}
	return count, nil
}

func (s *Session) purgeQueue(ctx context.Context, queue string) (int, error) {
	rec, err := s.needQueue(ctx, queue)
	if err != nil {
		return 0, err
	}
	if u := s.userOf(queue); u != nil {
		u.settled() // what was handed back goes too
	}
	total := 0
	for _, src := range s.sourcesOf(rec) {
		count, err := s.purge(ctx, src)
		total += count
		if err != nil {
			return total, err
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
	if left == 0 && s.mayHaveMore(ctx, src) {
		left = purgeBatch
	}
	inbox := s.nc.NewInbox()
	sub, err := s.nc.SubscribeSync(inbox)
	if err != nil {
		return 0, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	total, looks := 0, 0
	for left > 0 {
		taken, wanted, err := s.purgeSome(ctx, src, sub, min(left, purgeBatch))
		total += wanted
		left -= wanted
		if err != nil {
			return total, err
		}
		if taken > 0 {
			continue
		}
		if looks++; looks > patience || !s.mayHaveMore(ctx, src) {
			break
		}
	}
	return total, nil
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
	// It waits for a moment: the server tells its consumers of a message just
	// after it has confirmed it.
	body := fmt.Appendf(nil, `{"batch":%d,"no_wait":true,"expires":20000000}`, batch)
	if err := s.nc.PublishRequest(src.next, sub.Subject, body); err != nil {
		return 0, 0, err
	}
	var replies []string
	for taken < batch {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return taken, wanted, errors.Join(err, s.drop(ctx, replies))
		}
		a, ok := parseArrival(msg.Reply)
		if !ok {
			break // nothing more is there now
		}
		taken++
		if src.sieve.wants(msg, a) {
			wanted++
		}
		replies = append(replies, msg.Reply)
	}
	return taken, wanted, s.drop(ctx, replies)
}

// drop acknowledges messages, and returns when the server has done what they
// say: it does it in order, so that waiting for the last is enough.
func (s *Session) drop(ctx context.Context, replies []string) error {
	if len(replies) == 0 {
		return nil
	}
	last := len(replies) - 1
	for _, reply := range replies[:last] {
		if err := s.settleRaw(reply, verdictAck); err != nil {
			return err
		}
	}
	_, err := s.nc.RequestWithContext(ctx, replies[last], verdictBytes[verdictAck])
	return err
}
