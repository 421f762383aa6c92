package streams_test

import (
	"context"
	"errors"
	"testing"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestEach_EndsWithTheHandlersError: and cancels the consumer, so that what it has not
// handled is for others.
func TestEach_EndsWithTheHandlersError(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 5)
	c := r.consume(q, streams.ConsumeOptions{})
	full := errors.New("the disk is full")
	err := c.Each(r.ctx, func(d *streams.Delivery) error {
		if string(d.Body) == "3" {
			return full
		}
		return d.Ack()
	})
	if !errors.Is(err, full) {
		t.Errorf("got %v, want the handler's error", err)
	}
	r.wantCounts(q, 2, 1, 0)
}

// TestEach_EndsWithItsContext: without an error, as Run does.
func TestEach_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 2)
	c := r.consume(q, streams.ConsumeOptions{Prefetch: 1})
	ctx, cancel := context.WithCancel(r.ctx)
	must(t, c.Each(ctx, func(d *streams.Delivery) error {
		cancel()
		return d.Ack()
	}))
	r.untilCounts(q, 1, 0, 0)
}

// TestEach_TellsThatTheQueueWasDeleted.
func TestEach_TellsThatTheQueueWasDeleted(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 1)
	c := r.consume(q, streams.ConsumeOptions{})
	err := c.Each(r.ctx, func(d *streams.Delivery) error {
		if err := d.Ack(); err != nil {
			return err
		}
		_, err := r.DeleteQueue(r.ctx, q)
		return err
	})
	if !errors.Is(err, streams.ErrCancelled) {
		t.Errorf("got %v, want %v", err, streams.ErrCancelled)
	}
}
