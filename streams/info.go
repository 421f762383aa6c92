package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	total := 0
	for _, src := range s.sourcesOf(rec) {
		count, err := s.countAt(ctx, src)
		gone := errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound)
		switch {
		case gone && src.exchange != "":
			continue // the view is not there yet, or not any more
		case gone:
			return 0, fmt.Errorf("%w (its stream is missing)", s.noQueue(rec.Name))
		case err != nil:
			return 0, err
		}
		total += count
	}
	return total, nil
}

// countAt counts what a source holds for the queue. The server knows, unless
// something waits there that is not the queue's.
func (s *Session) countAt(ctx context.Context, src *source) (int, error) {
	stream, err := s.js.Stream(ctx, src.stream)
	if err != nil {
		return 0, err
	}
	state := stream.CachedInfo().State
	doomed := state.Msgs > 0 && state.FirstTime.Before(src.sieve.doomed)
	if src.exchange == "" {
		if !doomed {
			return int(state.Msgs), nil
		}
		return s.scan(ctx, src, state.FirstSeq, state.LastSeq)
	}
	consumer, err := stream.Consumer(ctx, consumerName(src.queue))
	if err != nil {
		return 0, err
	}
	info := consumer.CachedInfo()
	next := info.Delivered.Stream + 1
	exact := !doomed && src.sieve.exact && next > src.sieve.after
	if exact && (!behindhand(info, state) || state.LastSeq-info.Delivered.Stream > longScan) {
		return int(info.NumPending) + info.NumAckPending, nil
	}
	waiting, err := s.scan(ctx, src, max(next, state.FirstSeq), state.LastSeq)
	return waiting + info.NumAckPending, err
}

// longScan is how many messages are too many to read only because the last few
// may not be counted yet.
const longScan = 20_000

// behindhand reports whether a consumer may not have been told of all messages
// in its stream: the server does that a moment after it has confirmed them.
func behindhand(info *jetstream.ConsumerInfo, state jetstream.StreamState) bool {
	const moment = time.Second
	return info.Delivered.Stream < state.LastSeq && info.TimeStamp.Sub(state.LastTime) < moment
}
