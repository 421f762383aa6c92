package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// queueInfo counts what a queue holds. What its consumers hold they know
// themselves; everything else is ready, what a killed consumer held among it,
// although that comes only when the lease is over.
func (s *Session) queueInfo(ctx context.Context, rec *queueRecord) (QueueInfo, error) {
	consumers, held, err := s.usage(ctx, rec.Name)
	if err != nil {
		return QueueInfo{}, err
	}
	total, err := s.messages(ctx, rec)
	if err != nil {
		return QueueInfo{}, err
	}
	held = min(held, total)
	return QueueInfo{Queue: rec.Queue, Ready: total - held, Unacked: held, Consumers: consumers}, nil
}

// usage counts the consumers of a queue and what all sessions hold of it.
func (s *Session) usage(ctx context.Context, queue string) (consumers, held int, err error) {
	sessions, err := s.queueUsers(ctx, queue)
	if err != nil {
		return 0, 0, err
	}
	answers, err := s.askAll(ctx, sessions, question{Queue: queue})
	if err != nil {
		return 0, 0, err
	}
	for _, a := range answers {
		if a != nil {
			consumers += a.Consumers
			held += a.Held
		}
	}
	return consumers, held, nil
}

// messages counts everything in a queue, ready or not.
func (s *Session) messages(ctx context.Context, rec *queueRecord) (int, error) {
	total, err := s.waitingAt(ctx, s.vhost.homeStream(rec.Name), rec.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, fmt.Errorf("%w (its stream is missing)", s.noQueue(rec.Name))
	}
	if err != nil {
		return 0, err
	}
	for _, exchange := range rec.exchanges() {
		more, err := s.waitingAt(ctx, s.vhost.exchangeStream(exchange), rec.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		total += more
	}
	return total, nil
}

func (s *Session) waitingAt(ctx context.Context, stream, queue string) (int, error) {
	consumer, err := s.js.Consumer(ctx, stream, consumerName(queue))
	if err != nil {
		return 0, err
	}
	info := consumer.CachedInfo()
	return int(info.NumPending) + info.NumAckPending, nil
}
