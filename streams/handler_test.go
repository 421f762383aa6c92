package streams_test

import (
	"context"
	"runtime"
	"testing"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestRun_HandlerThatEndsItsGoroutine has returned: the next message has a handler, and
// Run ends.
func TestRun_HandlerThatEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	const total = 5
	r.number(q, total)
	c := r.consume(q, streams.ConsumeOptions{Prefetch: 1, Concurrency: 2})
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	seen := make(chan struct{}, total)
	ended := make(chan error, 1)
	go func() {
		ended <- c.Run(ctx, func(d *streams.Delivery) {
			must(t, d.Ack())
			seen <- struct{}{}
			runtime.Goexit()
		})
	}()
	for i := range total {
		select {
		case <-seen:
		case <-r.ctx.Done():
			t.Fatalf("%d messages had a handler, want %d", i, total)
		}
	}
	cancel()
	must(t, <-ended)
	r.wantCounts(q, 0, 0, 0)
}

// TestDeliveries_LeftByAPanic cancels the consumer as leaving the range does.
func TestDeliveries_LeftByAPanic(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(){"panic": func() { panic("at the disco") }, "goexit": runtime.Goexit} {
		r := newRig(t, embeddedtest.Connect(t), streams.Config{})
		q := r.queue(streams.Queue{Name: name})
		r.number(q, 3)
		c := r.consume(q, streams.ConsumeOptions{Prefetch: 2})
		left := make(chan struct{})
		go func() {
			defer close(left)
			defer func() { _ = recover() }()
			for d, err := range c.Deliveries(r.ctx) {
				must(t, err)
				must(t, d.Ack())
				leave()
			}
		}()
		<-left
		r.wantCounts(q, 2, 0, 0)
	}
}
