package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// queueInfo counts what a queue holds. What its consumers hold they know
// themselves; everything else is ready, what a killed consumer held among it,
// although that comes only when the lease is over.
func (s *Session) queueInfo(ctx context.Context, rec *queueRecord) (QueueInfo, error) {
	return s.countQueue(ctx, rec, math.MaxInt)
}

// countQueue is queueInfo for who does not wait for more than so many messages of
// a source to be read: of more, it counts all that came through the filters.
func (s *Session) countQueue(ctx context.Context, rec *queueRecord, most int) (QueueInfo, error) {
	consumers, held, err := s.usage(ctx, rec.Name)
	if err != nil {
		return QueueInfo{}, err
	}
	total, err := s.messages(ctx, rec, most)
	if err != nil {
		return QueueInfo{}, err
	}
	scheduled, err := s.countScheduled(ctx, rec)
	if err != nil {
		return QueueInfo{}, err
	}
	held = min(held, total)
	return QueueInfo{Queue: rec.Queue, Ready: total - held, Unacked: held, Scheduled: scheduled, Consumers: consumers}, nil
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
		switch {
		case a == nil:
		case a.silent:
			consumers++ // it uses the queue, and may consume it
		default:
			consumers += a.Consumers
			held += a.Held
		}
	}
	return consumers, held, nil
}

// messages counts everything in a queue, ready or not.
func (s *Session) messages(ctx context.Context, rec *queueRecord, most int) (int, error) {
	total := 0
	for _, src := range s.sourcesOf(rec) {
		count, err := s.countAt(ctx, src, most)
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
// something waits there that is not the queue's, or that it counts twice because
// two filters match it. That is read, where it is no more than is to be.
func (s *Session) countAt(ctx context.Context, src *source, most int) (int, error) {
	stream, err := s.js.Stream(ctx, src.stream)
	if err != nil {
		return 0, err
	}
	state := stream.CachedInfo().State
	doomed := state.Msgs > 0 && state.FirstTime.Before(src.sieve.doomed)
	if src.plain {
		if !doomed || int(state.Msgs) > most {
			return int(state.Msgs), nil
		}
		return s.scan(ctx, src, []string{">"}, state.FirstSeq, state.LastSeq)
	}
	info, err := s.settledInfo(ctx, stream, src)
	if err != nil {
		return 0, err
	}
	next, waiting := info.Delivered.Stream+1, int(info.NumPending)
	filters := filtersOf(info)
	exact := !doomed && src.sieve.exact && next > src.sieve.after && !crossing(filters)
	if !exact && waiting > 0 && waiting <= most {
		waiting, err = s.scan(ctx, src, filters, max(next, state.FirstSeq), state.LastSeq)
	}
	return waiting + info.NumAckPending, err
}

// filtersOf are the subjects that a consumer takes.
func filtersOf(info *jetstream.ConsumerInfo) []string {
	if len(info.Config.FilterSubjects) > 0 {
		return info.Config.FilterSubjects
	}
	return []string{cmp.Or(info.Config.FilterSubject, ">")}
}

// settledInfo reads the state of a view. The server counts a stored message for
// its consumers a moment after it has confirmed it, so right after one was
// stored the count is read until it stands.
func (s *Session) settledInfo(ctx context.Context, stream jetstream.Stream, src *source) (*jetstream.ConsumerInfo, error) {
	const fresh, moment, tries = 50 * time.Millisecond, 2 * time.Millisecond, 10
	var last *jetstream.ConsumerInfo
	for range tries {
		consumer, err := s.js.Consumer(ctx, src.stream, consumerName(src.queue))
		if err != nil {
			return nil, err
		}
		info := consumer.CachedInfo()
		stood := last != nil && last.NumPending == info.NumPending && last.NumAckPending == info.NumAckPending
		if stood || info.TimeStamp.Sub(stream.CachedInfo().State.LastTime) > fresh {
			return info, nil
		}
		last = info
		if err := sleep(ctx, moment); err != nil {
			return nil, err
		}
	}
	return last, nil
}
