package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/pflag"

	"warren/streams"
)

// reception is what every receiver can be told: after how many messages to
// leave, how many to hold at once, and who acknowledges.
type reception struct {
	count    int
	prefetch int
	ack      bool
}

func (r *reception) addCount(flags *pflag.FlagSet) {
	flags.IntVar(&r.count, "count", 0, "leave after so many messages\n(default: when Ctrl-C is pressed)")
}

// check refuses numbers that mean nothing. A prefetch is a number of messages
// that are not acknowledged, so it takes acknowledgements.
func (r *reception) check() error {
	if r.count < 0 || r.prefetch < 0 {
		return usageError{errors.New("--count and --prefetch are not negative")}
	}
	r.ack = r.ack || r.prefetch > 0
	return nil
}

// consume gives the callback every message of the queue, one at a time, until
// Ctrl-C, or until there were enough. The callback acknowledges, if it should;
// what it left unsettled when it was interrupted goes back to the queue.
func (r reception) consume(ctx context.Context, s *streams.Session, out io.Writer, queue string, callback func(*streams.Delivery) error) error {
	window, err := streams.NewWindow(r.room(0))
	if err != nil {
		return err
	}
	consumer, err := s.Consume(ctx, queue, streams.ConsumeOptions{Window: window, AutoAck: r.autoAck()})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, "Waiting for messages. To exit press CTRL+C"); err != nil {
		return err
	}
	taken := 0
	for d, err := range consumer.Deliveries(ctx) {
		if err != nil {
			return stopped(ctx, s, err)
		}
		taken++
		if err := window.Set(r.room(taken)); err != nil {
			return err
		}
		if err := r.handle(d, callback); err != nil {
			return stopped(ctx, s, err)
		}
		if taken == r.count {
			return nil
		}
	}
	return nil
}

// orphanRounds is how often a receiver looks whether another one was killed.
const orphanRounds = 2 * time.Second

// followOrphans says of messages that a killed receiver held when they come again, now and
// until it is stopped: until then a receiver waits for them, and would not know why.
func followOrphans(ctx context.Context, s *streams.Session, stderr io.Writer, q streams.QueueInfo) (stop func()) {
	tellOrphans(stderr, q)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pause(ctx, orphanRounds) == nil {
			now, err := s.InspectQueue(ctx, q.Name)
			if err == nil && now.OrphanedUntil.After(q.OrphanedUntil) {
				tellOrphans(stderr, now)
				q = now
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

func tellOrphans(stderr io.Writer, q streams.QueueInfo) {
	if q.Orphaned > 0 {
		fmt.Fprintf(stderr, "A receiver was killed: the messages that it held (%d) come again by %s.\n",
			q.Orphaned, q.OrphanedUntil.Local().Add(time.Second).Format(time.TimeOnly))
	}
}

// autoAck reports whether the broker takes a message for done when it sends it.
// It would send all it has; with a count, what lies beyond it has to stay.
func (r reception) autoAck() bool { return !r.ack && r.count == 0 }

// room is how many messages may be unsettled after so many were taken; 0 is no
// limit. With a count it is never more than are still wanted.
func (r reception) room(taken int) int {
	if r.count == 0 {
		return r.prefetch
	}
	left := max(r.count-taken, 1)
	if r.prefetch == 0 {
		return left
	}
	return min(r.prefetch, left)
}

func (r reception) handle(d *streams.Delivery, callback func(*streams.Delivery) error) error {
	if !r.ack && !r.autoAck() {
		if err := d.Ack(); err != nil {
			return err
		}
	}
	return callback(d)
}

// stopped ends the session of a receiver whose callback did not finish. All
// that it holds goes back at once, so that it stays in order: the message in
// hand comes before those that waited behind it.
func stopped(ctx context.Context, s *streams.Session, err error) error {
	closed := s.Close(context.WithoutCancel(ctx))
	switch {
	case ctx.Err() == nil:
		return err
	case errors.Is(closed, nats.ErrConnectionClosed):
		return nil // the broker is away, which the user was told
	}
	return closed // Ctrl-C is how a receiver ends
}
