package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// PublishAll publishes messages with one key in one transaction: what AMQP does
// with tx.select, as many basic.publish, and tx.commit. Nil says that the broker
// has stored all of them, in order and with none between them; an error says that
// it has none of them, unless it is [ErrUnconfirmed], which says that it has all or
// none. A broker that is killed keeps that promise when it is back.
//
// There are at most 1000 messages; none is nothing to do. The errors are those of
// [Session.Publish], and one message that is refused refuses all. With
// [Deduplicate], a MessageID that was seen before, or is there twice, refuses all
// with [ErrDuplicate]: who publishes again after [ErrUnconfirmed], with the same
// ids, learns from it that the first time was enough. [Mandatory] is for the
// default exchange; for others it is 540. So is a server older than 2.12.
//
// On a broker that keeps messages in files, a transaction takes a few
// milliseconds, whatever its size.
func (s *Session) PublishAll(ctx context.Context, exchange, key string, ms []Message, flags ...PublishFlag) error {
	if len(ms) == 0 {
		return nil
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	commit, err := s.prepareAll(ctx, exchange, key, ms, flags)
	if err == nil {
		err = s.publish(ctx, commit)
	}
	if jsapi.IsError(err, jsapi.CodeBatchDuplicate) {
		err = ErrDuplicate
	}
	if err != nil {
		return fmt.Errorf("publish %d messages to exchange %q with key %q: %w", len(ms), exchange, key, err)
	}
	s.explainPublishAll(exchange, key, len(ms))
	return nil
}

// prepareAll checks the messages, and gives what stands for all of them.
func (s *Session) prepareAll(ctx context.Context, exchange, key string, ms []Message, flags []PublishFlag) (*Confirm, error) {
	if len(ms) > maxBatch {
		return nil, errPrecondition("%d messages are more than one transaction takes, which is %d", len(ms), maxBatch)
	}
	if s.noBatches.Load() {
		return nil, errNotImplemented("transactions need a NATS server of version %s or newer; this is %s", minBatch, s.nc.ConnectedServerVersion())
	}
	b := &batch{stream: s.streamOf(exchange, key), msgs: make([]*nats.Msg, len(ms))}
	var first *Confirm
	for i := range ms {
		confirm, err := s.prepare(ctx, exchange, key, &ms[i], flags)
		switch {
		case err != nil:
			return nil, fmt.Errorf("message %d: %w", i+1, err)
		case confirm.awaitsTrace:
			return nil, errNotImplemented("a transaction cannot be mandatory on exchange '%s'", exchange)
		}
		if err := s.checkSize(confirm.msg, batchHeaders); err != nil {
			return nil, fmt.Errorf("message %d: %w", i+1, err)
		}
		if i == 0 {
			first = confirm
		}
		b.msgs[i] = confirm.msg
	}
	commit := *first
	stands := *first.msg
	commit.msg, commit.batch = &stands, b
	return &commit, nil
}

// refusedForNow reports whether a batch was refused, and none of it stored, for a
// reason that may pass.
func refusedForNow(err error) bool {
	return jsapi.IsError(err, jsapi.CodeDuplicateInProcess, jsapi.CodeBatchDisabled, jsapi.CodeBatchIncomplete, jsapi.CodeTooManyBatches)
}

// ended deals with the answer to a transaction.
func (c *confirms) ended(confirm *Confirm, err error) {
	switch {
	case err == nil:
		c.complete(confirm)
	case refusedForNow(err):
		c.commitAgain(confirm, err)
	default:
		c.resolve(confirm, err)
	}
}

// commitAgain publishes a batch again that was refused.
func (c *confirms) commitAgain(confirm *Confirm, refusal error) {
	c.n.run(func() {
		ctx, cancel := context.WithDeadline(c.n.ctx, confirm.deadline)
		defer cancel()
		if jsapi.IsError(refusal, jsapi.CodeBatchDisabled) {
			err := c.n.allowBatches(ctx, confirm.batch.stream)
			if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
				c.resolve(confirm, fmt.Errorf("let the stream take transactions: %w", err))
				return
			}
		}
		if err := c.retry(confirm); err != nil {
			c.resolve(confirm, errors.Join(refusal, err))
		}
	})
}
